"""Handlers in processes of their own, one job at a time each: work that must be killable, and work that may kill.

Two kinds of job come here: those of handlers declared with `isolate="process"`, and suspects, whose worker died once
while it held them. The start of a suspect is recorded before it starts, so if this worker dies too it is known which
job was running; and if only the child dies, the crash is counted for the one job that it had in hand.

The child reads jobs and writes messages as lines of JSON over a socket of its own, so that a handler may print.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dure import logs
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import LeaseLost
from dure.queue.context import Cancelled, Context
from dure.queue.hands import Hands, Slot
from dure.queue.model import Claimed
from dure.queue.registry import Loaded
from dure.queue.retry import Verdict

MARK_STARTED = load("dure.queue", "mark_started")
LINE_BYTES_MAX = 128 * 1024 * 1024
END_S = 2.0
CHILD_MODULE = "dure.queue.isolated_child"


@dataclass(slots=True)
class Child:
    """A process that runs handlers, and the socket to it."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_new: bool = True
    has_begun: bool = False
    """Whether it has the job that it was given last in hand; what kills it before that is not that job."""

    @property
    def fit(self) -> bool:
        """Whether another job may be given to it."""
        return self.process.returncode is None and not self.reader.at_eof() and not self.writer.is_closing()

    def send(self, message: dict[str, Any]) -> None:
        """Tell it something."""
        self.writer.write(json.dumps(message).encode() + b"\n")

    def kill(self) -> None:
        """Kill it and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def end(self) -> str:
        """Wait for its death and say how it died."""
        self.writer.close()
        try:
            async with asyncio.timeout(END_S):
                code = await self.process.wait()
        except TimeoutError:
            # It closed its socket and lives.
            self.kill()
            code = await self.process.wait()
        # What it started may still be there.
        self.kill()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


class ProcessRunner:
    """Runs handlers in child processes, which are kept for the next job."""

    def __init__(self, hands: Hands, children_max: int, on_room: Callable[[], None]) -> None:
        self._hands = hands
        self._children_max = children_max
        self._on_room = on_room
        self._line: deque[tuple[Claimed, Loaded]] = deque()
        self._spare: list[Child] = []
        self._closing = False
        self._log = logs.get("isolated")
        self.slots: list[Slot] = []
        self.ended = 0

    def feed(self, jobs: list[tuple[Claimed, Loaded]]) -> None:
        """Take jobs to run."""
        self._line.extend(jobs)
        for _ in range(min(self._children_max, self.held()) - len(self.slots)):
            slot = Slot(lambda slot: None)
            slot.task = asyncio.create_task(self._lane(slot), name="dure.isolated")
            self.slots.append(slot)

    def held(self) -> int:
        """How many jobs are here, running or in line."""
        return len(self._line) + sum(slot.job is not None for slot in self.slots)

    def take_back(self) -> list[tuple[Claimed, Loaded]]:
        """Give up the jobs that have not started."""
        jobs = list(self._line)
        self._line.clear()
        return jobs

    def abandon(self, slot: Slot) -> bool:
        """Kill the process, which was only asked to stop; its lane sees it die, tells the job's end and goes on."""
        slot.kill()
        return False

    async def stop(self) -> None:
        """Kill all children."""
        self._closing = True
        tasks = [slot.task for slot in self.slots if slot.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        while self._spare:
            child = self._spare.pop()
            child.kill()
            await child.end()

    async def _lane(self, slot: Slot) -> None:
        """Run what is in line, then go: lanes of processes are few and short-lived."""
        try:
            while self._line and not self._closing:
                job, loaded = self._line.popleft()
                slot.context = Context(job, self._hands.database, self._hands.scribe)
                slot.take(job, self._hands.timeout_s(job, loaded))
                try:
                    await self._work(slot, job, loaded)
                finally:
                    self.ended += 1
                    slot.leave()
                    self._on_room()
        finally:
            self.slots.remove(slot)

    async def _work(self, slot: Slot, job: Claimed, loaded: Loaded) -> None:
        child: Child | None = None
        try:
            if job.deadline_in_s is not None:
                slot.require_time()
            if job.crash_count and not await mark_started(self._hands, job):
                return
            child = await self._child()
            _attach(slot, child)
            await self._converse(slot, job, loaded, child)
            self._spare.append(child)
            child = None
        except (OSError, EOFError) as error:
            if child is not None and not (child.has_begun or child.is_new or slot.reason):
                # It died in its sleep, and that was not seen yet: no job is to blame.
                await child.end()
                self._line.appendleft((job, loaded))
            else:
                await self._died(slot, job, child, error)
            child = None
        except Exception as error:
            await self._hands.failed(slot.reason, job, slot.context, error)
        finally:
            slot.interrupt = slot.kill = _nothing
            if child is not None:
                # In the middle of something that cannot be gone on with.
                child.kill()
                await asyncio.shield(child.end())

    async def _child(self) -> Child:
        while self._spare:
            child = self._spare.pop()
            if child.fit:
                return child
            # It died while it had nothing to do: no job is to blame.
            child.kill()
            await child.end()
        return await spawn(self._hands.database)

    async def _died(self, slot: Slot, job: Claimed, child: Child | None, error: Exception) -> None:
        if child is None:
            # It never was: the machine is out of something, and another attempt may find it.
            self._hands.end(slot.reason, job, error)
            return
        died = RuntimeError(f"the process of this job {await child.end()}")
        if slot.reason is None and not child.has_begun:
            # It could not even begin: the machine is out of something, or Dure is not to be imported there.
            self._hands.end(None, job, died)
            return
        if slot.reason is None:
            self._log.warning("job.process_died", job_id=job.id, handler=job.handler, how=str(died))
        if slot.reason == "cancel":
            await self._hands.failed("cancel", job, slot.context, died)
        else:
            self._hands.end(slot.reason or "crash", job, died)

    async def _converse(self, slot: Slot, job: Claimed, loaded: Loaded, child: Child) -> None:
        """Send a job and read what the child says about it, up to its end."""
        hands = self._hands
        child.has_begun = False
        child.send({"job": list(job), "target": loaded.spec.target})
        while line := await child.reader.readline():
            said: dict[str, Any] = json.loads(line)
            match said.pop("kind"):
                case "begun":
                    child.is_new, child.has_begun = False, True
                case "progress":
                    hands.scribe.progress(job, said["done"], said["total"], said["note"])
                case "log":
                    hands.scribe.log(job, said["level"], said["message"])
                case "ending":
                    # It is about to commit: what the handler said is there when its job is seen to have ended.
                    await hands.scribe.flush()
                    child.send({"go": True})
                case "completed":
                    hands.finisher.completed(job, said["result"])
                    return
                case "committed":
                    hands.finisher.committed(job, completed=said["completed"])
                    return
                case "waited":
                    hands.finisher.settled(job, "waited")
                    return
                case "failed":
                    await self._failed(slot, job, said)
                    return
        raise EOFError

    async def _failed(self, slot: Slot, job: Claimed, said: dict[str, Any]) -> None:
        reason = slot.reason or said["reason"]
        if said["lease_lost"]:
            await self._hands.failed(None, job, None, LeaseLost(id=job.id))
        elif reason is not None:
            await self._hands.failed(reason, job, slot.context, Cancelled(said["error"]))
        else:
            verdict = Verdict(said["delay_s"], said["error_class"], said["error"])
            self._hands.judged(job, verdict, said["traceback"])


def _attach(slot: Slot, child: Child) -> None:
    """Have interruptions of a slot reach its child: asked to stop when its job is cancelled, killed for all else."""

    def interrupt(slot: Slot) -> None:
        if slot.reason == "cancel":
            child.send({"cancel": slot.context.cancel_reason if slot.context is not None else ""})
        else:
            child.kill()

    slot.interrupt = interrupt
    slot.kill = child.kill
    if slot.reason is not None:
        # It was interrupted before there was a child.
        child.kill()


def _nothing(*_given: object) -> None:
    """There is no child to interrupt."""


async def mark_started(hands: Hands, job: Claimed) -> bool:
    """Record that a suspect is about to start; answer whether it is still this worker's."""
    async with hands.database.system_tx() as tx:
        row = await (await tx.execute(MARK_STARTED, {"claim": job.claim_id, "id": job.id})).fetchone()
    return bool(row and row[0])


async def spawn(database: Database) -> Child:
    """Start a child; it is the leader of a process group, so that what it starts can be killed with it."""
    ours, theirs = socket.socketpair()
    environment = {
        **os.environ,
        "DURE_DATABASE_URL": database.url,
        "DURE_POOLER": "true" if database.pooler else "false",
    }
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", CHILD_MODULE, str(theirs.fileno()),
                pass_fds=[theirs.fileno()], start_new_session=True, stdin=asyncio.subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LINE_BYTES_MAX)
    except BaseException:
        ours.close()
        raise
    child = Child(process, reader, writer)
    # It imports what this process can: the path may have been changed since this one started.
    child.send({"path": sys.path})
    return child
