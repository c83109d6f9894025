"""The rules of many documents in one list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dure.apps.knowledge.dmn.canonical import content
from dure.apps.knowledge.dmn.model import Document, Rule, Table


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands: the document by its place and its key, the decision by its place, the rule by its.

    Example: `without_rule(xml, place.rule, decision=place.decision)`.
    """

    index: int
    document: str
    decision: int
    rule: int
    rule_id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A rule, where it stands, and a hash of what it says."""

    place: Place
    table: Table
    rule: Rule
    content: str


def rows(documents: Sequence[Document]) -> list[Row]:
    """Answer all rules of all tables, in the order given. Example: `rows([read(xml)])`."""
    return [row for index, document in enumerate(documents) for row in _rows(index, document)]


def _rows(index: int, document: Document) -> Iterator[Row]:
    for number, decision in enumerate(document.decisions):
        for rule in decision.table.rules if decision.table else ():
            assert decision.table is not None
            place = Place(index, document.key, number, rule.position, rule.id)
            yield Row(place, decision.table, rule, content(rule, decision.table))
