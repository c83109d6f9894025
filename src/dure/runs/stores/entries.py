"""The records that a slice's plan takes, while it is completed: one entry a change, in units that can be joined."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from dure.runs.model import Draft, Image, Key, Kind, Planned, Reason

LEAVING = ("delete", "move")
Record = tuple[str, Key]
"""The store and the key."""


@dataclass(slots=True, eq=False)
class Entry:
    """A change on its way into the plan."""

    draft: Draft
    unit: int
    place: int
    """Where its author put it; what follows from a change stands where that stands."""
    kind: Kind
    key: Key
    to_key: Key | None = None
    before: Image | None = None
    after: Image | None = None
    revision: str | None = None
    reason: Reason | None = None
    is_derived: bool = False
    later: list["Entry"] = field(default_factory=list)
    """Those of its unit that are done after it."""

    @property
    def record(self) -> Record:
        """What it takes."""
        return self.draft.store, self.key

    def keep(self, code: str, **params: object) -> None:
        """Leave the record as it is, and say why."""
        self.kind, self.after, self.to_key, self.revision = "keep", None, None, None
        self.reason = Reason(code, params)

    def planned(self) -> Planned:
        """Answer it as the plan holds it."""
        return Planned(
            store=self.draft.store,
            kind=self.kind,
            key=self.key,
            to_key=self.to_key,
            before=self.before,
            after=self.after,
            revision=self.revision,
            ask=self.draft.ask and self.kind != "keep",
            reason=self.reason,
            subject=self.draft.subject,
            scope="" if self.is_derived else self.draft.scope,
        )


class Entries:
    """All entries of a slice, by record and by unit."""

    def __init__(self) -> None:
        self._all: list[Entry] = []
        self._by_record: dict[Record, Entry] = {}
        self._joined: dict[int, int] = {}
        self._kept: set[Record] = set()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._all)

    def add(self, entry: Entry) -> None:
        """Take one. When another one takes the same record, they belong together; a record that goes, goes once."""
        known = self._by_record.get(entry.record) if entry.kind != "keep" else None
        if known is not None:
            self.join(known.unit, entry.unit)
            if known.kind in LEAVING and entry.kind in LEAVING:
                return
        elif entry.kind != "keep":
            self._by_record[entry.record] = entry
        else:
            self._kept.add(entry.record)
        self._all.append(entry)

    def of(self, record: Record) -> Entry | None:
        """Answer what takes this record, if anything does."""
        return self._by_record.get(record)

    def unit_of(self, entry: Entry) -> int:
        """Answer the unit that an entry is in by now."""
        return self._root(entry.unit)

    def join(self, one: int, other: int) -> None:
        """Have two units be done together."""
        first, second = sorted((self._root(one), self._root(other)))
        if first != second:
            self._joined[second] = first

    def forget_kept(self, record: Record) -> None:
        """Drop what says that a record stays: it turned out that it cannot."""
        if record in self._kept:
            self._kept.discard(record)
            self._all = [entry for entry in self._all if entry.kind != "keep" or entry.record != record]

    def block(self, units: set[int], reasons: dict[int, Reason]) -> None:
        """Keep every record of these units."""
        roots = {self._root(unit): reasons[unit] for unit in units}
        self._all = [entry for entry in self._all if not (entry.is_derived and self._root(entry.unit) in roots)]
        for entry in self._all:
            if (reason := roots.get(self._root(entry.unit))) is not None and entry.kind != "keep":
                entry.keep(reason.code, **reason.params)

    def units(self) -> list[list[Planned]]:
        """Answer the plan: each unit in the order in which it can be done, units in their authors' order."""
        units: dict[int, list[Entry]] = defaultdict(list)
        for entry in self._all:
            units[self._root(entry.unit)].append(entry)
        return [[entry.planned() for entry in _in_order(unit)] for _, unit in sorted(units.items(), key=itemgetter(0))]

    def _root(self, unit: int) -> int:
        while (joined := self._joined.get(unit)) is not None:
            unit = joined
        return unit


def _in_order(unit: Sequence[Entry]) -> Sequence[Entry]:
    """Sort so that each comes before its `later` ones, and as its author wrote it where that leaves a choice."""
    if len(unit) == 1:
        return unit
    waiting = {id(entry): 0 for entry in unit}
    for entry in unit:
        for later in entry.later:
            if id(later) in waiting:
                waiting[id(later)] += 1
    heap = [(entry.place, at) for at, entry in enumerate(unit) if not waiting[id(entry)]]
    places = {id(entry): at for at, entry in enumerate(unit)}
    heapq.heapify(heap)
    done: list[Entry] = []
    while heap:
        entry = unit[heapq.heappop(heap)[1]]
        done.append(entry)
        for later in entry.later:
            if id(later) in waiting:
                waiting[id(later)] -= 1
                if not waiting[id(later)]:
                    heapq.heappush(heap, (later.place, places[id(later)]))
    # Rows that refer to each other in a circle have no order; what is left goes as it stands.
    placed = {id(entry) for entry in done}
    return [*done, *(entry for entry in unit if id(entry) not in placed)]
