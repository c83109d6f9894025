"""Whole documents that decide nothing but what another document decides."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dure.apps.knowledge.dmn.canonical import document_fingerprint
from dure.apps.knowledge.dmn.model import Document, Table
from dure.apps.knowledge.dmn.pairing import pairs
from dure.apps.knowledge.dmn.relating import Relation, Side, compare, precedes, side
from dure.apps.knowledge.dmn.rows import Row

HOLDERS_MAX = 1_000
"""Of so many tables that say one rule, each is asked whether it says all of another document."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A whole document that decides nothing but what another decides: the same (`whole`), or a part of it."""

    index: int
    document: str
    kept_index: int
    kept: str
    whole: bool


class _Standing:
    """Which rules decide what they say, whatever else their table holds; each table is looked at once."""

    def __init__(self, pairs_max: int) -> None:
        self.pairs_left = pairs_max
        self.fallen: dict[int, set[int] | None] = {}

    def holds(self, rows: Iterable[Row]) -> bool:
        return all(self._holds(row) for row in rows)

    def _holds(self, row: Row) -> bool:
        if not row.table.single:
            return False
        if id(row.table) not in self.fallen:
            self.fallen[id(row.table)] = self._look(row.table)
        fallen = self.fallen[id(row.table)]
        return fallen is not None and row.rule.position not in fallen

    def _look(self, table: Table) -> set[int] | None:
        """Answer the rules that another one overrules or contradicts, or None when there is no time to look."""
        sides = [side(rule, table) for rule in table.rules]
        found = pairs(sides, range(len(sides)))
        if found.most > self.pairs_left:
            return None
        self.pairs_left -= found.most
        fallen: set[int] = set()
        for a, b in found:
            one, other = sides[a], sides[b]
            if _agree(one, other) or compare(one, other).relation in (Relation.DISJOINT, Relation.DUPLICATE):
                continue
            fallen |= {b} if precedes(one, other) else {a} if precedes(other, one) else {a, b}
        return fallen


def find_copies(documents: Sequence[Document], found: Sequence[Row], pairs_max: int) -> list[Copy]:
    """Answer the documents that may go, each with the one that is kept.

    Example: `find_copies(documents, rows(documents), 1_000)`.
    """
    by_index: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        by_index[row.place.index].append(row)
    kept: dict[str, int] = {}
    instead: dict[int, tuple[int, bool]] = {}
    for index, document in enumerate(documents):
        # A document without rules says nothing yet, so nothing of it is said twice.
        if by_index[index]:
            first = kept.setdefault(document_fingerprint(document), index)
            if first != index:
                instead[index] = (first, True)
    _find_parts(documents, by_index, instead, _Standing(pairs_max))
    return [_copy(documents, index, instead) for index in sorted(instead)]


def _copy(documents: Sequence[Document], index: int, instead: Mapping[int, tuple[int, bool]]) -> Copy:
    last, whole = instead[index]
    while last in instead:
        last, also_whole = instead[last]
        whole = whole and also_whole
    return Copy(index, documents[index].key, last, documents[last].key, whole)


def _find_parts(
    documents: Sequence[Document],
    rows: Mapping[int, Sequence[Row]],
    instead: dict[int, tuple[int, bool]],
    standing: _Standing,
) -> None:
    """Find documents of one table, every rule of which stands by itself in one table of another document."""
    holders: dict[str, dict[tuple[int, int], Row]] = defaultdict(dict)
    for row in (row for each in rows.values() for row in each):
        holders[row.content].setdefault((row.place.index, row.place.decision), row)
    for index in sorted(rows, reverse=True):
        if index in instead or not _is_plain(documents[index], rows[index], standing):
            continue
        mine = [holders[row.content] for row in rows[index]]
        rarest = min(mine, key=len)
        for holder in islice(rarest, HOLDERS_MAX):
            there = [each[holder] for each in mine if holder in each]
            if holder[0] == index or holder[0] in instead or len(there) < len(mine):
                continue
            if _allows(there[0].table, rows[index][0].table) and standing.holds(there):
                instead[index] = (holder[0], False)
                break


def _is_plain(document: Document, rows: Sequence[Row], standing: _Standing) -> bool:
    """Answer whether a document is its rules and nothing else that decides."""
    if not rows or len(document.decisions) > 1 or document.others or document.decisions[0].needs:
        return False
    return not any(output.default for output in rows[0].table.outputs) and standing.holds(rows)


def _allows(holder: Table, part: Table) -> bool:
    """Answer whether a table takes every input that the other takes."""
    taken = {each.key: each.allowed for each in part.inputs}
    return all(not each.allowed or each.allowed == taken.get(each.key) for each in holder.inputs)


def _agree(a: Side, b: Side) -> bool:
    return a.outcomes == b.outcomes and not any(outcome.opaque for outcome in a.outcomes.values())
