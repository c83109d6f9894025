"""Worker processes and who looks after them.

A handler may end its process: by a crash of a C library, by the kernel's out-of-memory killer, on purpose.
So each worker is a child process of its own. When one dies, the supervisor says so to the database at once
(`dure.bury`), so that what it held need not wait for the lease to run out, and starts another.

Two things tie a child to its supervisor, because either alone can fail: the kernel's parent-death signal,
and a pipe of which the supervisor holds the only writing end. Children are sessions of their own: the
terminal's Ctrl-C is for the supervisor, which stops them in order.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from dure import logs
from dure.clock import Backoff
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.runtime.environment import environment, python
from dure.runtime.problems import WorkerFailed
from dure.settings import Settings

RESTART_FIRST_S = 0.1
RESTART_MAX_S = 10.0
STEADY_S = 30.0
"""A child that lived so long was all right: its next restart is quick again."""
FLUSH_S = 2.0
"""Beyond the grace time, for what a stopping worker writes last."""
HURRY_S = 5.0
STATUS_LINE_BYTES_MAX = 65_536

BURY = load("dure.runtime", "bury")


class Supervisor:
    """Keeps a number of worker processes alive.

    Example: `supervisor = Supervisor(database, settings, processes=2); await supervisor.start()`.
    """

    def __init__(self, database: Database, settings: Settings, *, processes: int = 1) -> None:
        self._database = database
        self._settings = settings
        self._processes = processes
        self._children: dict[int, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._stopped: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._log = logs.get("supervisor")
        self.deaths = 0
        """How many children died without being asked to."""

    @property
    def worker_ids(self) -> list[int]:
        """The workers that run now."""
        return sorted(child.worker_id for child in self._children.values() if child.worker_id is not None)

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return sorted(child.pid for child in self._children.values())

    async def start(self) -> None:
        """Start the children; returns when all are ready, raises `WorkerFailed` when one cannot be."""
        if self._keepers:
            return
        first = [await Child.spawn(self._settings) for _ in range(self._processes)]
        self._children = dict(enumerate(first))
        self._keepers = [asyncio.create_task(self._keep(slot), name=f"dure.keeper{slot}") for slot in self._children]
        await asyncio.gather(*(child.settled.wait() for child in first))
        failed = next((child for child in first if not child.ready), None)
        if failed is not None:
            await self.stop(0)
            raise WorkerFailed(reason=failed.last_word)

    async def stop(self, grace_s: float | None = None) -> None:
        """Ask all children to finish or hand back, then insist; may be called twice, by several at once."""
        if self._stopped is None:
            self._stopping.set()
            grace_s = self._settings.grace_s if grace_s is None else grace_s
            self._stopped = asyncio.create_task(self._stop(grace_s))
        await asyncio.shield(self._stopped)

    def hurry(self) -> None:
        """Cut the grace time short: running jobs are cancelled and handed back."""
        self._hurry.set()

    def health(self) -> dict[str, Any]:
        """Answer what runs. Example: `supervisor.health()["alive"]`."""
        return {
            "processes": self._processes,
            "alive": sum(child.ready for child in self._children.values()),
            "worker_ids": self.worker_ids,
            "deaths": self.deaths,
        }

    async def _keep(self, slot: int) -> None:
        """Look after one child and its successors until everything stops."""
        backoff = Backoff(first_s=RESTART_FIRST_S, max_s=RESTART_MAX_S)
        while True:
            child = self._children[slot]
            await child.ended()
            if self._stopping.is_set():
                return
            self.deaths += 1
            self._log.warning(
                "worker.died",
                pid=child.pid,
                worker_id=child.worker_id,
                by=child.cause,
                reason=child.last_word,
            )
            await self._bury(child.worker_ids)
            if child.age_s >= STEADY_S:
                backoff.reset()
            if await _happens(self._stopping, backoff.next_s()):
                return
            self._children[slot] = await Child.spawn(self._settings)

    async def _bury(self, worker_ids: Iterable[int]) -> None:
        """Give back at once what they held. When the database is away their leases run out instead."""
        wanted = list(worker_ids)
        if not wanted:
            return
        try:
            async with self._database.system_tx() as tx:
                await tx.execute(BURY, {"workers": wanted})
        except DureError as error:
            self._log.warning("worker.not_buried", worker_ids=wanted, reason=str(error))

    async def _stop(self, grace_s: float) -> None:
        running = list(self._children.values())
        for how, patience_s in ((signal.SIGTERM, grace_s + FLUSH_S), (signal.SIGINT, HURRY_S)):
            for child in running:
                child.send(how)
            ended = asyncio.create_task(_all_ended(running))
            impatient = asyncio.create_task(_happens(self._hurry, patience_s))
            await asyncio.wait({ended, impatient}, return_when=asyncio.FIRST_COMPLETED)
            impatient.cancel()
            if ended.done():
                break
            ended.cancel()
            self._hurry.clear()
        killed = [child for child in running if child.alive]
        for child in killed:
            child.send(signal.SIGKILL)
        await asyncio.gather(*(child.ended() for child in running), *self._keepers)
        for child in killed:
            self._log.warning("worker.killed", pid=child.pid, worker_id=child.worker_id)
            await self._bury(child.worker_ids)
        self._children.clear()


class Child:
    """One worker process: what it said, and how it ended."""

    def __init__(self, process: asyncio.subprocess.Process, life: int, status: asyncio.StreamReader) -> None:
        self._process = process
        self._life = life
        self._born_s = time.monotonic()
        self._listening = asyncio.create_task(self._listen(status))
        self._ended = asyncio.create_task(self._wait())
        self.worker_ids: list[int] = []
        self.ready = False
        self.settled = asyncio.Event()
        """Set when the child is ready, and when it ended without having been."""
        self.last_word = ""

    @classmethod
    async def spawn(cls, settings: Settings) -> "Child":
        """Start a process; it says by itself when it is ready."""
        life_read, life_write = os.pipe()
        status_read, status_write = os.pipe()
        reader = asyncio.StreamReader(limit=STATUS_LINE_BYTES_MAX)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(status_read, "rb", 0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *python("dure.runtime.child", str(life_read), str(status_write), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                # What handlers print must not get between the lines of our own output.
                stdout=sys.stderr.fileno(),
                env=environment(settings),
                pass_fds=(life_read, status_write),
                start_new_session=True,
            )
        except BaseException:
            os.close(life_write)
            raise
        finally:
            os.close(life_read)
            os.close(status_write)
        return cls(process, life_write, reader)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def worker_id(self) -> int | None:
        """The worker that it is now, once it has said so."""
        return self.worker_ids[-1] if self.worker_ids else None

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return not self._ended.done()

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._born_s

    @property
    def cause(self) -> str:
        """The signal that ended it, or its exit code. Example: `"SIGKILL"`."""
        code = self._process.returncode
        if code is None or code >= 0:
            return f"exit {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"

    def send(self, how: signal.Signals) -> None:
        """Signal the process, when it is still there."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.send_signal(how)

    async def ended(self) -> None:
        """Return when the process has ended; may be awaited by several."""
        await asyncio.shield(self._ended)

    async def _wait(self) -> None:
        await self._process.wait()
        os.close(self._life)
        # A process that a handler forked may still hold the pipe: its end may never come.
        await asyncio.wait({self._listening}, timeout=0.2)
        self._listening.cancel()
        self.last_word = self.last_word or self.cause
        self.settled.set()

    async def _listen(self, status: asyncio.StreamReader) -> None:
        async for line in status:
            match json.loads(line):
                case {"worker_id": int(worker_id)}:
                    self.worker_ids.append(worker_id)
                case {"ready": True}:
                    self.ready = True
                    self.settled.set()
                case {"error": {"message": str(message)}}:
                    self.last_word = message


async def _all_ended(children: Iterable[Child]) -> bool:
    for child in children:
        await child.ended()
    return True


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    """Answer whether the event is set, now or within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
    return event.is_set()
