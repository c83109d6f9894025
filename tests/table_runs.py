"""Plans over tables in tests: drafted, completed, written, applied and turned around, as runs do it."""

from collections.abc import Callable, Iterable, Sequence
from json import dumps
from typing import Any
from uuid import UUID

from dure.db.pool import Connection, Database
from dure.runs.model import Draft, Planned, Tally
from dure.runs.stores.applying import apply_chunk, apply_one
from dure.runs.stores.completing import complete
from dure.runs.stores.handle import TableHandle
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table

WRITE = (
    "insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, ask, unit, key, to_key, before, after, "
    "revision, reason) values (%s, %s, %s, 'acme', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
CHUNK = (
    "insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash) "
    "values (%s, %s, 'acme', 'tables', %s, %s, %s, '')"
)
INVERSE = """
insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, unit, undoes, key, to_key, before, after)
select %(to)s, %(last)s - c.seq, 0, c.tenant_id, c.store,
       case c.kind when 'create' then 'delete' when 'update' then 'update' else 'create' end, c.unit, c.seq,
       coalesce(c.to_key, c.key), case when c.to_key is not null then c.key end,
       case when c.kind in ('create', 'update') then coalesce(o.after, c.after) end, c.before
from dure.change c left join dure.outcome o on o.run_id = c.run_id and o.seq = c.seq
where c.run_id = %(run)s and c.kind <> 'keep' and coalesce(o.state, 'applied') = 'applied'
"""


class Tables:
    """Some tables of a test's database. Example: `tables = await Tables.of(database, "public.a", "public.b")`."""

    def __init__(self, database: Database, shapes: dict[str, Shape]) -> None:
        self.database = database
        self.shapes = shapes

    @classmethod
    async def of(cls, database: Database, *declared: str | Table) -> "Tables":
        tables = [Table(one) if isinstance(one, str) else one for one in declared]
        async with database.owner_tx() as tx:
            return cls(database, {table.name: await describe(tx, table, tables) for table in tables})

    async def complete(self, draft: Callable[..., Any]) -> list[list[Planned]]:
        """What becomes of the drafts that `draft(*handles)` answers; each a draft, or several that belong together."""
        async with self.database.owner_tx() as own, self.database.owner_tx() as read:
            await read.execute("set transaction isolation level repeatable read read only")
            drafts = draft(*(TableHandle(shape, read) for shape in self.shapes.values()))
            if hasattr(drafts, "__await__"):
                drafts = await drafts
            return await complete(read, own, self.shapes, [[one] if isinstance(one, Draft) else one for one in drafts])

    async def plan(self, draft: Callable[..., Any], *, chunk_changes: int = 10_000) -> str:
        """Complete and write a plan; answer the run's id."""
        return await self.write(await self.complete(draft), chunk_changes=chunk_changes)

    async def write(self, units: Iterable[Sequence[Planned]], *, chunk_changes: int = 10_000) -> str:
        async with self.database.owner_tx() as tx:
            run = await new_run(tx)
            seq, chunk, first = 1, 0, 1
            for unit in units:
                if seq - first + len(unit) > chunk_changes:
                    await tx.execute(CHUNK, [run, chunk, first, seq - 1, seq - first])
                    chunk, first = chunk + 1, seq
                number = seq if len(unit) > 1 else None
                for change in unit:
                    await tx.execute(WRITE, [run, seq, chunk, *_values(change, number)])
                    seq += 1
            if seq > first:
                await tx.execute(CHUNK, [run, chunk, first, seq - 1, seq - first])
        return run

    async def apply(self, run: str, *, restoring: bool = False, round: int = 0, chunk: int | None = None) -> Tally:
        """Apply a plan's chunks, or one of them, each in its own transaction."""
        tally = Tally()
        chunks = [chunk] if chunk is not None else await self._chunks(run)
        for no in chunks:
            async with self.database.owner_tx() as tx:
                tally += await apply_chunk(tx, run, no, self.shapes, restoring=restoring, round=round)
        return tally

    async def apply_one(self, run: str, seq: int) -> Tally:
        async with self.database.owner_tx() as tx:
            return await apply_one(tx, run, seq, self.shapes, restoring=False)

    async def do(self, draft: Callable[..., Any]) -> tuple[str, Tally]:
        run = await self.plan(draft)
        return run, await self.apply(run)

    async def turn_around(self, run: str) -> str:
        """Write the plan that takes back what was done; answer its run's id."""
        async with self.database.owner_tx() as tx:
            last = await _one(tx, "select max(seq) + 1 from dure.change where run_id = %s", [run])
            back = await new_run(tx)
            done = (await tx.execute(INVERSE, {"run": run, "to": back, "last": last})).rowcount
            if done:
                await tx.execute(CHUNK, [back, 0, 1, last, done])
        return back

    async def undo(self, run: str) -> Tally:
        return await self.apply(await self.turn_around(run), restoring=True)

    async def outcomes(self, run: str) -> list[tuple[Any, ...]]:
        """Answer the seq, state and reason's code of every outcome."""
        statement = "select seq, state, reason->>'code' from dure.outcome where run_id = %s order by seq"
        async with self.database.owner_tx() as tx:
            return await (await tx.execute(statement, [run])).fetchall()

    async def reason(self, run: str, seq: int) -> dict[str, Any]:
        async with self.database.owner_tx() as tx:
            params = [run, seq]
            found = await _one(tx, "select reason->'params' from dure.outcome where run_id = %s and seq = %s", params)
        assert isinstance(found, dict)
        return found

    async def bytes_of(self, *names: str) -> list[list[str]]:
        """Answer every row of tables, as the exact bytes of its values."""
        rows = []
        async with self.database.owner_tx() as tx:
            for name in names or self.shapes:
                statement = f"select encode(record_send(t.*::{name}), 'hex') from {name} t order by 1".encode()
                rows.append([row[0] for row in await (await tx.execute(statement)).fetchall()])
        return rows

    async def _chunks(self, run: str) -> list[int]:
        async with self.database.owner_tx() as tx:
            cursor = await tx.execute("select no from dure.chunk where run_id = %s order by no", [run])
            return [no for (no,) in await cursor.fetchall()]


async def new_run(tx: Connection) -> str:
    statement = "insert into dure.run (tenant_id, operation, author) values ('acme', 't.o', 'me') returning id"
    run = await _one(tx, statement, [])
    assert isinstance(run, UUID)
    return str(run)


def kinds(units: Iterable[Sequence[Planned]]) -> list[list[tuple[str, str, str]]]:
    """Answer the kind, store and key of every change, unit by unit."""
    return [[(change.kind, change.store, ",".join(change.key)) for change in unit] for unit in units]


async def _one(tx: Connection, statement: str, params: Any) -> Any:
    return (await (await tx.execute(statement.encode(), params)).fetchall())[0][0]


def _values(change: Planned, unit: int | None) -> list[Any]:
    return [
        change.store,
        change.kind,
        change.ask,
        unit,
        list(change.key),
        None if change.to_key is None else list(change.to_key),
        None if change.before is None else list(change.before),
        None if change.after is None else list(change.after),
        change.revision,
        None if change.reason is None else dumps(change.reason.to_json()),
    ]
