"""Plans the way back of a run's tables: set-based, inside the database, however many changes there are.

    read       each change turned round, with the record as it is now, and classed
    obstacles  keys and unique values that another record has by now, references that would break
    write      the changes of the rollback, the last first, and their chunks

Nothing is changed here but the plan. A migration in between is noticed first: a table that lost a column, or has it
with another type, cannot have its old records back; one that gained columns can, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import CHUNK_CHANGES_MAX, SEQ_PER_SLICE, Mode
from dure.runs.stores import compose
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table
from dure.runs.stores.undo_obstacles import Obstacles
from dure.runs.stores.undo_table import Way, ways_of

CONFLICTS = frozenset({"undo_changed", "undo_missing", "undo_key_taken", "undo_blocked", "undo_irreversible"})
SHARED_CHUNK_CHANGES = CHUNK_CHANGES_MAX // 2
"""Chunks of the source with fewer changes share one; with it, none has more than the most that a chunk may have."""

_FORGET = load("dure.runs.stores", "undo_forget")
_BEGIN = load("dure.runs.stores", "undo_begin")
_INDEX = load("dure.runs.stores", "undo_index")
_ANALYZE = load("dure.runs.stores", "undo_analyze")
_REACH = load("dure.runs.stores", "undo_reach")
_WRITE = load("dure.runs.stores", "undo_write")
_CHUNKS = load("dure.runs.stores", "undo_chunks")
_COUNTS = load("dure.runs.stores", "undo_counts")


@dataclass(frozen=True, slots=True)
class Only:
    """Which changes are to be taken back, with their unit mates: of these subjects and these seqs; all when empty."""

    subjects: tuple[str, ...] = ()
    seqs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCounts:
    """What a rollback's plan holds, and what the tables look like now: the shapes that its images are in."""

    changes: int
    """Changes that will be done."""
    conflicts: int
    """Changes that something stands in the way of, which are kept."""
    codes: Mapping[str, int]
    """How many there are of each class; `undo_forced` are those that are done in spite of theirs."""
    shapes: Mapping[str, Shape] = field(repr=False)


async def plan_undo(
    tx: Connection,
    *,
    run_id: str,
    source_id: str,
    tenant_id: str,
    shapes: Mapping[str, Shape],
    mode: Mode,
    only: Only,
) -> UndoCounts:
    """Write the changes that take back what a run did to tables; `shapes` are those of that run.

    `tx` is the owner's. Something in the way makes a change a `keep` that says what it is; with `force` the present
    record becomes its `before` instead. With `clean_only` and `force` its unit mates are kept as well.
    Example: `await plan_undo(tx, run_id=new, source_id=old, tenant_id=t, shapes=shapes, mode="force", only=Only())`.
    """
    await compose.pin(tx)
    await tx.execute(_FORGET)
    await tx.execute(_BEGIN)
    ways = await ways_of(tx, shapes, await _present(tx, shapes))
    values = {
        "source": source_id,
        "force": mode == "force",
        "all": not only.subjects and not only.seqs,
        "subjects": list(only.subjects),
        "seqs": list(only.seqs),
    }
    for way in ways:
        await tx.execute(way.read(), {**values, **way.values()})
    await tx.execute(_INDEX)
    await tx.execute(_ANALYZE)
    await Obstacles(tx, [way for way in ways if not way.lost], mode).find()
    written = {"run": run_id, "tenant_id": tenant_id, "share": SHARED_CHUNK_CHANGES, "end": SEQ_PER_SLICE}
    await tx.execute(_WRITE, written)
    await tx.execute(_CHUNKS, written)
    return await _counts(tx, ways)


async def _present(tx: Connection, shapes: Mapping[str, Shape]) -> dict[str, Shape | Refused]:
    """Answer what each table is like now, or why its rows cannot be changed any more."""
    tables = [Table(shape.store, key=shape.key, leaves=shape.leaves) for shape in shapes.values()]
    given = {
        "schemas": [shape.schema for shape in shapes.values()],
        "tables": [shape.table for shape in shapes.values()],
    }
    # What foreign keys would do to other tables is no reason not to look: it is looked for in each record's way.
    reached = [Table(name) for (name,) in await (await tx.execute(_REACH, given)).fetchall()]
    found: dict[str, Shape | Refused] = {}
    for table in tables:
        try:
            found[table.name] = await describe(tx, table, [*tables, *reached])
        except Refused as refused:
            found[table.name] = refused
    return found


async def _counts(tx: Connection, ways: list[Way]) -> UndoCounts:
    codes: dict[str, int] = {}
    changes = conflicts = 0
    for code, does, count in await (await tx.execute(_COUNTS)).fetchall():
        is_conflict = code in CONFLICTS
        changes += count if does else 0
        conflicts += count if is_conflict and not does else 0
        name = "undo_forced" if is_conflict and does else code
        codes[name] = codes.get(name, 0) + count
    shapes = {way.shape.store: way.shape for way in ways}
    return UndoCounts(changes=changes, conflicts=conflicts, codes=codes, shapes=shapes)
