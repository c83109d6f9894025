"""The words that a reader of sentences knows: a glossary's, those of time, and those that only patterns hold.

A word that is misspelt by one letter is found by what is left when one letter is taken away: from it and from the word
that was meant the same is left. For Korean a letter is a part of a syllable.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dure.intents.patterns import words
from dure.intents.patterns.korean import forms, has_hangul, letters

Glossary = Mapping[str, Sequence[str]]
"""A concept, and the words for it in both languages; `~` behind a Korean verb's stem stands for its forms."""

MISSPELT_LETTERS_MIN = 5
MISSPELT_KOREAN_MIN = 6
"""Shorter words have too many neighbours."""
_LATIN = re.compile(r"[a-z]+")
_DOUBLED = re.compile(r"([bdgklmnprt])\1$")


def stem(word: str) -> str:
    """Answer a rough stem of an English word, for likeness only. Example: `stem("invoices") == stem("invoicing")`."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("sses", "ches", "shes", "xes", "zes")) else word[:-1]
    if len(word) > 5 and word.endswith("ing"):
        word = _DOUBLED.sub(r"\1", word[:-3])
    elif len(word) > 4 and word.endswith("ied"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith("ed"):
        word = _DOUBLED.sub(r"\1", word[:-2])
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


class Vocabulary:
    """Words and their concepts. Example: `Vocabulary({"student": ("학생", "student")}).english[("student",)]`."""

    def __init__(self, glossary: Glossary, others: Iterable[str] = ()) -> None:
        self.korean: dict[str, str] = {}
        """By their syllables, without spaces."""
        self.english: dict[tuple[str, ...], str] = {}
        """By the stems of their words."""
        self.spaced: set[str] = set()
        """Those that have a space in the middle, which belongs to them."""
        self.name = next(iter(glossary.get("@name", ())), "@name")
        self._near: dict[str, list[tuple[str, str]]] = {}
        for concept, terms in (*glossary.items(), *words.TIME.items()):
            if concept == "@name":
                continue
            for term in terms:
                self._add(term, concept)
        for word in others:
            self._add(word, f"={word}")
        self.korean_chars_max = max(map(len, self.korean), default=0)
        self.english_words_max = max(map(len, self.english), default=0)

    def meant(self, word: str) -> str | None:
        """Answer the concept of a word with one letter wrong, less, more or swapped. Example: `meant("studnet")`."""
        given = letters(word) if has_hangul(word) else word
        if len(given) < _least(given):
            return None
        found = {
            concept
            for left in (given, *_less(given))
            for term, concept in self._near.get(left, ())
            if _is_one_apart(given, term)
        }
        return min(found) if found else None

    def _add(self, term: str, concept: str) -> None:
        if not has_hangul(term):
            key = tuple(stem(word) for word in _LATIN.findall(term.casefold()))
            if key and self.english.setdefault(key, concept) == concept and len(key) == 1:
                self._know(key[0], concept)
            return
        bare = term.replace(" ", "")
        for form in forms(bare[:-1]) if bare.endswith("~") else (bare,):
            if " " in term:
                self.spaced.add(form)
            if self.korean.setdefault(form, concept) == concept and len(form) > 1:
                self._know(letters(form), concept)

    def _know(self, spelled: str, concept: str) -> None:
        if len(spelled) < _least(spelled):
            return
        for left in (spelled, *_less(spelled)):
            self._near.setdefault(left, []).append((spelled, concept))


def _least(spelled: str) -> int:
    return MISSPELT_LETTERS_MIN if spelled.isascii() else MISSPELT_KOREAN_MIN


def _less(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _is_one_apart(given: str, term: str) -> bool:
    """One letter more, less or other, or two neighbours swapped."""
    if abs(len(given) - len(term)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(given, term, strict=False)) if a != b), min(len(given), len(term)))
    rest, other = given[at:], term[at:]
    swapped = len(rest) > 1 and len(other) > 1 and rest[0] == other[1] and rest[1] == other[0]
    return rest[1:] == other[1:] or rest[1:] == other or rest == other[1:] or (swapped and rest[2:] == other[2:])
