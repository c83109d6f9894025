"""English words down to what they mean: no articles, no contractions, one spelling, digits for small numbers."""

import re

DROPPED = frozenset({"a", "an", "the", "is", "are", "am", "please"})
_COUNTING = """
zero one two three four five six seven eight nine ten
eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty
"""
NUMBERS = {word: str(value) for value, word in enumerate(_COUNTING.split())}
_SPELLINGS = {
    "e-mail": "email", "e-mails": "emails", "mails": "emails", "colour": "color", "grey": "gray", "centre": "center",
    "favourite": "favorite", "cancelled": "canceled", "organisation": "organization", "ok": "okay", "cannot": "can not",
    "can't": "can not", "won't": "will not", "u.s": "usa", "u.s.": "usa", "US": "usa", "gonna": "going to",
    "wanna": "want to", "spokesperson": "spokesman", "percent": "%",
}  # fmt: skip
_ENDINGS = (("n't", " not"), ("'re", ""), ("'m", ""), ("'ll", " will"), ("'ve", " have"), ("'s", ""), ("s'", "s"))
_DOUBLED = re.compile(r"([bdgklmnprt])\1$")


def words(word: str) -> list[str]:
    """Spell a word out as the words that it stands for. Example: `words("don't") == ["do", "not"]`."""
    small = _SPELLINGS.get(word) or word.casefold()
    small = _SPELLINGS.get(small, small)
    for ending, spelled in _ENDINGS:
        if small.endswith(ending) and len(small) > len(ending):
            small = small.removesuffix(ending) + spelled
            break
    parts = small.split() if " " in small else small.strip(".").split("-")
    return [NUMBERS.get(part, part) for part in parts if part]


def same_verb(one: str, other: str) -> bool:
    """Tell whether one word is the other's -ing form: `is playing` and `plays` are told apart by style alone.

    Example: `same_verb("running", "runs") and not same_verb("dogs", "dog")`.
    """
    if one.endswith("ing") == other.endswith("ing"):
        return False
    going, plain = (one, other) if one.endswith("ing") else (other, one)
    stem = going.removesuffix("ing")
    if len(stem) < 2:
        return False
    bases = {stem, stem + "e", _DOUBLED.sub(r"\1", stem)}
    return bool(bases & {plain, plain.removesuffix("s"), plain.removesuffix("es")})


def stem(word: str) -> str:
    """Answer a rough stem, for likeness and never for equality. Example: `stem("playing") == stem("plays")`."""
    for ending in ("ing", "ies", "ied", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            bare = _DOUBLED.sub(r"\1", word.removesuffix(ending))
            return bare + "y" if ending in ("ies", "ied") else bare.removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word
