"""Keeps a worker's promises while its jobs run: the lease renewed, time-outs and cancellations carried out, the dead
swept, the old removed. Every worker does all of it; none leads.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from time import monotonic

from dure import logs
from dure.db.pool import Database
from dure.db.sql import load
from dure.queue.context import Cancelled
from dure.queue.hands import DeadlinePassed, Hands, Reason, Slot
from dure.queue.hotline import Hotline
from dure.queue.model import Claimed
from dure.queue.runners import Runner, overdue
from dure.settings import Settings

RENEW = load("dure.queue", "renew")
SWEEP = load("dure.queue", "sweep")
PRUNE = load("dure.queue", "prune")
CANCELLATIONS = load("dure.queue", "cancellations")

RENEWALS = 3
"""A lease is renewed so many times within its length."""
SWEEP_APART_S = 0.05
WATCH_EVERY_S = 0.05
FORCE_AFTER_S = 5.0
"""A handler that was asked to stop has so long to do it; then its job ends without it."""
PRUNE_EVERY_S = 600.0
PRUNE_STEP = 2_000
PRUNE_PAUSE_S = 0.1
FIRST_ID = "00000000-0000-0000-0000-000000000000"
DAY_S = 86_400.0


class Keeper:
    """The housekeeping of one worker. Example: made and started by `Worker`."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        hands: Hands,
        runners: Iterable[Runner],
        on_lost: Callable[[], None],
    ) -> None:
        self._database = database
        # A connection of its own: while handlers have borrowed all of the pool's, the lease must still be renewed.
        self._line = Hotline(database, "lease")
        self._settings = settings
        self._hands = hands
        self._runners = tuple(runners)
        self._on_lost = on_lost
        self._tasks: list[asyncio.Task[None]] = []
        self._asked = asyncio.Event()
        self._jitter = random.SystemRandom()
        self._log = logs.get("keeper")
        self._renewed_at = 0.0
        self._sweep_in_s = 0.0
        self.worker_id = 0

    async def start(self, worker_id: int) -> None:
        """Begin to keep this worker's lease and jobs."""
        self.renewed(worker_id)
        if not self._tasks:
            work = {
                "lease": self._repeat(self._until_renewal, self._renew),
                "sweep": self._repeat(self._until_sweep, self._sweep),
                "cancel": self._repeat(self._until_asked, self._cancel),
                "prune": self._repeat(self._until_prune, self._prune),
                "watch": self._repeat(self._until_watch, self._watch),
            }
            self._tasks = [asyncio.create_task(step, name=f"dure.{name}") for name, step in work.items()]

    async def stop(self) -> None:
        """End; may be called twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._line.close()

    def renewed(self, worker_id: int) -> None:
        """Note that this worker has its lease, now."""
        self.worker_id = worker_id
        self._renewed_at = monotonic()

    @property
    def alive(self) -> bool:
        """Whether everything is being kept, and the lease was renewed within its time."""
        fresh = monotonic() - self._renewed_at < self._settings.lease_s
        return fresh and bool(self._tasks) and not any(task.done() for task in self._tasks)

    def look_for_cancellations(self) -> None:
        """A notification came: some job was asked to stop."""
        self._asked.set()

    async def _repeat(
        self,
        until_due: Callable[[], Coroutine[None, None, None]],
        step: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        """Do a step whenever it is due; one that fails is said and soon done again, because the next may not.

        Whatever the reason: a keeper that has ended keeps nothing, and nobody would see it.
        """
        while True:
            await until_due()
            while True:
                try:
                    await step()
                    break
                except Exception as error:
                    reason = str(error) or type(error).__name__
                    self._log.warning("keeper.late", step=step.__name__.strip("_"), reason=reason)
                    await asyncio.sleep(min(1.0, self._settings.lease_s / 10))

    async def _until_renewal(self) -> None:
        await asyncio.sleep(self._settings.lease_s / RENEWALS)

    async def _renew(self) -> None:
        running = sum(runner.held() for runner in self._runners)
        worker_id = self.worker_id
        began = monotonic()
        rows = await self._line.run(RENEW, {"worker": worker_id, "running": running})
        if worker_id != self.worker_id:
            return
        if rows:
            self._renewed_at = began
        else:
            self._log.error("lease.lost", worker_id=worker_id)
            self._on_lost()

    async def _until_sweep(self) -> None:
        # Just after the next lease runs out, and now and then. A little apart, so that not all look at one time.
        most_s = self._settings.lease_s / RENEWALS
        soon_s = max(self._sweep_in_s, most_s / 10) + SWEEP_APART_S * self._jitter.random()
        await asyncio.sleep(min(soon_s, most_s * (0.75 + 0.5 * self._jitter.random())))

    async def _sweep(self) -> None:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(SWEEP)).fetchone()
        assert row is not None
        swept, next_s = row
        self._sweep_in_s = self._settings.lease_s if next_s is None else next_s
        if swept:
            self._log.warning("lease.swept", jobs=swept)

    async def _until_asked(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_s):
                await self._asked.wait()
        self._asked.clear()

    async def _cancel(self) -> None:
        if not any(runner.held() for runner in self._runners):
            return
        asked: dict[str, str] = dict(await self._line.run(CANCELLATIONS, {"worker": self.worker_id}))
        for runner in self._runners:
            for slot in list(runner.slots):
                job = slot.job
                if job is not None and slot.reason is None and (reason := asked.pop(job.id, None)) is not None:
                    interrupt(slot, "cancel", reason)
        for job in self._pull(asked):
            self._hands.end("cancel", job, Cancelled(asked[job.id]))

    def _pull(self, ids: Collection[str]) -> list[Claimed]:
        """Take jobs out of the lines of those that have not started."""
        pulled: list[Claimed] = []
        for runner in self._runners if ids else ():
            waiting = runner.take_back()
            pulled += [job for job, _ in waiting if job.id in ids]
            if stay := [(job, loaded) for job, loaded in waiting if job.id not in ids]:
                runner.feed(stay)
        return pulled

    async def _until_prune(self) -> None:
        await asyncio.sleep(PRUNE_EVERY_S * (0.5 + self._jitter.random()))

    async def _prune(self) -> None:
        after: str | None = FIRST_ID
        values = {
            "keep_s": self._settings.retention_days * DAY_S,
            "keep_trouble_s": self._settings.retention_failed_days * DAY_S,
            "most": PRUNE_STEP,
        }
        while after is not None:
            async with self._database.system_tx() as tx:
                row = await (await tx.execute(PRUNE, {**values, "after": after})).fetchone()
            after = row[0] if row else None
            await asyncio.sleep(PRUNE_PAUSE_S)

    async def _until_watch(self) -> None:
        await asyncio.sleep(WATCH_EVERY_S)

    async def _watch(self) -> None:
        """Interrupt what has used up its time, and give up what does not end when interrupted."""
        now = monotonic()
        for runner in self._runners:
            for slot in list(runner.slots):
                if overdue(slot):
                    interrupt(slot, "deadline" if self._by_deadline(slot) else "timeout", "out of time")
                elif slot.interrupted_at is not None and now - slot.interrupted_at > FORCE_AFTER_S:
                    self._give_up(runner, slot, now)
        late = [job_id for job_id, at in self._hands.deadlines.items() if at <= now]
        for job in self._pull(late):
            self._hands.deadlines.pop(job.id, None)
            self._hands.end("deadline", job, DeadlinePassed())

    def _by_deadline(self, slot: Slot) -> bool:
        job = slot.job
        if job is None or job.deadline_in_s is None:
            return False
        loaded = self._hands.registry.loaded(job.handler)
        ends = loaded is None or loaded.spec.deadline == "end"
        return ends and job.deadline_in_s <= (job.timeout_s or float("inf"))

    def _give_up(self, runner: Runner, slot: Slot, now: float) -> None:
        job, reason = slot.job, slot.reason
        if job is None:
            return
        slot.interrupted_at = now
        self._log.warning("job.does_not_stop", job_id=job.id, handler=job.handler, reason=reason)
        if runner.abandon(slot):
            self._hands.end(reason, job, TimeoutError("the handler did not stop when it was asked to"))


def interrupt(slot: Slot, reason: Reason, text: str) -> None:
    """Tell the handler in a slot to stop; cooperative first. What it does then is read in the light of `reason`."""
    slot.reason = reason
    slot.interrupted_at = monotonic()
    if slot.context is not None:
        slot.context.cancel_reason = text
    slot.interrupt(slot)
