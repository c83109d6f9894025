"""The database of one process: a pool of connections, and transactions that are always somebody's.

No statement runs as the role that logged in, which may own the tables and so pass row-level security.
`tenant_tx` is `dure_app` and sees one tenant, `system_tx` is `dure_system` and sees all; only migrations and
their like use `owner_tx`. Role and tenant are set with `LOCAL`, by the message that begins the transaction,
so they end with it whatever happens: nothing can leak to the next borrower, and a transaction pooler may
stand in between.

Inside a transaction our SQL's errors come out as `DureError`, and a lost connection as `Unavailable`.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from dure.errors import Invalid, Unavailable, from_database
from dure.ids import is_tenant_id
from dure.settings import Settings, normalise_url

APP_ROLE = "dure_app"
SYSTEM_ROLE = "dure_system"

CONNECT_TIMEOUT_S = 5
BORROW_TIMEOUT_S = 8.0
"""With the connection's own timeout behind it, nobody waits longer than 10 s for a database that is away."""
BEGIN_TIMEOUT_S = 3.5
"""Less than half of that, so that a silent connection leaves time for others."""
CHECK_TIMEOUT_S = 1.0
"""The same for a connection that is suspected."""
END_TIMEOUT_S = 5.0
RECONNECT_TIMEOUT_S = 5.0
"""The pool doubles its delay between attempts; giving up early lets the next borrower begin afresh."""
PREPARE_AFTER = 5
SESSION = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex"
"""What the text form of a value depends on. Part of a connection's start: never set, never left behind."""
SOCKET = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
TCP_USER_TIMEOUT_MS = 15_000

# Behind a pooler the session is not ours, so the time zone is set in each transaction.
_UTC = sql.SQL("; set local time zone 'UTC'")
_BEGIN = sql.SQL("begin")
_BEGIN_SYSTEM = sql.SQL("begin; set local role dure_system")
_BEGIN_TENANT = sql.SQL("begin; set local role dure_app; select set_config('dure.tenant_id', {}, true)")

Connection = AsyncConnection[TupleRow]


class Database:
    """A pool of connections to one database.

    Example: `async with Database(url) as database, database.tenant_tx("acme") as tx: await tx.execute(…)`.
    """

    def __init__(
        self,
        settings_or_url: Settings | str,
        *,
        part: str = "app",
        min_size: int = 1,
        max_size: int | None = None,
    ) -> None:
        if isinstance(settings_or_url, Settings):
            url, self.pooler, size = (
                settings_or_url.database_url,
                settings_or_url.pooler,
                settings_or_url.pool_max,
            )
            if url is None:
                raise Invalid(field="DURE_DATABASE_URL", reason="missing")
        else:
            url, self.pooler, size = normalise_url(settings_or_url), False, 10
        self.url = url
        self.part = part
        self._max_size = max(max_size or size, 1)
        self._min_size = min(min_size, self._max_size)
        self._pool: AsyncConnectionPool[Connection] | None = None
        # A connection that did not begin since another one died is suspected of being dead too.
        self._failures = 0
        self._seen_failures: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._cleaning: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the pool; returns when a connection is there, raises `Unavailable` when none can be had."""
        if self._pool is not None:
            return
        # The pool would retry until its timeout and not say why; one attempt of our own fails at once, with a
        # reason.
        await (await self.connect(self.part)).close()
        pool = AsyncConnectionPool[Connection](
            self.url,
            kwargs=self._parameters(self.part),
            min_size=self._min_size,
            max_size=self._max_size,
            timeout=BORROW_TIMEOUT_S,
            reconnect_timeout=RECONNECT_TIMEOUT_S,
            configure=self._remember,
            name=f"dure/{self.part}",
            open=False,
        )
        try:
            await pool.open(wait=True, timeout=BORROW_TIMEOUT_S)
        except PoolTimeout as error:
            raise Unavailable(reason=str(error)) from error
        self._pool = pool

    async def stop(self) -> None:
        """Close every connection; may be called twice."""
        pool, self._pool = self._pool, None
        if self._cleaning:
            await asyncio.wait(self._cleaning)
        if pool is not None:
            await pool.close()

    async def __aenter__(self) -> "Database":
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    @asynccontextmanager
    async def tenant_tx(self, tenant_id: str) -> AsyncIterator[Connection]:
        """A transaction that sees and writes the rows of one tenant; commits at the end of the block.

        Example: `async with database.tenant_tx("acme") as tx: await tx.execute("select …")`.
        """
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        async with self._transaction(_BEGIN_TENANT.format(sql.Literal(tenant_id))) as connection:
            yield connection

    async def tenant_once(self, tenant_id: str, statement: sql.Composed) -> TupleRow:
        """Send one statement in a transaction of one tenant, all in one message; answer the one row of its result.

        Three round trips fewer than `tenant_tx`, for what is asked often and alone. Not for what would do harm if
        done twice: when the connection breaks, it is not known whether it was done.
        Example: `await database.tenant_once("acme", sql.SQL("select {}").format(1))`.
        """
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        connection, pool = await self._borrow(BORROW_TIMEOUT_S)
        begin = _BEGIN_TENANT.format(sql.Literal(tenant_id))
        try:
            if self.pooler or self._is_suspect(connection):
                # What stands before the statement proves the connection first, at the price of a round trip.
                await connection.execute(sql.Composed([begin, _UTC]) if self.pooler else begin, prepare=False)
                row = await (await connection.execute(statement, prepare=False)).fetchone()
                await connection.commit()
            else:
                message = sql.Composed([begin, sql.SQL(";"), statement, sql.SQL("; commit")])
                row = await _row_of(await connection.execute(message, prepare=False))
        except BaseException as error:
            await asyncio.shield(self._abandon(pool, connection))
            if isinstance(error, psycopg.Error) and (known := self._explain(error, connection)) is not None:
                raise known from error
            raise
        await self._remember(connection)
        await pool.putconn(connection)
        return row if row is not None else ()

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Connection]:
        """A transaction of the engine itself, which sees the rows of every tenant.

        Example: `async with database.system_tx() as tx: await tx.execute(CLAIM, [100])`.
        """
        async with self._transaction(_BEGIN_SYSTEM) as connection:
            yield connection

    @asynccontextmanager
    async def owner_tx(self) -> AsyncIterator[Connection]:
        """A transaction of the role that logged in, which owns the schema: for migrations, checks and clocks.

        Example: `async with database.owner_tx() as tx: await tx.execute("analyze dure.job")`.
        """
        async with self._transaction(_BEGIN) as connection:
            yield connection

    async def connect(self, part: str, *, role: str | None = None) -> Connection:
        """Answer a connection outside the pool, in autocommit mode, which the caller closes.

        With `role` the whole session is that role's, from its first message on; not to be had behind a
        pooler.
        Example: `connection = await database.connect("listener", role=SYSTEM_ROLE)`.
        """
        try:
            return await AsyncConnection.connect(self.url, **self._parameters(part, role))
        except psycopg.OperationalError as error:
            raise Unavailable(reason=str(error)) from error

    def describe(self) -> dict[str, object]:
        """Answer where the database is, without a secret.

        Example: `log.info("started", **database.describe())`.
        """
        known = conninfo_to_dict(self.url)
        return {name: known[name] for name in ("host", "port", "dbname", "user") if known.get(name)}

    def stats(self) -> dict[str, int]:
        """Answer the pool's figures, for metrics. Example: `database.stats()["pool_size"]`."""
        return {} if self._pool is None else self._pool.get_stats()

    @asynccontextmanager
    async def _transaction(self, begin: sql.SQL | sql.Composed) -> AsyncIterator[Connection]:
        connection, pool = await self._begin(begin)
        try:
            yield connection
            _require_open(connection)
            await connection.commit()
        except BaseException as error:
            # Shielded: a second cancellation must not leave the connection behind, neither borrowed nor free.
            await asyncio.shield(self._abandon(pool, connection))
            if isinstance(error, psycopg.Error) and (known := self._explain(error, connection)) is not None:
                raise known from error
            raise
        await pool.putconn(connection)

    async def _begin(self, begin: sql.SQL | sql.Composed) -> tuple[Connection, "AsyncConnectionPool[Connection]"]:
        """Borrow a connection and begin on it; a dead one is replaced, since nothing was done yet."""
        statement = sql.Composed([begin, _UTC]) if self.pooler else begin
        deadline = time.monotonic() + BORROW_TIMEOUT_S
        while True:
            connection, pool = await self._borrow(deadline - time.monotonic())
            try:
                # One message, one round trip. Several statements cannot be prepared, so it must not even be
                # tried.
                with patience(connection, self._patience_s(connection)):
                    await connection.execute(statement, prepare=False)
            except BaseException as error:
                await asyncio.shield(self._abandon(pool, connection))
                if not isinstance(error, psycopg.OperationalError) or not connection.closed:
                    raise
                self._failures += 1
                if time.monotonic() >= deadline:
                    raise Unavailable(reason=str(error)) from error
            else:
                await self._remember(connection)
                return connection, pool

    async def _borrow(self, timeout_s: float) -> tuple[Connection, "AsyncConnectionPool[Connection]"]:
        pool = self._pool
        if pool is None:
            raise Unavailable(reason="the pool is not open")
        try:
            return await pool.getconn(max(timeout_s, 0.001)), pool
        except PoolClosed as error:
            raise Unavailable(reason="the pool was closed") from error
        except (PoolTimeout, TooManyRequests) as error:
            raise Unavailable(reason=f"no connection within {BORROW_TIMEOUT_S:g} s") from error

    def _abandon(self, pool: "AsyncConnectionPool[Connection]", connection: Connection) -> asyncio.Task[None]:
        task = asyncio.create_task(_roll_back(pool, connection))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)
        return task

    def _explain(self, error: psycopg.Error, connection: Connection) -> Exception | None:
        if connection.closed and isinstance(error, psycopg.OperationalError):
            self._failures += 1
            return Unavailable(reason=str(error))
        return from_database(error)

    def _patience_s(self, connection: Connection) -> float:
        # BEGIN is the check. The pool's own would wait a second, then two, then four between connections.
        alive = self._seen_failures.get(connection) == self._failures
        return BEGIN_TIMEOUT_S if alive else CHECK_TIMEOUT_S

    def _is_suspect(self, connection: Connection) -> bool:
        """Answer whether a connection may be dead: others died since, or the server said something unasked, as it does
        when it goes.
        """
        if self._seen_failures.get(connection) != self._failures:
            return True
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
        return bool(readable)

    async def _remember(self, connection: Connection) -> None:
        self._seen_failures[connection] = self._failures

    def _parameters(self, part: str, role: str | None = None) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            **SOCKET,
            "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": f"dure/{part}",
            "autocommit": True,
            "prepare_threshold": None if self.pooler else PREPARE_AFTER,
        }
        if not self.pooler:
            given = conninfo_to_dict(self.url).get("options")
            words = [str(given) if given else "", SESSION, f"-c role={role}" if role else ""]
            parameters["options"] = " ".join(word for word in words if word)
        return parameters


@contextmanager
def patience(connection: Connection, timeout_s: float) -> Iterator[None]:
    """Cut the connection when the block takes longer; whoever waits on it then gets an `OperationalError`.

    Cancelling the task would not do: psycopg then asks the server to stop and waits for its answer, which
    never comes where the other side is gone.
    Example: `with patience(connection, 5): await connection.execute("select 1")`.
    """
    timer = asyncio.get_running_loop().call_later(timeout_s, cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def cut(connection: Connection) -> None:
    """Break the connection's socket from this side, without a word to a server that may be gone.

    Example: `cut(connection)`; the task that waits on it gets an `OperationalError`, and then closes it.
    """
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _require_open(connection: Connection) -> None:
    """Refuse to end a transaction that is not ours to commit any more.

    COMMIT after a swallowed error is answered with ROLLBACK and no error, which would look like a success;
    and after the caller's own commit, whatever followed ran as the role that logged in.
    """
    status = connection.pgconn.transaction_status
    if status == TransactionStatus.INERROR:
        raise psycopg.errors.InFailedSqlTransaction("a statement failed and its error was swallowed: rolled back")
    if status == TransactionStatus.IDLE:
        raise psycopg.ProgrammingError("the transaction was ended inside its own block")


async def _row_of(cursor: psycopg.AsyncCursor[TupleRow]) -> TupleRow | None:
    """Answer the last row that a message of several statements brought."""
    row: TupleRow | None = None
    while True:
        if cursor.description is not None:
            row = await cursor.fetchone()
        if not cursor.nextset():
            return row


async def _roll_back(pool: "AsyncConnectionPool[Connection]", connection: Connection) -> None:
    try:
        with patience(connection, END_TIMEOUT_S):
            await connection.rollback()
    except psycopg.Error:
        # The connection is lost, or still busy with a cancelled statement: the server rolls back, the pool
        # replaces it.
        await connection.close()
    await pool.putconn(connection)
