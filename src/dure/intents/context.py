"""What an intent is given: for whom it works, the day, and a way to read."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, LiteralString

from psycopg.rows import dict_row

from dure.db.pool import Database
from dure.queue.context import Context


class IntentContext:
    """The surroundings of an intent. Example: `await ctx.rows(LATE_STUDENTS, {"day": ctx.today})`."""

    def __init__(self, job: Context, *, request_id: str, key: str, actor: str, now: datetime, today: date) -> None:
        self._job = job
        self.request_id = request_id
        self.key = key
        self.actor = actor
        self.now = now
        self.today = today

    @property
    def tenant_id(self) -> str:
        """For whom."""
        return self._job.tenant_id

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt: give it to outside services, so that they do a thing once."""
        return self._job.idempotency_key

    @property
    def database(self) -> Database:
        """For what `rows` cannot do."""
        return self._job.database

    def log(self, message: str) -> None:
        """Write a line into the job's log."""
        self._job.log(message)

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report how far it is."""
        self._job.progress(done, total, note)

    async def rows(self, statement: LiteralString, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answer the rows of a statement that reads; it is told the tenant, and can change nothing."""
        async with self._job.database.owner_tx() as tx:
            await tx.execute("set transaction read only")
            await tx.execute("select set_config('dure.tenant_id', %s, true)", (self.tenant_id,))
            cursor = tx.cursor(row_factory=dict_row)
            await cursor.execute(statement, {**(values or {}), "tenant": self.tenant_id})
            return await cursor.fetchall()

    async def one(self, statement: LiteralString, values: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Answer the first row, or None."""
        found = await self.rows(statement, values)
        return found[0] if found else None
