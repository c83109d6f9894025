"""A sentence down to what it asks for: its words without particles, endings, politeness, names and numbers.

No analyser of a language. English is cut at its spaces; Korean, whose spaces nobody can be held to, by the cheapest way
to read it as words that are known, what may stand behind them, and a rest that is not.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from dure.intents.patterns import words
from dure.intents.patterns.cutting import Piece, cut
from dure.intents.patterns.korean import has_hangul
from dure.intents.patterns.vocabulary import Vocabulary, stem

SENTENCE_CHARS_MAX = 500
"""What is longer is no question; its beginning is read."""
LETTERS_MIN = 2
TIME = "@"
"""What the concepts of time begin with."""
NAME = "@name"
"""In a glossary: the concept of which a name is, as `"@name": ("student",)`."""

Lang = Literal["ko", "en"]
Kind = Literal["term", "unknown", "name"]

_FULL_NAME = re.compile("[" + words.SURNAMES + "][가-힣]{2}")
_UNITS = "|".join(sorted(words.UNITS, key=lambda unit: (-len(unit), unit)))
_QUOTED = re.compile(r"[\"“”„«»「」『』‘’'](?P<inside>[^\"“”„«»「」『』‘’']{1,60})[\"“”„«»「」『』‘’']")
_MONEY = re.compile(r"[원만천%]|won|krw|percent|퍼센트", re.IGNORECASE)
_TOKEN = re.compile(
    rf"(?P<number>\d[\d,.:/-]*\s?(?:(?:{_UNITS})(?![a-z]))*)|(?P<hangul>[가-힣ㄱ-ㅣ]+)|(?P<latin>[^\W\d_가-힣ㄱ-ㅣ]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A word of a sentence that says something."""

    text: str
    kind: Kind
    concept: str
    """What it means; of a word that is not known, the word itself behind an `=`."""
    is_label: bool = False
    """A number stands right behind it, as in `grade 8`: it says what that is, and not what is asked for."""


