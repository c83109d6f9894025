"""Semantic versions, and ranges of them: what is newer, and what may work beside a release.

A version has a key, a text that sorts as versions do: `dure.version_key` makes the same one in the database, where an
agent's version is compared when it registers. A range is one interval of keys, its first one in, its last one out.
"""

import re
from dataclasses import dataclass
from functools import total_ordering

from dure.errors import Invalid

VERSION_CHARS_MAX = 100
RANGE_CHARS_MAX = 200
PARTS_MAX = 10
"""So many comparisons may stand in one range."""
DIGITS = 10
"""Of each number: more than nine digits are refused."""

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_WORDS}))?(?:\+{_WORDS})?", re.ASCII)
_PARTIAL = re.compile(rf"({_NUMBER})(?:\.({_NUMBER}|[xX*]))?(?:\.({_NUMBER}|[xX*]))?", re.ASCII)
_PART = re.compile(r"(>=|<=|>|<|=|\^|~)?\s*(\S+)")
_END = "~"
"""What a release's key ends with: it sorts behind everything that a pre-release's may hold."""
_NEXT = "\x01"
"""Behind a key: the first text after it."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version as semver.org has it; what follows a plus sign makes no difference.

    Example: `Version.parse("2.0.0-rc.1") < Version.parse("2.0.0")`.
    """

    major: int
    minor: int
    patch: int
    before: tuple[str, ...] = ()
    """The words of a pre-release: `("rc", "1")`."""

    @classmethod
    def parse(cls, text: str, field: str = "version") -> "Version":
        """Read a version; `Invalid` names the field."""
        match = _VERSION.fullmatch(text) if len(text) <= VERSION_CHARS_MAX else None
        words = tuple((match[4] or "").split(".")) if match is not None and match[4] else ()
        if match is None or any(not _is_word(word) for word in words):
            raise Invalid(field=field, reason="wrong_format", expected="1.8.3, 2.0.0-rc.1")
        return cls(int(match[1]), int(match[2]), int(match[3]), words)

    @property
    def key(self) -> str:
        """Answer a text that sorts, byte by byte, as versions do."""
        if not self.before:
            return _core(self.major, self.minor, self.patch) + _END
        words = (f"0{int(word):0{DIGITS}}" if word.isdigit() else f"1{word}" for word in self.before)
        return _core(self.major, self.minor, self.patch) + "!" + "!".join(words)

    def __lt__(self, other: "Version") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        words = f"-{'.'.join(self.before)}" if self.before else ""
        return f"{self.major}.{self.minor}.{self.patch}{words}"


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from one key on and before another. Example: `Range.parse("^1.8").holds(Version.parse("1.9.0"))`."""

    text: str
    low: str
    high: str

    @classmethod
    def parse(cls, text: str, field: str = "compatible") -> "Range":
        """Read a range: comparisons with commas between them, all of which must hold. `^1.8` is up to the next major
        version, `~1.8.3` up to the next minor one, `1.x` any of them; `Invalid` names the field.
        """
        parts = [part.strip() for part in text.split(",")]
        if not text.strip() or len(text) > RANGE_CHARS_MAX or len(parts) > PARTS_MAX:
            raise _unreadable(field)
        spans = [_span(part, field) for part in parts]
        low, high = max(low for low, _ in spans), min(high for _, high in spans)
        if low >= high:
            raise Invalid(field=field, reason="releases.empty_range")
        return cls(", ".join(parts), low, high)

    @classmethod
    def beside(cls, version: Version) -> "Range":
        """Answer the range of a release that names none: its major version, before 1.0.0 its minor one."""
        return cls.parse(f"{version.major}.x" if version.major else f"0.{version.minor}.x")

    def holds(self, version: Version) -> bool:
        """Answer whether a version is in it."""
        return self.low <= version.key < self.high


def _core(major: int, minor: int, patch: int) -> str:
    return f"{major:0{DIGITS}}.{minor:0{DIGITS}}.{patch:0{DIGITS}}"


def _is_word(word: str) -> bool:
    return not word.isdigit() or (len(word) < DIGITS and str(int(word)) == word)


def _unreadable(field: str) -> Invalid:
    return Invalid(field=field, reason="wrong_format", expected=">=1.7,<2, ^1.8, ~1.8.3, 1.x")


def _span(part: str, field: str) -> tuple[str, str]:
    """Answer the keys between which one comparison holds.

    A bound that names no pre-release leaves out those of its own version: `<2` has no `2.0.0-rc.1` in it.
    """
    match = _PART.fullmatch(part)
    if match is None:
        raise _unreadable(field)
    sign, text = match[1] or "", match[2]
    first, after, given = _meant(text, field)
    whole = first.key if given == 3 else _core(first.major, first.minor, first.patch)
    floor = first.key if first.before else _core(first.major, first.minor, first.patch)
    match sign:
        case "" | "=":
            return whole, after
        case ">=":
            return first.key, _END
        case ">":
            return after, _END
        case "<":
            return "", floor
        case "<=":
            return "", after
        case "~":
            return first.key, _core(first.major, first.minor + 1, 0) if given > 1 else after
        case _:
            return first.key, _caret(first)


def _caret(first: Version) -> str:
    if first.major:
        return _core(first.major + 1, 0, 0)
    return _core(0, first.minor + 1, 0) if first.minor else _core(0, 0, first.patch + 1)


def _meant(text: str, field: str) -> tuple[Version, str, int]:
    """Answer the first version that a text means, the key behind its last one, and how many numbers it gives."""
    partial = _PARTIAL.fullmatch(text)
    if partial is None or (partial[3] is not None and partial[3].isdigit() and (partial[2] or "").isdigit()):
        version = Version.parse(text, field) if partial is not None or _VERSION.fullmatch(text) else None
        if version is None:
            raise _unreadable(field)
        return version, version.key + _NEXT, 3
    minor = partial[2] if partial[2] and partial[2].isdigit() else None
    if minor is None and partial[3] is not None and partial[3].isdigit():
        raise _unreadable(field)
    major = int(partial[1])
    if minor is None:
        return Version(major, 0, 0), _core(major + 1, 0, 0), 1
    return Version(major, int(minor), 0), _core(major, int(minor) + 1, 0), 2
