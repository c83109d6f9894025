"""Many documents at once: what is said twice and may go, and what is at odds and needs a person."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dure.apps.knowledge.dmn.copies import Copy, find_copies
from dure.apps.knowledge.dmn.model import Document, HitPolicy
from dure.apps.knowledge.dmn.pairing import pairs
from dure.apps.knowledge.dmn.relating import Related, Relation, Side, compare, fits, precedes, side
from dure.apps.knowledge.dmn.rows import Place, Row, rows

PAIRS_MAX = 100_000
"""Pairs of rules that are compared for one report, about three seconds."""
FINDINGS_MAX = 1_000
SEVERITY = (Relation.CONFLICT, Relation.SUBSUMED, Relation.OVERLAP, Relation.EXCEPTION)
"""The relations that are reported, the worst first."""


class Ground(StrEnum):
    """Why a rule counts as said twice; `[knowledge.rules]` has a sentence for each, `ground_…`."""

    SAME_TABLE = "same_table"
    """Twice in one table, whose answers stay as they are without it."""
    GATHERED = "gathered"
    """Twice in one table that adds up what its rules say: without it the answers change."""
    OTHER_TABLE = "other_table"
    """In another table too; this table would no longer decide it."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A rule that another one says too; only a `certain` one may be deleted unasked."""

    rule: Place
    kept: Place
    ground: Ground

    @property
    def certain(self) -> bool:
        """Whether nothing that is decided changes without it."""
        return self.ground is Ground.SAME_TABLE


