"""What a rule, a table and a document decide, in one form for all that decide the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from dure.apps.knowledge.dmn.feel import literal, normal, parse
from dure.apps.knowledge.dmn.model import Aggregation, Decision, Document, HitPolicy, Input, Rule, Table
from dure.apps.knowledge.dmn.values import ANYTHING, Values, meet, plain

FINGERPRINT_CHARS = 32
INTEGERS = frozenset({"integer", "int", "long", "short"})


@dataclass(frozen=True, slots=True)
class Condition:
    """What one input must be: in `values`, and passing each test of `opaque`, which only their texts tell apart."""

    values: Values
    opaque: frozenset[str] = frozenset()
    allowed: Values = field(default=ANYTHING, compare=False)
    integer: bool = field(default=False, compare=False)

    @property
    def free(self) -> bool:
        """Whether it lets everything through."""
        return self.values == ANYTHING and not self.opaque

    def plain(self) -> list[object]:
        """Answer it in a form that JSON can hold."""
        return [plain(self.values), sorted(self.opaque)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one output becomes; an opaque one may be equal to another although their texts differ."""

    text: str
    opaque: bool = False


Conditions = Mapping[str, Condition]
Outcomes = Mapping[str, Outcome]


def conditions(rule: Rule, table: Table) -> Conditions:
    """Answer what each input must be, by the input's key; an input that may be anything is left out.

    Example: `conditions(table.rules[0], table)["고객 등급"].values`.
    """
    found: dict[str, Condition] = {}
    for column, (asked, text) in enumerate(zip(table.inputs, rule.conditions, strict=True)):
        condition = _condition(asked, text, foreign=column in rule.foreign)
        if not condition.free:
            earlier = found.get(asked.key)
            found[asked.key] = _both(earlier, condition) if earlier else condition
    return found


def outcomes(rule: Rule, table: Table) -> Outcomes:
    """Answer what each output becomes, by the output's key."""
    start = len(table.inputs)
    return {
        decided.key: outcome(text, foreign=start + column in rule.foreign)
        for column, (decided, text) in enumerate(zip(table.outputs, rule.outcomes, strict=True))
    }


def outcome(text: str, *, foreign: bool = False) -> Outcome:
    """Answer one outcome: literals of one value are equal however they are written.

    Example: `outcome("0.50") == outcome(".5")`.
    """
    if foreign:
        return Outcome(f"foreign {text.strip()}", opaque=True)
    words = normal(text)
    if words in ("", "null", "-"):
        return Outcome("null")
    value = literal(text)
    return Outcome(f"{value[0]} {value[1]}") if value else Outcome(f"expression {words}", opaque=True)


def content(rule: Rule, table: Table) -> str:
    """Answer a hash of what a rule says by itself: if this, then that, whatever its table makes of it.

    Example: `content(a, table) == content(b, other)` for the same sentence in two tables.
    """
    return _hash(_said(rule, table))


def fingerprint(rule: Rule, table: Table) -> str:
    """Answer a hash of what a rule decides in its table: what it says, and the hit policy where that matters.

    Example: `fingerprint(table.rules[0], table)`.
    """
    return _hash([_said(rule, table), _policy(table)])


def table_fingerprint(table: Table) -> str:
    """Answer a hash of what a table decides; the order of its rules counts only where its hit policy says so.

    Example: `table_fingerprint(read(xml).tables[0])`.
    """
    return _hash(_plain_table(table))


def document_fingerprint(document: Document) -> str:
    """Answer a hash of what a document decides: all its decisions, and whatever they are made from.

    Example: `document_fingerprint(read(a)) == document_fingerprint(read(b))` for two that decide the same.
    """
    # One decision alone is not called by its name from inside; among several the name is how they find each other.
    several = len(document.decisions) > 1
    decided = sorted(json.dumps(_plain_decision(each, several=several)) for each in document.decisions)
    return _hash([decided, list(document.others)])


def ranks(table: Table) -> list[dict[str, int]]:
    """Answer, for each output, the place of each of its values, the weightiest first."""
    return [
        {outcome(text).text: place for place, text in reversed(list(enumerate(output.values)))}
        for output in table.outputs
    ]


def _condition(asked: Input, text: str, *, foreign: bool) -> Condition:
    values = None if foreign and normal(text) not in ("", "-") else parse(text)
    if values is None:
        label = f"foreign {text.strip()}" if foreign else normal(text)
        return Condition(ANYTHING, frozenset({label}))
    allowed = parse(asked.allowed) or ANYTHING
    return Condition(values, allowed=allowed, integer=asked.type.lower() in INTEGERS)


def _both(a: Condition, b: Condition) -> Condition:
    """Answer the condition of two columns that ask the same: both must hold."""
    values = meet(a.values, b.values)
    opaque = a.opaque | b.opaque
    if values.empty:
        opaque |= {json.dumps([plain(a.values), plain(b.values)])}
        values = ANYTHING
    return Condition(values, opaque, meet(a.allowed, b.allowed), a.integer or b.integer)


def _said(rule: Rule, table: Table) -> list[object]:
    asked = {key: condition.plain() for key, condition in conditions(rule, table).items()}
    decided = {key: each.text for key, each in outcomes(rule, table).items()}
    return [sorted(asked.items(), key=_key), sorted(decided.items())]


def _policy(table: Table) -> list[object]:
    """Answer what of the hit policy changes what one rule decides."""
    if table.hit_policy in (HitPolicy.UNIQUE, HitPolicy.ANY) or (table.single and len(table.rules) == 1):
        return ["single"]
    said: list[object] = [str(table.hit_policy), str(table.aggregation)]
    if table.hit_policy in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
        said.append([[outcome(text).text for text in output.values] for output in table.outputs])
    return said


def _plain_table(table: Table) -> list[object]:
    rules = [json.dumps(_said(rule, table)) for rule in table.rules]
    match table.hit_policy:
        case HitPolicy.FIRST:
            rules = list(dict.fromkeys(rules))
        case HitPolicy.RULE_ORDER:
            pass
        case HitPolicy.OUTPUT_ORDER:
            rules.sort()
        case HitPolicy.COLLECT if table.aggregation not in (Aggregation.MIN, Aggregation.MAX):
            rules.sort()
        case _:
            rules = sorted(set(rules))
    allowed = {each.key: plain(parse(each.allowed) or ANYTHING) for each in table.inputs if each.allowed}
    decided = {
        each.key: [sorted(outcome(text).text for text in each.values), outcome(each.default).text]
        for each in table.outputs
    }
    return [rules, _policy(table), sorted(allowed.items(), key=_key), sorted(decided.items(), key=_key)]


def _plain_decision(decision: Decision, *, several: bool) -> list[object]:
    # A table's outputs say what it decides; an expression has nothing but the decision's name for that.
    if decision.table is None:
        return [decision.name, decision.opaque, list(decision.needs)]
    return [decision.name if several else "", _plain_table(decision.table), list(decision.needs)]


def _key(item: tuple[str, object]) -> str:
    return item[0]


def _hash(form: object) -> str:
    text = json.dumps(form, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:FINGERPRINT_CHARS]
