"""Agents that wait for work: told at once when something comes that they may do.

What is put in line says what it is anchored to (see `dure.anchors_of`). Of those that wait under that name a few are
woken, not all: each that finds something wakes others in turn, so a thousand tasks wake a thousand, and one a few.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from dure.db.notify import Listener
from dure.db.pool import Database
from dure.settings import Settings

CHANNEL = "dure_task"
WAKE = 2
"""So many are woken for one piece of news."""


class Waiter:
    """One that waits, under several names."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = tuple(names)
        self.woken = asyncio.Event()
        self.by: str | None = None
        """Under which name it was woken."""


class Waiting:
    """All that wait in this process.

    Example: `async with asyncio.timeout(20): with waiting.place(names) as waiter: await waiter.woken.wait()`.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._there: defaultdict[str, dict[Waiter, None]] = defaultdict(dict)
        self._listener = Listener(
            database, lambda _channel, name: self.wake(name), channels=(CHANNEL,), enabled=settings.notify
        )
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; the first that waits starts it, where nobody did."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._listener.start())
        await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """Listen no more; may be called twice. Whoever waits is woken."""
        starting, self._starting = self._starting, None
        if starting is not None:
            await asyncio.wait({starting})
            await self._listener.stop()
        self.wake("")

    @property
    def connected(self) -> bool:
        """Whether news comes in; where it does not, whoever waits must look now and then."""
        return self._listener.connected

    @contextmanager
    def place(self, names: Collection[str]) -> Iterator[Waiter]:
        """Wait under these names until the end of the block."""
        waiter = Waiter(names)
        for name in waiter.names:
            self._there[name][waiter] = None
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def wake(self, name: str, count: int = WAKE) -> None:
        """Wake some that wait under a name, those that have waited longest first; all of them when there is no name,
        as after a connection that was lost.
        """
        if not name:
            for waiter in {waiter: None for line in self._there.values() for waiter in line}:
                waiter.woken.set()
            return
        line = self._there.get(name, {})
        for waiter in list(line)[:count]:
            waiter.by = name
            # Out of all lines: the next news wakes others.
            self._leave(waiter)
            waiter.woken.set()

    def _leave(self, waiter: Waiter) -> None:
        for name in waiter.names:
            line = self._there.get(name)
            if line is not None:
                line.pop(waiter, None)
                if not line:
                    del self._there[name]
