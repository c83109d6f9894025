"""Applies a chunk of a plan to tables, in one transaction: what is as planned is changed, all else is told apart.

The short way: the rows are found by the version that was planned, so their bytes need not be compared, and the whole
chunk is a few statements. Where that does not do every change, it is taken back and the careful way begins: lock each
row, compare it with its image, set conflicts aside, and halve what the database refuses until the culprit is alone.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import NotFound
from dure.runs.model import Kind, Tally
from dure.runs.stores import reading
from dure.runs.stores.attempt import Attempts, Undone
from dure.runs.stores.careful import Careful
from dure.runs.stores.compose import one_by_one, pin
from dure.runs.stores.groups import Group, Todo, gathered, units_of
from dure.runs.stores.holding import hold
from dure.runs.stores.muting import muted
from dure.runs.stores.shape import Shape

ENDS = load("dure.runs.stores", "chunk_ends")
CHUNK = load("dure.runs.stores", "chunk_find")
GROUPS = load("dure.runs.stores", "groups_find")
TODO = load("dure.runs.stores", "todo_read")

GROUPS_MAX = 16
"""A chunk with more runs of equal changes than this has them gathered, so that its statements stay few."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A chunk's changes; `store` and `kind` are those of the first, and of all when they are uniform."""

    first: int
    last: int
    changes: int
    asks: bool
    store: str
    kind: Kind
    is_uniform: bool


async def apply_chunk(
    tx: Connection, run_id: str, chunk: int, shapes: Mapping[str, Shape], *, restoring: bool, round: int = 0
) -> Tally:
    """Do what a chunk plans, and write an outcome for each change that did not simply do as planned.

    With `restoring`, triggers of users stay quiet. In a `round` above 0 only what is intended again is done.
    Example: `tally = await apply_chunk(tx, run.id, 3, shapes, restoring=False)`.
    """
    await pin(tx)
    await one_by_one(tx, on=True)
    guess = await _guess(tx, run_id, chunk) if round == 0 else None
    if guess is not None and await _alone(tx, run_id, guess, shapes, restoring=restoring):
        return Tally(applied=guess.count)
    row = await (await tx.execute(CHUNK, {"run_id": run_id, "chunk": chunk})).fetchone()
    if row is None:
        raise NotFound("chunk", chunk)
    span = _Span(*row)
    if not span.changes:
        return Tally()
    taken = [shapes[span.store]] if span.is_uniform else list(shapes.values())
    async with muted(tx, taken) if restoring else nullcontext():
        attempts = Attempts(tx, run_id, shapes, await hold(tx, taken))
        is_tried = guess is not None and span.is_uniform
        if round == 0 and not span.asks and not is_tried and await _at_once(attempts, span):
            return Tally(applied=span.changes)
        todo = await _todo(tx, run_id, span.first, span.last, again=round > 0)
        return await Careful(attempts, span.first, again=round > 0).run(todo)


async def apply_one(tx: Connection, run_id: str, seq: int, shapes: Mapping[str, Shape], *, restoring: bool) -> Tally:
    """Do a single change whose outcome is intended, and write what became of it there.

    Example: `tally = await apply_one(tx, run.id, change.seq, shapes, restoring=False)`.
    """
    await pin(tx)
    await one_by_one(tx, on=True)
    todo = await _todo(tx, run_id, seq, seq, again=True)
    taken = [shapes[change.store] for change in todo]
    if not taken:
        return Tally()
    async with muted(tx, taken) if restoring else nullcontext():
        attempts = Attempts(tx, run_id, shapes, await hold(tx, taken))
        return await Careful(attempts, seq, again=True).run(todo)


async def population(tx: Connection, shape: Shape) -> int:
    """Answer how many rows a table has; above a million, how many its statistics say.

    Example: `await population(tx, shape)`.
    """
    return await reading.population(tx, shape)


async def _guess(tx: Connection, run_id: str, chunk: int) -> Group | None:
    """Answer a chunk as one group when it begins and ends alike: whether all between is so shows when it is done."""
    row = await (await tx.execute(ENDS, {"run_id": run_id, "chunk": chunk})).fetchone()
    if row is None or not row[-1]:
        return None
    first, last, changes, store, kind, _ = row
    return Group(store, kind, changes, first, last, is_guess=True)


async def _alone(tx: Connection, run_id: str, group: Group, shapes: Mapping[str, Shape], *, restoring: bool) -> bool:
    """Do a whole chunk that changes one table in one way, or nothing of it."""
    taken = [shapes[group.store]]
    async with muted(tx, taken) if restoring else nullcontext():
        attempts = Attempts(tx, run_id, shapes, await hold(tx, taken))
        try:
            await attempts.make([group], by_version=True)
        except Undone:
            return False
    return True


async def _at_once(attempts: Attempts, span: "_Span") -> bool:
    """Do a whole chunk the short way, or nothing of it."""
    groups = await _groups(attempts, span)
    try:
        if groups:
            await attempts.make(groups, by_version=True)
    except Undone:
        return False
    return True


async def _groups(attempts: Attempts, span: "_Span") -> list[Group]:
    if span.is_uniform:
        return [Group(span.store, span.kind, span.changes, span.first, span.last)]
    asked = {"run_id": attempts.run_id, "first": span.first, "last": span.last, "most": GROUPS_MAX + 1}
    starts = await (await attempts.tx.execute(GROUPS, asked)).fetchall()
    if len(starts) > GROUPS_MAX:
        return gathered(units_of(await _todo(attempts.tx, attempts.run_id, span.first, span.last, again=False)))
    if not starts:
        return []
    ends = [*((seq - 1, before) for seq, _, _, before in starts[1:]), (span.last, span.changes)]
    return [
        Group(store, kind, count_to - count_from, seq, until)
        for (seq, store, kind, count_from), (until, count_to) in zip(starts, ends, strict=True)
    ]


async def _todo(tx: Connection, run_id: str, first: int, last: int, *, again: bool) -> list[Todo]:
    span = {"run_id": run_id, "first": first, "last": last, "again": again}
    return [Todo(*row) for row in await (await tx.execute(TODO, span)).fetchall()]