@dataclass(frozen=True)
class Sentence:
    """A sentence as it is compared. Example: `read("학생을 등록해 주세요", vocabulary).words == "학생 등록"`."""

    parts: tuple[Part, ...]
    tight: str
    """Its letters and digits, in one case."""

    @cached_property
    def concepts(self) -> frozenset[str]:
        """What it is about, as far as that is known."""
        return frozenset(part.concept for part in self.parts if part.kind != "unknown" and part.concept != NAME)

    @cached_property
    def labels(self) -> frozenset[str]:
        """What it is about only as the names of values."""
        return frozenset(part.concept for part in self.parts if part.is_label) - {
            part.concept for part in self.parts if not part.is_label
        }

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Its words that nobody knows and that are no names."""
        return tuple(dict.fromkeys(part.text for part in self.parts if part.kind == "unknown"))

    @cached_property
    def words(self) -> str:
        """Its words in their order, without names."""
        return " ".join(part.text for part in self.parts if part.kind != "name")


def fold(text: str) -> str:
    """Answer a text in one form of Unicode, spaces single, at most so long. Example: `fold("Ｈｉ \\n you")`."""
    plain = unicodedata.normalize("NFKC", text[:SENTENCE_CHARS_MAX])
    return " ".join("".join(char if char.isprintable() else " " for char in plain).split())[:SENTENCE_CHARS_MAX]


def tight(text: str) -> str:
    """Answer the letters and digits of a text, in one case. Example: `tight("학생, 등록!") == "학생등록"`."""
    return "".join(char for char in fold(text).casefold() if char.isalnum())


def letter_count(text: str) -> int:
    """Answer how many letters a text has. Example: `letter_count("a1!") == 1`."""
    return sum(1 for char in fold(text) if char.isalpha())


def lang_of(text: str) -> Lang:
    """Answer the language of a text, by its letters. Example: `lang_of("SMS 보내줘") == "ko"`."""
    return "ko" if has_hangul(text) else "en"


def read(text: str, vocabulary: Vocabulary, known_names: Sequence[str] = ()) -> Sentence:
    """Read a sentence, in which these names stand. Example: `read("register a student", vocabulary).concepts`."""
    folded = fold(text)
    names: list[Part] = []

    def take(match: re.Match[str]) -> str:
        names.append(Part(match["inside"].strip(), "name", NAME))
        return " "

    rest = _QUOTED.sub(take, folded)
    for name in sorted(known_names, key=lambda one: (-len(one), one)):
        if name and name in rest:
            names.append(Part(name, "name", vocabulary.name))
            rest = rest.replace(name, " ")
    parts: list[Part] = []
    for stretch, behind_number, before_number in _stretches(rest):
        if has_hangul(stretch[0]):
            read = list(_korean(stretch, vocabulary, behind_number))
        else:
            read = list(_english(stretch, vocabulary, at_start=not parts))
        if before_number and read and read[-1].kind == "term":
            read[-1] = replace(read[-1], is_label=True)
        parts += read
    return Sentence((*parts, *names), tight(text))


def _stretches(text: str) -> Iterator[tuple[list[str], bool, bool]]:
    """Yield neighbouring words of one script, and whether a number stands right before them, and right behind them."""
    stretch: list[str] = []
    kind, begun_behind, number_end, last_end = "", False, -1, -1
    for match in _TOKEN.finditer(text):
        found = match.lastgroup or ""
        if found != kind or found == "number":
            if stretch:
                yield stretch, begun_behind, found == "number" and not _MONEY.search(match.group())
            stretch, kind, begun_behind = [], found, match.start() == number_end
        if found == "number":
            number_end = match.end()
            continue
        if stretch and match.start() == last_end:
            stretch[-1] += match.group()
        else:
            stretch.append(match.group())
        last_end = match.end()
    if stretch:
        yield stretch, begun_behind, False


def _korean(tokens: list[str], vocabulary: Vocabulary, behind_number: bool) -> Iterator[Part]:
    pieces = cut(tokens, vocabulary, behind_number)
    for piece, following in zip(pieces, [*pieces[1:], None], strict=False):
        if piece.kind != "function":
            yield _korean_part(piece, following, vocabulary)


def _korean_part(piece: Piece, following: Piece | None, vocabulary: Vocabulary) -> Part:
    if piece.kind == "term":
        return Part(piece.text, "term", vocabulary.korean[piece.text])
    if (concept := vocabulary.meant(piece.text)) is not None:
        return Part(piece.text, "term", concept)
    named = 2 <= len(piece.text) <= 4 and following is not None and following.text in words.PERSON_MARKS
    if named or piece.is_named or _FULL_NAME.fullmatch(piece.text):
        return Part(piece.text, "name", vocabulary.name)
    return Part(piece.text, "unknown", f"={piece.text}")


def _english(tokens: list[str], vocabulary: Vocabulary, *, at_start: bool) -> Iterator[Part]:
    lower = [token.casefold() for token in tokens]
    stems = [stem(token) for token in lower]
    at = 0
    while at < len(tokens):
        most = min(vocabulary.english_words_max, len(tokens) - at)
        size = next((n for n in range(most, 0, -1) if tuple(stems[at : at + n]) in vocabulary.english), 0)
        if size and not (size == 1 and lower[at] in words.STOP):
            yield Part(" ".join(lower[at : at + size]), "term", vocabulary.english[tuple(stems[at : at + size])])
            at += size
            continue
        if lower[at] not in words.STOP and len(lower[at]) > 1:
            yield _english_part(tokens[at], stems[at], vocabulary, first=at_start and at == 0)
        at += 1


def _english_part(token: str, stemmed: str, vocabulary: Vocabulary, *, first: bool) -> Part:
    if (concept := vocabulary.meant(stemmed)) is not None:
        return Part(token.casefold(), "term", concept)
    named = token[0].isupper() and not token.isupper() and not first
    return Part(token, "name", vocabulary.name) if named else Part(token.casefold(), "unknown", f"={stemmed}")


def unknown_words(sentences: Iterable[Sentence]) -> frozenset[str]:
    """Answer the words of patterns that no glossary knows: the patterns themselves make them known."""
    return frozenset(word for sentence in sentences for word in sentence.unknown if len(word) > 1)
