"""Groups of changes that one statement does, and units of changes that are done together or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from psycopg import sql

from dure.runs.model import Kind

RANGE = sql.SQL("c.seq between %(from_seq)s and %(to_seq)s")
ALIKE = sql.SQL("c.seq between %(from_seq)s and %(to_seq)s and c.store = %(store)s and c.kind = %(kind)s and not c.ask")
LISTED = sql.SQL("c.seq = any (%(seqs)s)")


@dataclass(frozen=True, slots=True)
class Todo:
    """One change that is to be done."""

    seq: int
    store: str
    kind: Kind
    unit: int | None
    may: bool
    """Not when it is a question to which nobody said yes."""
    ask: bool


Unit = Sequence[Todo]
"""In the order of the plan."""


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one kind in one store: all of a range of numbers, or those that are listed."""

    store: str
    kind: Kind
    count: int
    first: int
    last: int
    seqs: Sequence[int] | None = None
    is_guess: bool = False
    """Whether others may stand between them: then fewer than `count` are picked, and the attempt is taken back."""

    @property
    def picked(self) -> sql.SQL:
        """The condition that picks its changes."""
        if self.seqs is not None:
            return LISTED
        return ALIKE if self.is_guess else RANGE

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of that condition."""
        if self.seqs is not None:
            return {"seqs": list(self.seqs)}
        between = {"from_seq": self.first, "to_seq": self.last}
        return {**between, "store": self.store, "kind": self.kind} if self.is_guess else between


def listed(changes: Sequence[Todo]) -> Group:
    """Answer the group of these changes, which are of one kind and store."""
    seqs = [change.seq for change in changes]
    return Group(changes[0].store, changes[0].kind, len(seqs), seqs[0], seqs[-1], seqs)


def units_of(todo: Iterable[Todo]) -> list[list[Todo]]:
    """Answer the units of changes, in the order of their first ones."""
    units: dict[tuple[bool, int], list[Todo]] = {}
    for change in todo:
        place = (False, change.seq) if change.unit is None else (True, change.unit)
        units.setdefault(place, []).append(change)
    return list(units.values())


def in_order(units: Iterable[Unit]) -> list[Group]:
    """Answer the groups of all changes exactly in the order of the plan: as many statements as that takes."""
    changes = sorted((change for unit in units for change in unit), key=lambda change: change.seq)
    return [listed(run) for run in _runs(changes)]


def gathered(units: Iterable[Unit]) -> list[Group]:
    """Answer as few groups as possible: the order within each unit holds, units need not wait for each other.

    That other order may meet a foreign key, then the order of the plan is tried; it cannot lead elsewhere, because each
    change takes a record of its own and the plan says what becomes of it.
    """
    waiting: dict[tuple[str, Kind], list[list[list[Todo]]]] = {}
    for unit in units:
        runs = list(reversed(_runs(unit)))
        waiting.setdefault(_place(runs), []).append(runs)
    groups = []
    while waiting:
        place = min(waiting, key=lambda place: min(runs[-1][0].seq for runs in waiting[place]))
        taken: list[Todo] = []
        for runs in waiting.pop(place):
            taken += runs.pop()
            if runs:
                waiting.setdefault(_place(runs), []).append(runs)
        groups.append(listed(sorted(taken, key=lambda change: change.seq)))
    return groups


def keys_first(unit: Unit, depths: Mapping[str, int]) -> list[Group]:
    """Answer a unit's groups with its updates from the table that is referred to down to those that refer.

    So a foreign key brings rows along to a new key; the way back of such a unit would begin at the wrong end.
    """
    changes = sorted(unit, key=lambda change: change.seq)
    ordered: list[Todo] = []
    for _, run in groupby(changes, key=lambda change: change.kind == "update"):
        # Stable: what is no update stays in the order of the plan.
        ordered += sorted(run, key=lambda change: depths[change.store] if change.kind == "update" else 0)
    return [listed(run) for run in _runs(ordered)]


def _place(runs: Sequence[Sequence[Todo]]) -> tuple[str, Kind]:
    return runs[-1][0].store, runs[-1][0].kind


def _runs(changes: Unit) -> list[list[Todo]]:
    """Cut changes where the store or the kind changes."""
    runs: list[list[Todo]] = []
    for change in changes:
        if runs and (runs[-1][0].store, runs[-1][0].kind) == (change.store, change.kind):
            runs[-1].append(change)
        else:
            runs.append([change])
    return runs
