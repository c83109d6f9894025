"""Runs over tables in tests: planned, applied and taken back without workers, as the jobs of runs do it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dure.db.pool import Database
from dure.runs.ledger import Ledger
from dure.runs.model import Draft, Key, Mode, Tally
from dure.runs.stores.applying import apply_chunk
from dure.runs.stores.completing import complete
from dure.runs.stores.rehearsal import Rehearsal, rehearse
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table
from dure.runs.stores.undo import Only, UndoCounts, plan_undo
from queueing import TENANT, rows

_RUN = (
    "insert into dure.run (tenant_id, operation, author, rollback_of, mode)"
    " values (%s, 'test.operation', 'kim', %s, %s) returning id::text"
)
_DONE = (
    "update dure.chunk set state = 'done', applied = %s, conflicts = %s, failed = %s, skipped = %s"
    " where run_id = %s and no = %s"
)
NOTHING = UndoCounts(changes=0, conflicts=0, codes={}, shapes={})
NONE_DONE = Tally()


@dataclass(frozen=True, slots=True)
class Done:
    """A run that was planned, and perhaps applied."""

    id: str
    shapes: dict[str, Shape]
    tally: Tally = NONE_DONE
    counts: UndoCounts = NOTHING


async def shapes(database: Database, *tables: Table | str) -> dict[str, Shape]:
    declared = [Table(one) if isinstance(one, str) else one for one in tables]
    async with database.owner_tx() as tx:
        return {table.name: await describe(tx, table, declared) for table in declared}


async def new_run(database: Database, rollback_of: str | None = None, mode: Mode | None = None) -> str:
    return str((await rows(database, _RUN, [TENANT, rollback_of, mode]))[0][0])


async def do(database: Database, known: dict[str, Shape], *units: Draft | Sequence[Draft]) -> Done:
    """Plan these units and apply them."""
    run_id = await new_run(database)
    drafts = [[unit] if isinstance(unit, Draft) else list(unit) for unit in units]
    async with database.owner_tx() as tx:
        planned = await complete(tx, tx, known, drafts)
        ledger = Ledger(tx, run_id, TENANT, 0, frozenset())
        await ledger.write(planned)
        await ledger.finish()
    return Done(run_id, known, await apply(database, run_id, known, restoring=False))


async def apply(database: Database, run_id: str, known: dict[str, Shape], *, restoring: bool) -> Tally:
    """Apply every chunk of a plan, each in a transaction of its own."""
    total = Tally()
    for (no,) in await rows(database, "select no from dure.chunk where run_id = %s order by no", [run_id]):
        async with database.owner_tx() as tx:
            tally = await apply_chunk(tx, run_id, no, known, restoring=restoring)
            await tx.execute(_DONE, [tally.applied, tally.conflicts, tally.failed, tally.skipped, run_id, no])
        total += tally
    return total


async def preview(
    database: Database, source: Done, mode: Mode = "strict", *, subjects: Sequence[str] = (), seqs: Sequence[int] = ()
) -> Done:
    """Plan the way back."""
    run_id = await new_run(database, source.id, mode)
    async with database.owner_tx() as tx:
        counts = await plan_undo(
            tx,
            run_id=run_id,
            source_id=source.id,
            tenant_id=TENANT,
            shapes=source.shapes,
            mode=mode,
            only=Only(tuple(subjects), tuple(seqs)),
        )
    return Done(run_id, dict(counts.shapes), counts=counts)


async def back(database: Database, source: Done, mode: Mode = "strict", **only: Any) -> Done:
    """Plan the way back and go it."""
    planned = await preview(database, source, mode, **only)
    tally = await apply(database, planned.id, planned.shapes, restoring=True)
    return Done(planned.id, planned.shapes, tally, planned.counts)


async def codes(database: Database, run: Done) -> dict[Key, str]:
    """How each record of a way back is classed, by its key."""
    found = await rows(
        database, "select key, reason->>'code' from dure.change where run_id = %s order by seq", [run.id]
    )
    return {tuple(key): code for key, code in found}


async def params(database: Database, run: Done, *key: str) -> dict[str, Any]:
    """What the class of one record names."""
    statement = "select reason->'params' from dure.change where run_id = %s and key = %s"
    return dict((await rows(database, statement, [run.id, list(key)]))[0][0])


async def bytes_of(database: Database, table: str) -> list[str]:
    """Every row of a table as its exact text, in a fixed order."""
    return [text for (text,) in await rows(database, f"select t::text from {table} t order by t::text")]


def delete(store: str, *key: Any) -> Draft:
    return Draft(store=store, kind="delete", key=tuple(map(str, key)), subject=str(key[0]))


def update(store: str, *key: Any, **values: Any) -> Draft:
    return Draft(store=store, kind="update", key=tuple(map(str, key)), values=values, subject=str(key[0]))


def create(store: str, **values: Any) -> Draft:
    return Draft(store=store, kind="create", values=values)


async def rehearsed(database: Database, statement: str, **options: Any) -> tuple[Done, Rehearsal]:
    """Plan a statement; nothing of it is done."""
    run_id = await new_run(database)
    found = await rehearse(database, run_id=run_id, tenant_id=TENANT, statement=statement, **options)
    return Done(run_id, dict(found.shapes)), found


async def planned(database: Database, run: Done) -> list[tuple[Any, ...]]:
    """The changes of a plan, in order: table, kind, key, other key."""
    return await rows(
        database, "select store, kind, key, to_key from dure.change where run_id = %s order by seq", [run.id]
    )
