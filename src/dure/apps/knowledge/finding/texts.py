"""The form in which two texts are the same text: Unicode, case, whitespace and the marks at the ends, and nothing more.

What could carry a meaning stays: `1.5` and `15`, `-5` and `5`, `C` and `C++`, `x²` and `x2`, a question and a
statement, `US` and `us`, the case of anything that looks like code.
"""

import hashlib
import re
import unicodedata
from itertools import pairwise

_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"))
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("。｡", "."),
        **dict.fromkeys("、､", ","),
        "…": "...",
    }
)
_TAGS = {"<super>": "^", "<sub>": "_", "<fraction>": " ", "<circle>": " "}


class _Marked(dict[int, str]):
    """What stands for a character before NFKC, learned a character at a time, so that `5²` becomes `5^2`."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        tag = unicodedata.decomposition(char).partition(" ")[0]
        return self.setdefault(code, _TAGS.get(tag, "") + char)


_MARKED = _Marked()
_ONLY_CAPITALS = frozenset(
    {"US", "IT", "WHO", "AIDS", "OR", "IN", "AM", "PM", "ME", "OK", "IS", "AS", "AT", "BE", "SO"}
)
_BULLET = re.compile(r"^(?:[-*+•·▪◦‣]\s+)+")
_OPENING = re.compile(r"^[\"'\s]+(?=.)")
_CLOSING = " .!,;:\"'~"
_SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """Answer the form that equal texts share.

    Example: `normal("  환불은 ７일 안에!  ") == normal("환불은 7일 안에.")`.
    """
    plain = _BULLET.sub("", _SPACE.sub(" ", compatible(text)).strip())
    closed = plain.rstrip(_CLOSING)
    stripped = _OPENING.sub("", closed) or plain
    return " ".join(folded(word) for word in stripped.split(" "))


def compatible(text: str) -> str:
    """Answer NFKC with one kind of quotation mark and dash, where `5²` does not become 52 nor `1½` 11/2.

    Example: `compatible("５㎏") == "5kg"`.
    """
    return (
        unicodedata.normalize("NFKC", text.translate(_INVISIBLE).translate(_MARKED))
        .replace("\u2044", "/")
        .translate(_PLAIN)
    )


def folded(word: str) -> str:
    """Answer a word in small letters, unless its capitals may mean something: code, a name of capitals alone.

    Example: `folded("Email") == "email"` and `folded("getUser") == "getUser"`.
    """
    bare = word.strip(".,!?;:\"'()[]")
    if bare in _ONLY_CAPITALS or is_code(bare):
        return word
    return word.casefold()


def is_code(word: str) -> bool:
    """Tell whether a word looks like an identifier, a path, an address or a key, in which case matters.

    Example: `is_code("MAX_RETRY") and not is_code("Retry")`.
    """
    if word.isalpha():
        return any(small.islower() and large.isupper() for small, large in pairwise(word))
    mixed = any(char.isdigit() for char in word) and any("a" <= char <= "z" or "A" <= char <= "Z" for char in word)
    return mixed or any(char in "_/\\@=<>{}$#" for char in word)


def digest(text: str) -> str:
    """Answer a hash of a text that is the same everywhere. Example: `digest("a") == digest("a")`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
