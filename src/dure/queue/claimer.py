"""Takes jobs from the database for the runners: how many, from which lanes, and when to look again.

A worker that finds nothing says in its row that it sleeps, looks once more (for what came before that could be seen),
and waits for a notification, for the next time that something is due, or for its next poll, whichever comes first.
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg

from dure import faults, logs
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.queue.hotline import Hotline
from dure.queue.model import Claimed
from dure.settings import Settings

CLAIM = load("dure.queue", "claim")
CLAIM_LIMITED = load("dure.queue", "claim_limited")
CLAIMED = load("dure.queue", "claimed")
PROMOTE = load("dure.queue", "promote")
LISTENING = load("dure.queue", "listening")

WALK_EVERY_S = 0.25
WALK_SHARE = 10
"""A walk over all lanes may take a tenth of the time: after a slow one the next waits that many times as long."""
BUSY_S = 1.0
STOP_S = 3.0
LIMITED_MAX = 200
LIMITED_PAUSE_S = 0.25

Room = Callable[[], tuple[int, list[int]]]
"""Asks the runners how many jobs they want, and which lanes are not to be touched now."""


class Claimer:
    """Claims for one worker and hands over what it got. Example: made and started by `Worker`."""

    def __init__(
        self, database: Database, settings: Settings, room: Room, on_jobs: Callable[[list[Claimed]], None]
    ) -> None:
        self._line = Hotline(database, "claim", durable=False)
        self._settings = settings
        self._room = room
        self._on_jobs = on_jobs
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._jitter = random.SystemRandom()
        self._log = logs.get("claimer")
        self.worker_id = 0
        self.can_listen: Callable[[], bool] = lambda: False
        self._listening = False
        self.idle = False
        """Whether a look that began after all that could have brought work found nothing."""
        self.claimed = 0
        """Jobs claimed since this was made."""
        self._tenant = ""
        self._jobs_per_bundle = 1.0
        self._marks: dict[int, tuple[int, str]] = {}
        self._walk_at = 0.0
        self._promote_at = 0.0
        self._limited_at: float | None = 0.0
        self._busy_since: float | None = None

    async def start(self, worker_id: int) -> None:
        """Begin to claim for this worker."""
        self.worker_id = worker_id
        self._listening = False
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.claimer")

    async def stop(self) -> None:
        """Claim no more; may be called twice. A claim that is under way is waited for, so that none is left unseen."""
        task, self._task = self._task, None
        if task is not None:
            self._woken.set()
            # Not for ever: the database may be away. What a claim took that was cut off here, goes back as its worker
            # retires, or when its lease runs out.
            if not (await asyncio.wait([task], timeout=STOP_S))[0]:
                task.cancel()
                await asyncio.wait([task])
        await self._line.close()

    @property
    def alive(self) -> bool:
        """Whether jobs are being claimed."""
        return self._task is not None and not self._task.done()

    def wake(self) -> None:
        """Look now: something may be ready, or there is room again."""
        # Here and not when the look begins: between the two it would still say that nothing is left.
        self.idle = False
        self._woken.set()

    def hint(self) -> None:
        """Look now, everywhere: a notification came."""
        self._promote_at = self._walk_at = 0.0
        if self._limited_at is None:
            self._limited_at = 0.0
        self.wake()

    def look_everywhere(self) -> None:
        """Look now, also among jobs under limits where nothing was to be had a moment ago."""
        self._limited_at = 0.0
        self.hint()

    async def _run(self) -> None:
        while self._task is not None:
            self._woken.clear()
            self.idle = False
            try:
                got, wanted = await self._round()
                if self._task is None:
                    return
                await self._rest(got, wanted)
            except (DureError, psycopg.Error) as error:
                # Not the connection, which is waited for: something is wrong with the database, and may be mended.
                self._log.warning("claim.failed", reason=str(error))
                self._woken.clear()
                await self._wait(self._settings.poll_s)

    async def _round(self) -> tuple[int, int]:
        """Claim what there is room for; answer how much came and how much was wanted."""
        wanted, shunned = self._room()
        got = 0
        if wanted > 0:
            got = await self._claim(wanted, shunned)
            faults.hit("after_claim")
        if await self._promote() and wanted > got:
            got += await self._claim(wanted - got, shunned)
        if wanted > got and self._limited_at is not None and self._limited_at <= monotonic():
            got += await self._claim_limited(min(wanted - got, LIMITED_MAX), shunned)
        return got, wanted

    async def _rest(self, got: int, wanted: int) -> None:
        """Wait for a reason to look again."""
        now = monotonic()
        if got:
            self._busy_since = self._busy_since or now
            if self._listening and got >= wanted and now - self._busy_since > BUSY_S:
                await self._listen(False)
        else:
            self._busy_since = None
        if wanted <= 0:
            await self._wait(self._settings.poll_s)
        elif not got:
            if not self._listening and self.can_listen():
                # What came before the flag could be seen woke nobody: look again before sleeping.
                await self._listen(True)
                return
            poll_s = self._settings.poll_s * (0.75 + 0.5 * self._jitter.random())
            # Woken meanwhile: what this look found was perhaps not all.
            self.idle = not self._woken.is_set()
            due = [at for at in (self._promote_at, self._limited_at) if at is not None]
            await self._wait(min(poll_s, max(0.0, min(due, default=now + poll_s) - now)))

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _claim(self, wanted: int, shunned: list[int]) -> int:
        began = monotonic()
        walk = not self._marks or began >= self._walk_at
        rows = await self._line.persist(CLAIM, self._values(wanted, shunned, walk))
        if walk:
            ended = monotonic()
            self._walk_at = ended + max(WALK_EVERY_S, WALK_SHARE * (ended - began))
            self._marks.clear()
        elif not rows:
            # Nothing behind the marks: what came in before them, or in other lanes, is found by a walk.
            self._walk_at = 0.0
        if (rows and rows[0][0] is None) or (not rows and not walk):
            return await self._claim(wanted, shunned)
        return self._take([Claimed._make(row) for row in rows])

    def _take(self, jobs: list[Claimed]) -> int:
        if not jobs:
            return 0
        jobs.sort(key=_by_rank)
        last = {job.lane_id: (job.rank, job.bundle) for job in jobs}
        for lane_id, mark in last.items():
            self._marks[lane_id] = max(mark, self._marks.get(lane_id, mark))
        self._jobs_per_bundle = len(jobs) / len({(job.lane_id, job.bundle) for job in jobs})
        self._tenant = jobs[-1].tenant_id
        return self._hand_over(jobs)

    def _hand_over(self, jobs: list[Claimed]) -> int:
        self.claimed += len(jobs)
        self._on_jobs(jobs)
        return len(jobs)

    async def _claim_limited(self, wanted: int, shunned: list[int]) -> int:
        values = {"worker": self.worker_id, "queues": list(self._settings.queues), "shunned": shunned, "most": wanted}
        claim_id = (await self._line.persist(CLAIM_LIMITED, values))[0][0]
        if claim_id is None:
            # Nothing to be had that is due: paused, not for this worker, or another worker is at it right now.
            self._limited_at = monotonic() + LIMITED_PAUSE_S
            return 0
        rows = await self._line.persist(CLAIMED, {"claim": claim_id})
        return self._hand_over([Claimed._make(row) for row in rows])

    async def _promote(self) -> int:
        """Bring into line what is due, when something is, and at every poll; answer how many jobs that were."""
        now = monotonic()
        if now < self._promote_at and not (self._limited_at is not None and now >= self._limited_at):
            return 0
        moved, later_s, limited_s = (await self._line.persist(PROMOTE, {}))[0]
        if moved:
            # They may stand before the marks.
            self._walk_at = 0.0
        poll_s = self._settings.poll_s
        self._promote_at = now + (poll_s if later_s is None else max(0.0, min(poll_s, later_s)))
        if limited_s is None:
            self._limited_at = None
        elif self._limited_at is None or self._limited_at <= now or limited_s > 0:
            self._limited_at = now + max(0.0, limited_s)
        return int(moved)

    async def _listen(self, listening: bool) -> None:
        await self._line.persist(LISTENING, {"worker": self.worker_id, "listening": listening})
        self._listening = listening

    def _values(self, wanted: int, shunned: list[int], walk: bool) -> dict[str, Any]:
        marks = {} if walk else self._marks
        return {
            "walk": walk,
            "lanes": list(marks),
            "ranks": [rank for rank, _ in marks.values()],
            "ids": "{" + ",".join([bundle for _, bundle in marks.values()]) + "}",
            "queues": list(self._settings.queues),
            "shunned": shunned,
            "tenant": self._tenant,
            "most": wanted,
            "bundles": int(wanted / self._jobs_per_bundle) + 1,
            "worker": self.worker_id,
        }


def _by_rank(job: Claimed) -> tuple[int, str]:
    return job.rank, job.id
