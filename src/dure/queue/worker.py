"""A worker: claims jobs, has them run, ends them. Its parts, and how they start and stop.

    Claimer ──jobs──► runners (loop, threads, processes) ──ends──► Finisher
       ▲  room                 ▲ interrupts                          │ flushed
       └───────────────────────┼─────────────────────────────────────┘
                            Keeper: lease, time-outs, cancellations, sweeping

All state is the database's: a worker that loses its lease drops what it has and begins anew under another id.
"""

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import Coroutine
from importlib.metadata import version
from time import monotonic
from typing import Any

import psycopg

from dure import logs
from dure.clock import Backoff
from dure.db.notify import Listener
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.queue.claimer import Claimer
from dure.queue.declaring import declare, declare_imported
from dure.queue.finisher import Finisher
from dure.queue.hands import DeadlinePassed, Hands
from dure.queue.isolated import ProcessRunner, mark_started
from dure.queue.keeper import Keeper, interrupt
from dure.queue.model import Claimed
from dure.queue.registry import HandlerImportError, Kind, Loaded, Registry, Spec
from dure.queue.runners import PREFETCH_S, LoopRunner, Runner, ThreadRunner
from dure.queue.scribe import Scribe
from dure.queue.threads import in_thread
from dure.settings import Settings

REGISTER = load("dure.queue", "register")
RETIRE = load("dure.queue", "retire")

CHANNELS = ("dure_ready", "dure_cancel")
UNWRITTEN_MAX = 4_000
"""With so many endings unwritten the database does not keep up: claim no more until it does."""
CLAIM_MAX = 1_000
RELEASE_S = 1.0
"""After the grace time, what is interrupted has so long to notice."""
CLOSE_S = 5.0
RATE_WEIGHT = 0.5
IDLE_CHECK_S = 0.002


class Pace:
    """How fast a runner ends jobs, so that it is given as many as it will soon need and no more."""

    def __init__(self, runner: Runner, places: int) -> None:
        self.runner = runner
        self.places = places
        self._rate = 0.0
        self._seen = 0
        self._at = monotonic()

    def wants(self, prefetch: int) -> int:
        """Answer how many more jobs it should be given now."""
        now = monotonic()
        if now - self._at >= 0.02:
            rate = (self.runner.ended - self._seen) / (now - self._at)
            self._rate += RATE_WEIGHT * (rate - self._rate)
            self._seen, self._at = self.runner.ended, now
        return min(prefetch, max(self.places, int(self._rate * PREFETCH_S))) - self.runner.held()


