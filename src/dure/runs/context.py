"""What an operation is given besides its subjects: a view of the database that nothing can be written through, its
stores.

The view is one snapshot, `REPEATABLE READ READ ONLY`: a planner that tries to write is told so by the database.
Policies of row-level security that would hide rows are an error here, because a plan of half the rows would be a
wrong plan.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import namedtuple_row

from dure.db.pool import Connection, Database
from dure.errors import Invalid, NotFound
from dure.runs.handles import OutsideHandle
from dure.runs.stores.handle import TableHandle

ROWS_A_FETCH = 2_000
SNAPSHOT = "set transaction isolation level repeatable read, read only"
WHOLE_ROWS = "set local row_security = off"
TENANT = "select set_config('dure.tenant_id', %s, true)"
NOTE_CHARS_MAX = 2_000


class PlanContext:
    """A plan's surroundings. Example: `async def plan(self, subjects, ctx: PlanContext): …`."""

    def __init__(
        self,
        tx: Connection,
        *,
        run_id: str,
        tenant_id: str,
        author: str,
        now: datetime,
        params: Any,
        handles: Mapping[str, TableHandle | OutsideHandle],
    ) -> None:
        self.tx = tx
        """The snapshot; it can be read with any statement and written with none."""
        self.run_id = run_id
        self.tenant_id = tenant_id
        self.author = author
        self.now = now
        """When the run was asked for: the same for every slice and every attempt."""
        self.params = params
        self._handles = handles
        self._populations: dict[str, int] = {}
        self._notes: list[str] = []

    def store(self, name: str) -> Any:
        """Answer the handle of one of the operation's stores, by its name. Example: `ctx.store("public.students")`."""
        try:
            return self._handles[name]
        except KeyError:
            raise NotFound("store", name) from None

    async def rows(
        self, statement: LiteralString, params: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> AsyncIterator[Any]:
        """Stream the rows of a statement, as named tuples: `async for row in ctx.rows("select id from …", [1]):
        yield row.id`.
        """
        async with self.tx.cursor("dure_rows", row_factory=namedtuple_row) as cursor:
            cursor.itersize = ROWS_A_FETCH
            await cursor.execute(statement, params)
            async for row in cursor:
                yield row

    def population(self, count: int, scope: str = "") -> None:
        """Say how many records a scope holds, so that guards can judge what leaves it. Adds up over the calls."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Invalid(field="population", reason="out_of_range", min=0, max=2**63 - 1)
        self._populations[scope] = self._populations.get(scope, 0) + count

    def log(self, message: str) -> None:
        """Write a line into the log of the job that plans."""
        self._notes.append(str(message)[:NOTE_CHARS_MAX])

    @property
    def populations(self) -> Mapping[str, int]:
        """What was counted so far, by scope."""
        return self._populations

    def take_notes(self) -> list[str]:
        """Answer the lines that were logged since the last call."""
        notes, self._notes = self._notes, []
        return notes


@asynccontextmanager
async def snapshot(database: Database, tenant_id: str) -> AsyncIterator[Connection]:
    """A transaction that reads one state of the database and can write nothing.

    Example: `async with snapshot(database, "acme") as tx: …`.
    """
    async with database.owner_tx() as tx:
        await tx.execute(SNAPSHOT)
        await tx.execute(WHOLE_ROWS)
        await tx.execute(TENANT, (tenant_id,))
        yield tx
