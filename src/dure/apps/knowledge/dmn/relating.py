"""How two rules stand to each other: equal, one inside the other, at odds, apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from math import floor

from dure.apps.knowledge.dmn.canonical import (
    Condition,
    Conditions,
    Outcomes,
    conditions,
    outcomes,
    ranks,
)
from dure.apps.knowledge.dmn.feel import literal, parse
from dure.apps.knowledge.dmn.literals import written
from dure.apps.knowledge.dmn.model import Aggregation, HitPolicy, Rule, Table
from dure.apps.knowledge.dmn.values import ANYTHING, Cut, Kind, Values, comparable, meet, whole, within


class Relation(StrEnum):
    """What two rules are to each other, by what their tables make of more than one rule that fits."""

    DUPLICATE = "duplicate"
    """The same conditions and the same outcomes."""
    SUBSUMED = "subsumed"
    """All that the narrower one decides is decided by the other already."""
    EXCEPTION = "exception"
    """The narrower one decides otherwise, and the hit policy lets it."""
    CONFLICT = "conflict"
    """Both fit one input, their outcomes differ, and nothing says which holds."""
    OVERLAP = "overlap"
    """Both fit one input, and that is either harmless or settled by the hit policy."""
    DISJOINT = "disjoint"
    """No input fits both."""
    UNKNOWN = "unknown"
    """They decide different things, or what they say is more than can be compared."""


@dataclass(frozen=True, slots=True)
class Related:
    """A relation of two rules; `narrower` is 0 or 1 for the one that is subsumed or the exception.

    `witness` is an input that fits both, each value as FEEL, where there is one to show.
    """

    relation: Relation
    narrower: int | None = None
    witness: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Which inputs two sets of conditions share."""

    apart: bool = False
    unclear: bool = False
    first_within: bool = True
    second_within: bool = True


@dataclass(frozen=True, slots=True)
class Side:
    """A rule made ready for comparing, once for all its comparisons."""

    rule: Rule
    table: Table
    conditions: Conditions
    outcomes: Outcomes


FREE = Condition(ANYTHING)


def relate(a: Rule, table_a: Table, b: Rule, table_b: Table) -> Related:
    """Answer how two rules stand to each other, in one table (the same object) or in two.

    Example: `relate(table.rules[0], table, table.rules[1], table).relation`.
    """
    return compare(side(a, table_a), side(b, table_b))


def side(rule: Rule, table: Table) -> Side:
    """Make a rule ready for comparing."""
    return Side(rule, table, conditions(rule, table), outcomes(rule, table))


def compare(a: Side, b: Side) -> Related:
    """Answer how two rules that were made ready stand to each other."""
    if a.outcomes.keys() != b.outcomes.keys():
        return Related(Relation.UNKNOWN)
    met = meeting(a.conditions, b.conditions)
    if met.apart:
        return Related(Relation.DISJOINT)
    if met.unclear and not (met.first_within or met.second_within):
        return Related(Relation.UNKNOWN)
    relation, narrower = _settle(a, b, met)
    return Related(relation, narrower, {} if met.unclear else witness(a.conditions, b.conditions))


def meeting(a: Conditions, b: Conditions) -> Meeting:
    """Answer which inputs fit both, and whether all that fit the one fit the other."""
    unclear, first, second = False, True, True
    for key in a.keys() | b.keys():
        one, other = a.get(key, FREE), b.get(key, FREE)
        values, others = _aligned(one, other)
        if not comparable(values, others):
            unclear, first, second = True, False, False
            continue
        if meet(meet(values, others), meet(one.allowed, other.allowed)).empty:
            return Meeting(apart=True, first_within=False, second_within=False)
        unclear = unclear or bool(one.opaque or other.opaque)
        first = first and within(values, others) and one.opaque >= other.opaque
        second = second and within(others, values) and other.opaque >= one.opaque
    return Meeting(False, unclear, first, second)


def witness(a: Conditions, b: Conditions) -> dict[str, str]:
    """Answer an input that fits both conditions, each value as FEEL; for conditions that are sets and do meet.

    Example: `witness(conditions(a, table), conditions(b, table))` is `{"등급": '"VIP"'}`.
    """
    found = {}
    for key in sorted(a.keys() | b.keys()):
        one, other = a.get(key, FREE), b.get(key, FREE)
        values = meet(meet(*_aligned(one, other)), meet(one.allowed, other.allowed))
        found[key] = example(values)
    return found


def example(values: Values) -> str:
    """Answer one value of a set as FEEL, the plainest there is. Example: `example(parse("[1..5)")) == "1"`."""
    if values.kind is Kind.STRING and values.negated:
        return written(Kind.STRING, next(name for name in _fresh() if name not in values.names))
    if values.kind and values.names:
        return written(values.kind, min(values.names))
    if values.kind and values.spans:
        return written(values.kind, _point(*values.spans[0]))
    return '"?"' if values.every else "null"


