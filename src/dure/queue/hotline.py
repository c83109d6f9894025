"""A connection of a worker's own for its two hot statements, which reconnects by itself and plans as we want it to.

The planner must not choose by statistics here: `dure.ready` goes from empty to a million rows and back within seconds,
and one sequential scan over what a drain left behind costs more than the drain. Behind a transaction pooler nothing
may outlive a transaction, so there the same is said in each.
"""

import asyncio
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from dure import logs
from dure.clock import Backoff
from dure.db.pool import SYSTEM_ROLE, Connection, Database
from dure.errors import Unavailable, from_database

PLANNER: tuple[LiteralString, ...] = ("enable_seqscan = off", "enable_memoize = off", "jit = off")
RELAXED: LiteralString = "synchronous_commit = off"
ATTEMPTS = 3


class Hotline:
    """One connection for one kind of statement.

    `durable=False` does not wait for the disk: right for a claim, since a claim that a crash of the server undoes only
    puts its jobs back in line, and the completion that names it is refused.
    Example: `await Hotline(db, "claim").run(CLAIM, {})`.
    """

    def __init__(self, database: Database, part: str, *, durable: bool = True) -> None:
        self._database = database
        self._part = part
        self._settings: tuple[LiteralString, ...] = PLANNER if durable else (*PLANNER, RELAXED)
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._log = logs.get(part)

    async def run(self, statement: LiteralString, values: dict[str, Any]) -> list[TupleRow]:
        """Send a statement and answer its rows; raises `Unavailable` when the connection is lost."""
        async with self._lock:
            connection = self._connection or await self._connect()
            try:
                if self._database.pooler:
                    return await self._in_transaction(connection, statement, values)
                cursor = await connection.execute(statement, values, prepare=True)
                return await cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, psycopg.errors.DeadlockDetected) or not connection.closed:
                    raise
                raise Unavailable(reason=str(error)) from error
            except psycopg.Error as error:
                raise from_database(error) or error from error
            finally:
                if connection.closed or connection.broken:
                    self._connection = None

    async def persist(self, statement: LiteralString, values: dict[str, Any]) -> list[TupleRow]:
        """Like `run`, until it succeeds: through restarts, failovers, deadlocks. Says when it was lost and is back."""
        backoff, lost = Backoff(first_s=0.05, max_s=5.0), False
        while True:
            try:
                rows = await self.run(statement, values)
            except (Unavailable, psycopg.OperationalError, OSError) as error:
                if not lost:
                    self._log.warning("database.lost", part=self._part, reason=str(error))
                lost = True
                await asyncio.sleep(backoff.next_s())
                continue
            if lost:
                self._log.info("database.back", part=self._part)
            return rows

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> Connection:
        pooler = self._database.pooler
        connection = await self._database.connect(self._part, role=None if pooler else SYSTEM_ROLE)
        # At once: whoever stops this in the middle must find it to close it.
        self._connection = connection
        if not pooler:
            for setting in self._settings:
                await connection.execute("set " + setting)
        return connection

    async def _in_transaction(
        self, connection: Connection, statement: LiteralString, values: dict[str, Any]
    ) -> list[TupleRow]:
        async with connection.transaction():
            await connection.execute("set local role dure_system")
            for setting in self._settings:
                await connection.execute("set local " + setting)
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []
