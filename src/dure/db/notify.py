"""Hears that something is ready, so that a worker need not wait for its next poll. Only ever a hint.

A notification can be lost: while the connection is away, when nobody listened yet, behind a pooler. So
whoever relies on it polls as well, and after each reconnection the callback is called once as if something
had come.

A socket can be half open: the other side is gone, and nothing ever says so. TCP's keepalives notice after
25 s at best, and not at all where a proxy keeps answering them, so every 15 s the listener asks the server
itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from dure import logs
from dure.clock import Backoff
from dure.db.pool import Connection, Database, cut, patience
from dure.errors import Unavailable

CHANNEL = "dure_ready"
LIVENESS_S = 15.0
LIVENESS_TIMEOUT_S = 5.0

OnWake = Callable[[str, str], None]
"""Called with the channel and its payload; after a reconnection, with each channel and an empty payload."""


class Listener:
    """One connection that listens and comes back by itself.

    Example: `listener = Listener(database, lambda channel, payload: woken.set())`.
    """

    def __init__(
        self,
        database: Database,
        on_wake: OnWake,
        *,
        channels: Sequence[str] = (CHANNEL,),
        enabled: bool = True,
        liveness_s: float = LIVENESS_S,
        liveness_timeout_s: float = LIVENESS_TIMEOUT_S,
        backoff: Backoff | None = None,
    ) -> None:
        self._database = database
        self._on_wake = on_wake
        self._channels = tuple(channels)
        self._enabled = enabled and not database.pooler
        self._liveness_s = liveness_s
        self._liveness_timeout_s = liveness_timeout_s
        self._backoff = backoff or Backoff(first_s=0.05, max_s=10.0)
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._stopping = False
        self._log = logs.get("listener")
        self.connected = False
        """Whether hints arrive now; without them a worker polls."""

    async def start(self) -> None:
        """Listen; returns when the server has confirmed it. Raises `Unavailable` when it cannot."""
        if not self._enabled or self._task is not None:
            return
        self._stopping = False
        self._connection = await self._connect()
        self._task = asyncio.create_task(self._run(), name="dure.listener")

    async def stop(self) -> None:
        """Stop listening; may be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        if self._connection is not None:
            # Not by cancelling: psycopg would first ask the server's leave, which may never answer.
            cut(self._connection)
        else:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while True:
            try:
                if self._connection is None:
                    self._connection = await self._reconnect()
                await self._listen(self._connection)
            except (psycopg.Error, OSError) as error:
                if self._stopping:
                    return
                self._log.warning("listener.lost", reason=str(error) or type(error).__name__)
            finally:
                self.connected = False
                if self._connection is not None:
                    await _close(self._connection)
                self._connection = None

    async def _connect(self) -> Connection:
        connection = await self._database.connect("listener")
        try:
            for channel in self._channels:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        except BaseException:
            await _close(connection)
            raise
        self.connected = True
        return connection

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(self._backoff.next_s())
            try:
                connection = await self._connect()
            except (Unavailable, psycopg.Error, OSError) as error:
                self._log.info("listener.still_lost", reason=str(error))
                continue
            self._backoff.reset()
            self._log.info("listener.back")
            for channel in self._channels:
                self._wake(channel, "")
            return connection

    async def _listen(self, connection: Connection) -> None:
        """Pass on what comes, and ask for a sign of life whenever nothing came for a while."""
        while True:
            async for notice in connection.notifies(timeout=self._liveness_s):
                self._wake(notice.channel, notice.payload)
            with patience(connection, self._liveness_timeout_s):
                await connection.execute("select 1")

    def _wake(self, channel: str, payload: str) -> None:
        try:
            self._on_wake(channel, payload)
        except Exception:
            # A hint that cannot be passed on must not cost those that follow.
            self._log.exception("listener.callback_failed", channel=channel)


async def _close(connection: Connection) -> None:
    with suppress(psycopg.Error, OSError):
        await connection.close()