def fits(asked: Conditions, witness: Mapping[str, str]) -> bool:
    """Answer whether conditions surely hold for an input; an input that is not given is not known to fit.

    Example: `fits(conditions(rule, table), {"등급": '"VIP"'})`.
    """
    for key, condition in asked.items():
        value = parse(witness[key]) if key in witness else None
        if value is None or condition.opaque or not within(value, condition.values):
            return False
    return True


def precedes(a: Side, b: Side) -> bool:
    """Answer whether the hit policy of their one table prefers `a` where both fit."""
    match a.table.hit_policy:
        case HitPolicy.FIRST:
            return a.rule.position < b.rule.position
        case HitPolicy.PRIORITY:
            return _weightier(a, b) == 0
        case _:
            return False


def _aligned(one: Condition, other: Condition) -> tuple[Values, Values]:
    if one.integer or other.integer:
        return whole(one.values), whole(other.values)
    return one.values, other.values


def _settle(a: Side, b: Side, met: Meeting) -> tuple[Relation, int | None]:
    """Answer what two rules that meet are; the hit policy counts only inside one table."""
    same = _same_outcomes(a, b)
    if met.first_within and met.second_within and same:
        return Relation.DUPLICATE, None
    if a.table.gathers or b.table.gathers:
        return Relation.OVERLAP, None
    if a.table is not b.table:
        return _unsettled(met, same) if a.table.single and b.table.single else (Relation.OVERLAP, None)
    match a.table.hit_policy:
        case HitPolicy.UNIQUE | HitPolicy.ANY:
            return _unsettled(met, same)
        case HitPolicy.FIRST:
            return _ordered(met, same, 0 if a.rule.position < b.rule.position else 1)
        case HitPolicy.PRIORITY:
            winner = _weightier(a, b)
            return _unsettled(met, same) if winner is None else _ordered(met, same, winner)
        case _:
            return _extreme(a, b, met, same)


def _unsettled(met: Meeting, same: bool | None) -> tuple[Relation, int | None]:
    if same is None:
        return Relation.UNKNOWN, None
    if not same:
        return Relation.CONFLICT, None
    narrower = _narrower(met)
    return (Relation.OVERLAP if narrower is None else Relation.SUBSUMED), narrower


def _ordered(met: Meeting, same: bool | None, winner: int) -> tuple[Relation, int | None]:
    """Settle two rules of which one always wins where both fit."""
    loser = 1 - winner
    if (met.first_within, met.second_within)[loser]:
        return Relation.SUBSUMED, loser
    if not (met.first_within, met.second_within)[winner]:
        return Relation.OVERLAP, None
    if same is None:
        return Relation.UNKNOWN, None
    return (Relation.SUBSUMED if same else Relation.EXCEPTION), winner


def _extreme(a: Side, b: Side, met: Meeting, same: bool | None) -> tuple[Relation, int | None]:
    """Settle two rules of a table that answers its smallest or its largest outcome."""
    first, second = _only_number(a), _only_number(b)
    if same or first is None or second is None:
        narrower = _narrower(met)
        return (Relation.SUBSUMED, narrower) if same and narrower is not None else (Relation.OVERLAP, None)
    first_wins = (first < second) is (a.table.aggregation is Aggregation.MIN)
    loser = 1 if first_wins else 0
    swallowed = (met.first_within, met.second_within)[loser]
    return (Relation.SUBSUMED, loser) if swallowed else (Relation.OVERLAP, None)


def _narrower(met: Meeting) -> int | None:
    if met.first_within:
        return 0
    return 1 if met.second_within else None


def _same_outcomes(a: Side, b: Side) -> bool | None:
    """Answer whether two rules decide the same; None where only running them would tell."""
    pairs = [(a.outcomes[key], b.outcomes[key]) for key in a.outcomes]
    if any(one.text != other.text and not (one.opaque or other.opaque) for one, other in pairs):
        return False
    return True if all(one.text == other.text for one, other in pairs) else None


def _weightier(a: Side, b: Side) -> int | None:
    """Answer which rule's outcomes stand first among the values of the outputs, the first output first."""
    for output, places in zip(a.table.outputs, ranks(a.table), strict=True):
        one, other = places.get(a.outcomes[output.key].text), places.get(b.outcomes[output.key].text)
        if one is None or other is None:
            return None
        if one != other:
            return 0 if one < other else 1
    return None


def _only_number(one: Side) -> Fraction | None:
    if len(one.table.outputs) != 1:
        return None
    value = literal(one.rule.outcomes[0])
    return value[1] if value and isinstance(value[1], Fraction) else None


def _fresh() -> list[str]:
    """Answer names to show for `any other`; there are always enough, for a test has few names."""
    return ["other", *(f"other {number}" for number in range(2, 10_000))]


def _point(low: Cut, high: Cut) -> Fraction:
    """Answer a value between two cuts: an end that belongs to them, otherwise an integer, otherwise the middle."""
    if low[0] == 0 and low[2] == 0:
        return low[1]
    if high[0] == 0 and high[2] == 1:
        return high[1]
    if low[0] < 0:
        return Fraction(0) if high[0] > 0 else Fraction(floor(high[1]) - 1)
    above = Fraction(floor(low[1]) + 1)
    return above if high[0] > 0 or above < high[1] else (low[1] + high[1]) / 2
