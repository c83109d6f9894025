"""Sets of values that a test lets through, exact: spans over fractions, sets of names, with or without null.

A span is a pair of cuts, and a cut is a place between values: `(0, 5, 0)` is just below five and `(0, 5, 1)`
just above it. So `[5..7)` is from `(0, 5, 0)` to `(0, 7, 0)`, every span is half open on the line of cuts, and
nothing below has to tell open ends from closed ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from types import MappingProxyType

Cut = tuple[int, Fraction, int]
Span = tuple[Cut, Cut]

LOWEST: Cut = (-1, Fraction(0), 0)
HIGHEST: Cut = (1, Fraction(0), 0)


class Kind(StrEnum):
    """What the values of a set are; values of two kinds are never equal."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    LOCAL = "local date and time"
    INSTANT = "date and time"
    TIME = "time"
    MONTHS = "months"
    SECONDS = "seconds"


NAMED = frozenset({Kind.STRING, Kind.BOOLEAN})
WHOLE = frozenset({Kind.DATE, Kind.MONTHS})
"""Kinds without anything between one value and the next."""
TEMPORAL = frozenset({Kind.DATE, Kind.LOCAL, Kind.INSTANT})
"""Kinds that engines convert into each other, each in its own way."""

DAY_S = 86_400
DAYS_MAX = date.max.toordinal()
BOUNDS: Mapping[Kind, Span] = MappingProxyType(
    {
        Kind.DATE: ((0, Fraction(1), 0), (0, Fraction(DAYS_MAX + 1), 0)),
        Kind.LOCAL: ((0, Fraction(DAY_S), 0), (0, Fraction((DAYS_MAX + 1) * DAY_S), 0)),
        Kind.INSTANT: ((0, Fraction(DAY_S), 0), (0, Fraction((DAYS_MAX + 1) * DAY_S), 0)),
        Kind.TIME: ((0, Fraction(0), 0), (0, Fraction(DAY_S), 0)),
    }
)
"""A day has 24 hours, and the calendar the years 1 to 9999."""


@dataclass(frozen=True, slots=True)
class Values:
    """A set of values. `every` is all values there are; `negated` is all strings but `names`.

    Example: `named(Kind.STRING, ["VIP"])`.
    """

    kind: Kind | None = None
    spans: tuple[Span, ...] = ()
    names: frozenset[str] = frozenset()
    negated: bool = False
    null: bool = False
    every: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not (self.spans or self.names or self.negated or self.null or self.every)


NOTHING = Values()
NULL = Values(null=True)
ANYTHING = Values(every=True, null=True)
NOT_NULL = Values(every=True)


def below(value: Fraction) -> Cut:
    """Answer the cut just below a value."""
    return (0, value, 0)


def above(value: Fraction) -> Cut:
    """Answer the cut just above a value."""
    return (0, value, 1)


def between(kind: Kind, low: Cut, high: Cut) -> Values:
    """Answer the values from one cut to another. Example: `between(Kind.NUMBER, below(one), HIGHEST)` is `>= 1`."""
    if kind in WHOLE:
        low, high = _whole(low), _whole(high)
    first, last = BOUNDS.get(kind, (LOWEST, HIGHEST))
    low, high = max(low, first), min(high, last)
    return Values(kind, ((low, high),)) if low < high else NOTHING


def named(kind: Kind, names: list[str]) -> Values:
    """Answer a set of strings, or of booleans as `"true"` and `"false"`."""
    return Values(kind, names=frozenset(names))


def whole(values: Values) -> Values:
    """Answer a set of numbers as far as they are integers, in the one form that such a set has."""
    spans = [(_whole(low), _whole(high)) for low, high in values.spans]
    return replace(values, spans=_merged(spans))


def comparable(a: Values, b: Values) -> bool:
    """Answer whether it is known which values of the two are the same: a date and a date with a time are not."""
    return a.kind == b.kind or a.kind not in TEMPORAL or b.kind not in TEMPORAL


def join(*sets: Values) -> Values | None:
    """Answer what is in any of the sets, or None for two kinds that no one set holds."""
    null = any(each.null for each in sets)
    if any(each.every for each in sets):
        return replace(NOT_NULL, null=null)
    kinds = {each.kind for each in sets if each.kind}
    if len(kinds) > 1:
        return None
    shut_out = [each.names for each in sets if each.negated]
    names = frozenset(name for each in sets if not each.negated for name in each.names)
    if shut_out:
        names = frozenset.intersection(*shut_out) - names
    spans = _merged([span for each in sets for span in each.spans])
    return Values(next(iter(kinds), None), spans, names, bool(shut_out), null)


def meet(a: Values, b: Values) -> Values:
    """Answer what is in both sets."""
    null = a.null and b.null
    if a.every:
        return replace(b, null=null)
    if b.every:
        return replace(a, null=null)
    if a.kind is not b.kind or a.kind is None:
        return NULL if null else NOTHING
    names, negated = _meet_names(a, b)
    spans = _common(a.spans, b.spans)
    found = Values(a.kind, spans, names, negated, null)
    return (NULL if null else NOTHING) if not (spans or names or negated) else found


def outside(a: Values) -> Values:
    """Answer what of its kind is not in a set; null is left to the caller."""
    if a.kind is None:
        return NOT_NULL if a.null else NOTHING
    if a.kind is Kind.BOOLEAN:
        rest = frozenset({"true", "false"}) - a.names
        return Values(a.kind, names=rest) if rest else NOTHING
    if a.kind is Kind.STRING:
        return Values(a.kind, names=a.names, negated=not a.negated)
    first, last = BOUNDS.get(a.kind, (LOWEST, HIGHEST))
    cuts = [first, *(cut for span in a.spans for cut in span), last]
    spans = tuple((low, high) for low, high in zip(cuts[::2], cuts[1::2], strict=True) if low < high)
    return Values(a.kind, spans) if spans else NOTHING


def within(a: Values, b: Values) -> bool:
    """Answer whether all of `a` is in `b`."""
    if b.every:
        return b.null or not a.null
    if a.every:
        return False
    return meet(a, b) == a


def plain(values: Values) -> list[object]:
    """Answer a form of a set that JSON can hold, the same for the same set."""
    spans = [[_plain_cut(low), _plain_cut(high)] for low, high in values.spans]
    return [str(values.kind or ""), spans, sorted(values.names), values.negated, values.null, values.every]


def _plain_cut(cut: Cut) -> str:
    side, value, above_it = cut
    return f"{value}{'+' if above_it else '-'}" if side == 0 else str(side)


def _whole(cut: Cut) -> Cut:
    side, value, above_it = cut
    if side:
        return cut
    return (0, Fraction(floor(value) + 1 if above_it else ceil(value)), 0)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for low, high in sorted(span for span in spans if span[0] < span[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _common(a: tuple[Span, ...], b: tuple[Span, ...]) -> tuple[Span, ...]:
    found, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low < high:
            found.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def _meet_names(a: Values, b: Values) -> tuple[frozenset[str], bool]:
    match a.negated, b.negated:
        case False, False:
            return a.names & b.names, False
        case True, True:
            return a.names | b.names, True
        case True, False:
            return b.names - a.names, False
        case _:
            return a.names - b.names, False
