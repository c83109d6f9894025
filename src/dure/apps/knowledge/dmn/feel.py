"""FEEL's unary tests, as sets of values; whatever is no plain test is None and is compared as text."""

import re
from dataclasses import dataclass
from functools import lru_cache

from dure.apps.knowledge.dmn.literals import Value, moment, number, string
from dure.apps.knowledge.dmn.values import (
    ANYTHING,
    HIGHEST,
    LOWEST,
    NAMED,
    NOT_NULL,
    NOTHING,
    NULL,
    Kind,
    Values,
    above,
    below,
    between,
    join,
    meet,
    named,
    outside,
)

TEST_CHARS_MAX = 10_000
"""A longer test is compared as text."""

TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>[^\W\d]\w*)|(?P<sign>\.\.|<=|>=|!=|==|.)""",
    re.DOTALL,
)
OPERATORS = frozenset({"<", "<=", ">", ">=", "=", "!="})
FUNCTIONS = frozenset({"date", "time", "duration", "@"})


class _NotPlainError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Part:
    """What a test lets through of its kind, and what it says of null: yes, no, or neither."""

    values: Values
    null: bool | None
    bare: bool = False
    """Only stands for itself, so `and` and `or` say nothing of it."""


def tokens(text: str) -> list[str]:
    """Answer the words and signs of an expression, without the space between them.

    Example: `tokens(">= 1") == [">=", "1"]`.
    """
    return [found[0] for found in TOKEN.finditer(text) if not found[0].isspace()]


def normal(text: str) -> str:
    """Answer an expression in the one form that differs in no space. Example: `normal("f( x )") == "f ( x )"`."""
    return " ".join(tokens(text) if len(text) <= TEST_CHARS_MAX else text.split())


@lru_cache(maxsize=8192)
def parse(text: str) -> Values | None:
    """Answer the set of values that a cell lets through, or None for more than a set of literals.

    Example: `parse("[1..5)") == parse(">= 1 and < 5")`.
    """
    if len(text) > TEST_CHARS_MAX:
        return None
    words = tokens(text)
    if words in ([], ["-"]):
        return ANYTHING
    try:
        values = _Reader(words).read()
    except _NotPlainError:
        return None
    # A test that nothing passes is a slip of the pen; what was meant is not known, so it is not a set.
    return None if values.empty else values


@lru_cache(maxsize=8192)
def literal(text: str) -> Value | None:
    """Answer the one value that an outcome is, or None. Example: `literal('"VIP"') == (Kind.STRING, "VIP")`."""
    if len(text) > TEST_CHARS_MAX:
        return None
    reader = _Reader(tokens(text))
    try:
        value = reader.value()
    except _NotPlainError:
        return None
    return value if reader.done else None


class _Reader:
    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0
        self.nested = False

    @property
    def done(self) -> bool:
        return self.at >= len(self.words)

    def read(self) -> Values:
        """Read the whole cell."""
        if self.words[:2] == ["not", "("]:
            self.at = 2
            part = _not(self.tests())
            self.expect(")")
        else:
            part = self.tests()
        if not self.done:
            raise _NotPlainError
        return _with_null(part)

    def tests(self) -> _Part:
        parts = [self.alternatives()]
        while self.accept(","):
            parts.append(self.alternatives())
        return _any(parts)

    def alternatives(self) -> _Part:
        parts = [self.together()]
        while self.accept("or"):
            parts.append(self.together())
        return parts[0] if len(parts) == 1 else _any(_judged(parts))

    def together(self) -> _Part:
        parts = [self.test()]
        while self.accept("and"):
            parts.append(self.test())
        return parts[0] if len(parts) == 1 else _all(_judged(parts))

    def test(self) -> _Part:
        asked = self.accept("?")
        word = self.peek()
        if word in OPERATORS:
            self.at += 1
            return self.compared(word)
        if not asked:
            return self.alone(bare=True)
        self.expect("in")
        if self.peek() == "(" and ".." not in self.words[self.at : self.at + 8]:
            return self.listed()
        return self.alone(bare=False)

    def listed(self) -> _Part:
        if self.nested:
            raise _NotPlainError
        self.at, self.nested = self.at + 1, True
        part = self.tests()
        self.expect(")")
        self.nested = False
        return _Part(part.values, part.null)

    def alone(self, *, bare: bool) -> _Part:
        if self.peek() in ("[", "]", "("):
            return _Part(self.span(), None, bare)
        if self.accept("null"):
            return _Part(NOTHING, True, bare)
        return _Part(_only(self.value()), False, bare)

    def compared(self, operator: str) -> _Part:
        if operator in ("=", "!=") and self.accept("null"):
            return _Part(NOTHING if operator == "=" else NOT_NULL, operator == "=")
        value = self.value()
        if operator == "=":
            return _Part(_only(value), False)
        if operator == "!=":
            return _Part(outside(_only(value)), True)
        kind, point = value
        if kind in NAMED or isinstance(point, str):
            raise _NotPlainError
        match operator:
            case "<":
                return _Part(between(kind, LOWEST, below(point)), None)
            case "<=":
                return _Part(between(kind, LOWEST, above(point)), None)
            case ">":
                return _Part(between(kind, above(point), HIGHEST), None)
            case _:
                return _Part(between(kind, below(point), HIGHEST), None)

    def span(self) -> Values:
        opening = self.next()
        kind, low = self.value()
        self.expect("..")
        other, high = self.value()
        closing = self.next()
        if kind is not other or closing not in ("]", ")", "[") or isinstance(low, str) or isinstance(high, str):
            raise _NotPlainError
        return between(
            kind, below(low) if opening == "[" else above(low), above(high) if closing == "]" else below(high)
        )

    def value(self) -> Value:
        word = self.next()
        if word == "-":
            found = number(self.next())
            found = None if found is None else -found
        else:
            found = number(word)
        if found is not None:
            return Kind.NUMBER, found
        if word in ("true", "false"):
            return Kind.BOOLEAN, word
        if len(word) > 1 and word[0] == '"':
            return Kind.STRING, string(word)
        return self.moment(word)

    def moment(self, word: str) -> Value:
        if word not in FUNCTIONS:
            raise _NotPlainError
        if word == "date" and self.words[self.at : self.at + 2] == ["and", "time"]:
            word, self.at = "date and time", self.at + 2
        if word != "@":
            self.expect("(")
        text = self.next()
        if word != "@":
            self.expect(")")
        value = moment(word, string(text)) if text[0] == '"' else None
        if value is None:
            raise _NotPlainError
        return value

    def peek(self) -> str:
        return "" if self.done else self.words[self.at]

    def next(self) -> str:
        if self.done:
            raise _NotPlainError
        self.at += 1
        return self.words[self.at - 1]

    def accept(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.at += 1
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise _NotPlainError


def _only(value: Value) -> Values:
    kind, point = value
    if isinstance(point, str):
        return named(kind, [point])
    return between(kind, below(point), above(point))


def _judged(parts: list[_Part]) -> list[_Part]:
    if any(part.bare for part in parts):
        raise _NotPlainError
    return parts


def _any(parts: list[_Part]) -> _Part:
    values = join(*(part.values for part in parts))
    if values is None:
        raise _NotPlainError
    said = {part.null for part in parts}
    null = True if True in said else (None if None in said else False)
    return _Part(values, null, all(part.bare for part in parts))


def _all(parts: list[_Part]) -> _Part:
    values = parts[0].values
    for part in parts[1:]:
        values = meet(values, part.values)
    said = {part.null for part in parts}
    return _Part(values, False if False in said else (None if None in said else True))


def _not(part: _Part) -> _Part:
    # Nothing is not null: not("a") lets null through, but not(< 5) does not, for null is not comparable.
    null = None if part.null is None else not part.null
    only_null = part.null is True and part.values == NOTHING
    return _Part(NOT_NULL if only_null else outside(part.values), null)


def _with_null(part: _Part) -> Values:
    return join(part.values, NULL) or part.values if part.null else part.values
