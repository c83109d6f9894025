"""What a DMN document says: decisions, tables, rules. Texts stay as they were written."""

from dataclasses import dataclass, field
from enum import StrEnum


class HitPolicy(StrEnum):
    """What a table answers when more than one of its rules fits."""

    UNIQUE = "UNIQUE"
    FIRST = "FIRST"
    PRIORITY = "PRIORITY"
    ANY = "ANY"
    COLLECT = "COLLECT"
    RULE_ORDER = "RULE ORDER"
    OUTPUT_ORDER = "OUTPUT ORDER"


class Aggregation(StrEnum):
    """What a COLLECT table makes of the answers of all the rules that fit."""

    NONE = ""
    SUM = "SUM"
    COUNT = "COUNT"
    MIN = "MIN"
    MAX = "MAX"


@dataclass(frozen=True, slots=True)
class Input:
    """A column of conditions. `key` is what it asks about, the same in every document that asks the same."""

    key: str
    expression: str
    label: str = ""
    type: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A column of outcomes. `key` is what it decides; `values` are what it may be, the weightiest first."""

    key: str
    name: str
    label: str = ""
    type: str = ""
    values: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row: one test for each input, one outcome for each output. `position` counts from 0."""

    id: str
    position: int
    conditions: tuple[str, ...]
    outcomes: tuple[str, ...]
    annotations: tuple[str, ...] = ()
    description: str = ""
    foreign: frozenset[int] = frozenset()
    """Columns, the inputs first, whose entry is in another language than FEEL."""


@dataclass(frozen=True, slots=True)
class Table:
    """A decision table. Example: `read(xml).tables[0].hit_policy is HitPolicy.UNIQUE`."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    rules: tuple[Rule, ...]
    hit_policy: HitPolicy = HitPolicy.UNIQUE
    aggregation: Aggregation = Aggregation.NONE

    @property
    def gathers(self) -> bool:
        """Whether every rule that fits adds to the answer, so that two equal rules say more than one."""
        if self.hit_policy is HitPolicy.COLLECT:
            return self.aggregation not in (Aggregation.MIN, Aggregation.MAX)
        return self.hit_policy in (HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)

    @property
    def single(self) -> bool:
        """Whether the answer is that of one rule."""
        return not self.gathers and self.hit_policy is not HitPolicy.COLLECT


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision, by its table, or by something else that is compared as text: `opaque` is its normal form."""

    id: str
    name: str
    table: Table | None
    opaque: str = ""
    needs: tuple[str, ...] = ()
    """Names of the decisions that it is made from."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A DMN document; `key` is what its owner calls it, such as the id of its row.

    Example: `read(xml, key="rule-7").name`.
    """

    key: str
    id: str
    name: str
    decisions: tuple[Decision, ...]
    description: str = ""
    others: tuple[str, ...] = field(default=(), repr=False)
    """Normal forms of what else decides: functions, types, imports, services."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The decision tables, in the order of the document."""
        return tuple(decision.table for decision in self.decisions if decision.table is not None)