@dataclass(frozen=True, slots=True)
class Finding:
    """Two rules that a person should look at; never a reason to delete.

    `narrower` is the one that is subsumed, or the exception; `witness` is an input that fits both.
    """

    relation: Relation
    rule: Place
    other: Place
    narrower: Place | None = None
    witness: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What a set of rules says twice, or against itself.

    `counts` is of all that was found, also of what `findings` has no room for. When `limited`, `pairs_skipped`
    is how many pairs of rules at most were not compared, and there may be more to find.
    """

    copies: tuple[Copy, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    findings: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    pairs_compared: int = 0
    pairs_skipped: int = 0

    @property
    def limited(self) -> bool:
        """Whether the limit of pairs was met."""
        return self.pairs_skipped > 0


def report(documents: Sequence[Document], *, pairs_max: int = PAIRS_MAX) -> Report:
    """Answer what documents say twice or against each other; of equal ones the first given is kept.

    Example: `report([read(xml, key=id) for id, xml in rows]).duplicates`.
    """
    found = rows(documents)
    copies = find_copies(documents, found, pairs_max)
    gone = {copy.index for copy in copies}
    left = [row for row in found if row.place.index not in gone]
    duplicates = _duplicates(left)
    repeated = {duplicate.rule for duplicate in duplicates if duplicate.ground is not Ground.OTHER_TABLE}
    search = _Search(pairs_max)
    search.run([row for row in left if row.place not in repeated])
    return Report(
        copies=tuple(copies),
        duplicates=tuple(duplicates),
        findings=search.worst(),
        counts={str(relation): search.counts[relation] for relation in SEVERITY if search.counts[relation]},
        pairs_compared=search.compared,
        pairs_skipped=search.skipped,
    )


def _duplicates(left: Sequence[Row]) -> list[Duplicate]:
    here: dict[tuple[str, int], Row] = {}
    anywhere: dict[tuple[str, bool], Row] = {}
    found = []
    for row in left:
        gathers = row.table.gathers
        first = here.setdefault((row.content, id(row.table)), row)
        elsewhere = anywhere.setdefault((row.content, gathers), row)
        if first is not row:
            found.append(Duplicate(row.place, first.place, Ground.GATHERED if gathers else Ground.SAME_TABLE))
        elif elsewhere is not row:
            found.append(Duplicate(row.place, elsewhere.place, Ground.OTHER_TABLE))
    return found


class _Search:
    """The search for rules at odds, in tables that decide the same outputs from the same inputs, or from fewer."""

    def __init__(self, pairs_max: int) -> None:
        self.pairs_max = pairs_max
        self.compared = 0
        self.skipped = 0
        self.counts: Counter[Relation] = Counter()
        self.found: list[Finding] = []
        self.tables: dict[int, list[Side]] = {}

    def run(self, found: Sequence[Row]) -> None:
        by_outputs: dict[frozenset[str], list[Row]] = defaultdict(list)
        for row in found:
            if not row.table.gathers:
                by_outputs[frozenset(output.key for output in row.table.outputs)].append(row)
        for group in by_outputs.values():
            self._group(group)

    def worst(self) -> tuple[Finding, ...]:
        """Answer the worst findings, as many as a report has room for."""
        self.found.sort(key=lambda finding: (SEVERITY.index(finding.relation), finding.rule.index))
        return tuple(self.found[:FINDINGS_MAX])

    def _group(self, rows: Sequence[Row]) -> None:
        sides = [side(row.rule, row.table) for row in rows]
        self.tables = defaultdict(list)
        for each in sides:
            self.tables[id(each.table)].append(each)
        asked = {key: frozenset(k for each in table for k in each.conditions) for key, table in self.tables.items()}
        by_inputs: dict[frozenset[str], list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            by_inputs[asked[id(row.table)]].append(place)
        holding = _holding(by_inputs)
        for keys, places in by_inputs.items():
            self._compare(rows, sides, places, None)
            for wider in _wider(keys, holding):
                self._compare(rows, sides, places, by_inputs[wider])

    def _compare(
        self, rows: Sequence[Row], sides: Sequence[Side], left: Sequence[int], right: Sequence[int] | None
    ) -> None:
        found = pairs(sides, left, right)
        for done, (a, b) in enumerate(found):
            if self.compared >= self.pairs_max:
                self.skipped += max(1, found.most - done)
                return
            self.compared += 1
            first, second = min(a, b), max(a, b)
            related = compare(sides[first], sides[second])
            if related.relation in SEVERITY and not self._settled(sides[first], sides[second], related):
                self._note(rows[first].place, rows[second].place, related)

    def _settled(self, one: Side, other: Side, related: Related) -> bool:
        """Answer whether a hit policy has the last word: in their one table, or in either of two tables."""
        if one.table is other.table:
            return related.relation is Relation.OVERLAP and one.table.hit_policy in QUIET
        if related.relation is not Relation.CONFLICT:
            return False
        return self._overruled(one, related.witness) or self._overruled(other, related.witness)

    def _overruled(self, one: Side, witness: Mapping[str, str]) -> bool:
        """Answer whether another rule of its table has precedence for this input."""
        if one.table.hit_policy not in (HitPolicy.FIRST, HitPolicy.PRIORITY):
            return False
        others = self.tables[id(one.table)]
        # It costs as much as so many comparisons, so it counts as them.
        self.compared += len(others)
        return any(other is not one and fits(other.conditions, witness) and precedes(other, one) for other in others)

    def _note(self, one: Place, other: Place, related: Related) -> None:
        self.counts[related.relation] += 1
        narrower = None if related.narrower is None else (one, other)[related.narrower]
        self.found.append(Finding(related.relation, one, other, narrower, related.witness))


QUIET = frozenset({HitPolicy.ANY, HitPolicy.FIRST, HitPolicy.PRIORITY, HitPolicy.COLLECT})
"""Where rules may overlap by design."""


def _holding(by_inputs: Mapping[frozenset[str], list[int]]) -> dict[str, list[frozenset[str]]]:
    holding: dict[str, list[frozenset[str]]] = defaultdict(list)
    for keys in by_inputs:
        for key in keys:
            holding[key].append(keys)
    return holding


def _wider(keys: frozenset[str], holding: Mapping[str, list[frozenset[str]]]) -> list[frozenset[str]]:
    """Answer the other sets of inputs that hold these; rules that ask nothing are compared with one another only."""
    if not keys:
        return []
    rarest = min((holding[key] for key in sorted(keys)), key=len)
    return [wider for wider in rarest if keys < wider]