class Worker:
    """Runs jobs until it is stopped. Example: `worker = Worker(database, registry, settings); await worker.start()`."""

    def __init__(self, database: Database, registry: Registry, settings: Settings, *, name: str | None = None) -> None:
        self._database = database
        self._registry = registry
        self._settings = settings
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.worker_id = 0
        self._log = logs.get("worker")
        self._scribe = Scribe(database)
        self._claimer = Claimer(database, settings, self._room, self._take)
        self._finisher = Finisher(database, self._scribe, lambda _count: self._claimer.wake())
        hands = Hands(database, registry, self._scribe, self._finisher)
        self._paces: dict[Kind, Pace] = {
            "loop": Pace(LoopRunner(hands, settings.concurrency, self._claimer.wake), settings.concurrency),
            "thread": Pace(ThreadRunner(hands, settings.threads, self._claimer.wake), settings.threads),
            "process": Pace(ProcessRunner(hands, settings.threads, self._claimer.wake), settings.threads),
        }
        self._hands = hands
        self._lanes: dict[int, Kind | None] = {}
        runners = [pace.runner for pace in self._paces.values()]
        self._keeper = Keeper(database, settings, hands, runners, self._lost)
        self._listener = Listener(database, self._heard, channels=CHANNELS, enabled=settings.notify)
        self._claimer.can_listen = lambda: self._listener.connected
        self._tasks: set[asyncio.Task[None]] = set()
        self._limbo: dict[str, Claimed] = {}
        """Claimed, but waiting for an import or for a record of its start before a runner may have it."""
        self._importing: set[str] = set()
        self._anew: asyncio.Task[None] | None = None
        self._stopping = asyncio.Lock()
        self._patience_until = float("inf")
        self._state = "new"

    async def start(self) -> None:
        """Declare the handlers, take a lease and begin to claim; returns when all of that is done."""
        if self._state != "new":
            return
        self._state = "running"
        try:
            await declare(self._database, self._registry, self._settings)
            await self._listener.start()
            await self._scribe.start()
            await self._finisher.start()
            self.worker_id = await self._register()
            await self._keeper.start(self.worker_id)
            await self._claimer.start(self.worker_id)
        except BaseException:
            await self.stop(0)
            raise
        self._log.info("worker.started", worker_id=self.worker_id, handlers=len(self._registry.names()))

    async def stop(self, grace_s: float | None = None) -> None:
        """Claim no more, let what runs finish for so long, hand the rest back; may be called twice."""
        until = monotonic() + (self._settings.grace_s if grace_s is None else grace_s)
        # Whoever has less patience than the one before shortens the stop that is under way.
        self._patience_until = min(self._patience_until, until)
        async with self._stopping:
            if self._state == "running":
                await self._stop()

    async def _stop(self) -> None:
        self._state = "stopping"
        await self._claimer.stop()
        self._hand_back()
        await self._ended()
        self._interrupt_all("release")
        self._patience_until = monotonic() + RELEASE_S
        await self._ended()
        await self._keeper.stop()
        await self._close()
        self._state = "stopped"
        self._log.info("worker.stopped", worker_id=self.worker_id, finished=self._finisher.finished)

    async def wait_idle(self) -> None:
        """Return when all that is due now has ended and is written, and nothing more was found."""
        await self._settled()
        claimed = -1
        while claimed != self._claimer.claimed:
            # What ended may have made room under a limit, or asked for jobs that only a look everywhere finds.
            claimed = self._claimer.claimed
            self._claimer.look_everywhere()
            await self._settled()

    async def _settled(self) -> None:
        """Return when no job is held, nothing is to be written, and the last look found nothing."""
        while self._held() or self._finisher.waiting or not self._claimer.idle:  # noqa: ASYNC110
            await asyncio.sleep(IDLE_CHECK_S)

    async def _ended(self) -> None:
        """Return when no job is held any more, or patience is at its end."""
        while self._held() and monotonic() < self._patience_until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def health(self) -> dict[str, Any]:
        """Answer what this worker is doing, for `/healthz` and the logs.

        `ok` only while it claims, writes endings and keeps its lease: none of its parts has died, and the database was
        heard of within one lease time.
        """
        alive = self._claimer.alive and self._finisher.alive and self._keeper.alive and self._anew is None
        return {
            "ok": self._state == "running" and alive,
            "worker_id": self.worker_id,
            "state": self._state,
            "held": self._held(),
            "unwritten": self._finisher.waiting,
            "finished": self._finisher.finished,
            "refused": self._finisher.refused,
            "listening": self._listener.connected,
        }

    async def _close(self) -> None:
        """What still runs is left: the claim is given back, and what it does later is refused."""
        until = asyncio.get_running_loop().time() + CLOSE_S
        for stop in (self._finisher.stop, self._scribe.stop, self._retire):
            try:
                async with asyncio.timeout_at(until):
                    await stop()
            except (TimeoutError, DureError, psycopg.Error) as error:
                # The database is away: the lease runs out by itself.
                self._log.warning("worker.not_retired", reason=str(error) or type(error).__name__)
        for pace in self._paces.values():
            await pace.runner.stop()
        await self._listener.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=RELEASE_S)

    async def _retire(self) -> None:
        if not self.worker_id:
            return
        async with self._database.system_tx() as tx:
            await tx.execute(RETIRE, {"worker": self.worker_id})

    async def _register(self) -> int:
        settings = self._settings
        values = {
            "name": self.name, "host": socket.gethostname(), "pid": os.getpid(), "queues": list(settings.queues),
            "version": version("dure"), "lease_s": settings.lease_s,
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(REGISTER, values)).fetchone()
        assert row is not None
        return int(row[0])

    def _room(self) -> tuple[int, list[int]]:
        """Answer how many jobs are wanted, and which lanes have no room (or no handler) here."""
        if self._finisher.waiting > UNWRITTEN_MAX:
            return 0, []
        wants = {kind: pace.wants(self._settings.prefetch) for kind, pace in self._paces.items()}
        full = {kind for kind, want in wants.items() if want <= 0}
        shunned = [lane for lane, kind in self._lanes.items() if kind is None or kind in full]
        # A small claim costs as much as a large one: while much is running, wait until there is room for a good part.
        most = max(wants.values())
        loop = self._paces["loop"]
        if most < loop.places // 4 and loop.runner.held() > loop.places:
            return 0, []
        return min(most, CLAIM_MAX), shunned

    def _take(self, jobs: list[Claimed]) -> None:
        """Give claimed jobs to their runners."""
        self._finisher.opened(jobs[0].claim_id, len(jobs))
        self._give(jobs)

    def _give(self, jobs: list[Claimed]) -> None:
        parts: dict[Kind, list[tuple[Claimed, Loaded]]] = defaultdict(list)
        loaded_of = self._registry.loaded
        for job in jobs:
            loaded = loaded_of(job.handler)
            if loaded is None or job.crash_count or job.deadline_in_s is not None:
                kind = self._take_with_care(job, loaded)
                if kind is None or loaded is None:
                    continue
            else:
                kind = loaded.kind
            self._lanes[job.lane_id] = loaded.kind
            parts[kind].append((job, loaded))
        for kind, part in parts.items():
            self._paces[kind].runner.feed(part)

    def _take_with_care(self, job: Claimed, loaded: Loaded | None) -> Kind | None:
        """Take a job whose handler was not used yet, one that has a deadline, or a suspect; answer who runs it now."""
        if job.deadline_in_s is not None:
            if job.deadline_in_s <= 0:
                self._hands.end("deadline", job, DeadlinePassed())
                return None
            self._hands.deadlines[job.id] = monotonic() + job.deadline_in_s
        if loaded is None:
            # No more of this lane until the handler is here: another worker may have it.
            self._lanes[job.lane_id] = None
            if not self._registry.knows(job.handler):
                # Known to the database, not to this worker: back into line, for a worker that has the code.
                self._finisher.settled(job, "released")
                return None
            self._limbo[job.id] = job
            if job.handler not in self._importing:
                self._importing.add(job.handler)
                self._spawn(self._import(job.handler))
            return None
        if job.crash_count and loaded.spec.target is None:
            # No other process can run it, so at least its start is on record if it takes this one with it.
            self._limbo[job.id] = job
            self._spawn(self._start_on_record(job, loaded))
            return None
        return "process" if job.crash_count else loaded.kind

    async def _import(self, handler: str) -> None:
        """Import a handler, beside the loop because that may take long, and give on the jobs that wait for it."""
        loaded, failure = None, None
        try:
            loaded = await in_thread(self._registry.find, handler, name="import")
        except HandlerImportError as error:
            failure = error
        self._importing.discard(handler)
        waiting = [job for job in self._limbo.values() if job.handler == handler]
        for job in waiting:
            del self._limbo[job.id]
            if failure is not None:
                # To be claimed again, because each of its jobs is to say why it failed.
                self._lanes.pop(job.lane_id, None)
                self._hands.end(None, job, failure)
        if loaded is not None:
            self._spawn(self._declare(loaded.spec))
        if loaded is not None and waiting:
            self._give([job._replace(deadline_in_s=self._left_s(job)) for job in waiting])
        self._claimer.wake()

    async def _declare(self, spec: Spec) -> None:
        try:
            await declare_imported(self._database, spec)
        except (DureError, psycopg.Error) as error:
            self._log.warning("handler.not_declared", handler=spec.name, reason=str(error))

    def _left_s(self, job: Claimed) -> float | None:
        at = self._hands.deadlines.pop(job.id, None)
        return None if at is None else at - monotonic()

    async def _start_on_record(self, job: Claimed, loaded: Loaded) -> None:
        held = False
        try:
            held = await mark_started(self._hands, job)
        except (DureError, psycopg.Error) as error:
            self._log.warning("worker.not_recorded", job_id=job.id, reason=str(error))
            if self._limbo.get(job.id) == job:
                self._finisher.settled(job, "released")
        if self._limbo.get(job.id) == job:
            del self._limbo[job.id]
            if held:
                self._paces[loaded.kind].runner.feed([(job, loaded)])

    def _hand_back(self) -> None:
        for pace in self._paces.values():
            for job, _ in pace.runner.take_back():
                self._finisher.settled(job, "released")
        while self._limbo:
            self._finisher.settled(self._limbo.popitem()[1], "released")

    def _interrupt_all(self, reason: Any) -> None:
        for pace in self._paces.values():
            for slot in list(pace.runner.slots):
                if slot.job is not None:
                    interrupt(slot, reason, "the worker stops")

    def _held(self) -> int:
        return len(self._limbo) + sum(pace.runner.held() for pace in self._paces.values())

    def _heard(self, channel: str, payload: str) -> None:
        if channel == "dure_cancel":
            if payload in ("", str(self.worker_id)):
                self._keeper.look_for_cancellations()
        else:
            self._claimer.hint()

    def _lost(self) -> None:
        """The lease is gone, and with it every job here: drop them all and begin anew."""
        for pace in self._paces.values():
            pace.runner.take_back()
        self._limbo.clear()
        self._hands.deadlines.clear()
        self._interrupt_all("lease")
        self._finisher.forget()
        if self._state == "running" and self._anew is None:
            self._anew = self._spawn(self._begin_anew())

    async def _begin_anew(self) -> None:
        backoff = Backoff(first_s=0.1, max_s=5.0)
        try:
            while self._state == "running":
                try:
                    worker_id = await self._register()
                except (DureError, psycopg.Error) as error:
                    self._log.warning("worker.not_anew", reason=str(error))
                    await asyncio.sleep(backoff.next_s())
                    continue
                # Also when it is being stopped by now: then this is the number that it retires under.
                self.worker_id = worker_id
                if self._state != "running":
                    return
                self._keeper.renewed(worker_id)
                await self._claimer.start(worker_id)
                self._log.info("worker.anew", worker_id=worker_id)
                return
        finally:
            self._anew = None

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
