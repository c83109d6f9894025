"""Lets schedules fire. Every worker does it; none leads, and nothing is held in memory.

The life of a fire, in one transaction for a hundred schedules at a time:

    schedules_due     rows whose next_fire_at has come, held; those in another worker's hands are passed by
    turn              what becomes of each due fire: made, skipped, waiting, missed (pure)
    make_jobs         the jobs of those that are made
    write_fires       a row for each fire, or for a range of them; its key refuses to do one twice
    advance           the next fire, and which jobs are open

A schedule that cannot fire as it stands (its rule is broken, its handler is unknown) is taken out with the reason, and
the others of its batch are done without it.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dure import logs
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.schedule.backfills import go_on
from dure.schedule.calendars import calendar_from
from dure.schedule.due import Busy, Turn, turn
from dure.schedule.model import Schedule
from dure.schedule.rows import (
    AWAY,
    Step,
    advance,
    job_of,
    make_jobs,
    read_schedules,
    record,
    timing_of,
    why_not,
    write_fires,
)
from dure.schedule.windows import close_those_over
from dure.settings import Settings

BATCH = 100
POLL_S = 1.0
"""A schedule that is new, and a fire or backfill that waits, is seen after so long at most."""
SOONEST_S = 0.005
PRUNE_EVERY_S = 600.0
PRUNE_STEP = 5_000
DAY_S = 86_400.0
ACTOR = "ticker"

Look = Callable[[Connection, int, str | None], Awaitable[tuple[int, int]]]
"""Does at most so many schedules, or one by its id; answers how many it found, and how many jobs they made."""

_DUE = load("dure.schedule", "schedules_due")
_THERE = load("dure.schedule", "fires_there")
_WAITING = load("dure.schedule", "schedules_waiting")
_FIRE_MADE = load("dure.schedule", "fire_made")
_DISABLE = load("dure.schedule", "schedule_disable")
_NEXT = load("dure.schedule", "next_due")
_PRUNE = [load("dure.schedule", name) for name in ("fires_prune", "windows_prune", "schedules_prune")]


class Ticker:
    """Lets the schedules of a database fire. Example: `ticker = Ticker(database, settings); await ticker.start()`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._task: asyncio.Task[None] | None = None
        self._log = logs.get("schedule")
        self._jitter = random.SystemRandom()
        self._prune_at = 0.0

    async def start(self) -> None:
        """Begin to look for what is due."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.ticker")

    async def stop(self) -> None:
        """End; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    @property
    def alive(self) -> bool:
        """Whether it looks."""
        return self._task is not None and not self._task.done()

    async def tick(self) -> int:
        """Do all that is due now; answer how many jobs that made. For tests, and the loop of `start`."""
        made = await self._all(self._fire) + await self._all(self._let_waiting)
        made += await go_on(self._database)
        await close_those_over(self._database)
        return made

    async def _run(self) -> None:
        while True:
            wait_s = POLL_S
            try:
                await self.tick()
                await self._prune_now_and_then()
                wait_s = await self._until_next()
            except Exception as error:
                # Whatever it was: a ticker that has ended fires nothing, and nobody would see it.
                reason = str(error) or type(error).__name__
                self._log.warning("ticker.late", reason=reason, error_class=type(error).__name__)
            await asyncio.sleep(wait_s)

    async def _until_next(self) -> float:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_NEXT)).fetchone()
        soon_s = POLL_S if row is None or row[0] is None else float(row[0])
        # Not quite at one time with the other workers.
        return min(max(soon_s, 0.0), POLL_S) + SOONEST_S * (1 + self._jitter.random())

    async def _all(self, step: Look) -> int:
        """Do a step until it finds less than a batch; when one schedule of a batch is at fault, one by one."""
        made = 0
        while True:
            try:
                async with self._database.system_tx() as tx:
                    found, count = await step(tx, BATCH, None)
            except AWAY:
                raise
            except Exception:
                found, count = await self._one_by_one(step)
            made += count
            if found < BATCH:
                return made

    async def _one_by_one(self, step: Look) -> tuple[int, int]:
        async with self._database.system_tx() as tx:
            statement = _DUE if step == self._fire else _WAITING
            rows = await (await tx.execute(statement, {"id": None, "limit": BATCH})).fetchall()
        made = 0
        for row in rows:
            try:
                async with self._database.system_tx() as tx:
                    made += (await step(tx, 1, row[0]))[1]
            except AWAY:
                raise
            except Exception as error:
                await self._disable(row[0], error)
        return len(rows), made

    async def _fire(self, tx: Connection, limit: int, schedule_id: str | None) -> tuple[int, int]:
        """Do one batch of due schedules; answer how many there were, and how many jobs they made."""
        rows = await (await tx.execute(_DUE, {"id": schedule_id, "limit": limit})).fetchall()
        if not rows:
            return 0, 0
        schedules = {one.id: one for one in await read_schedules(tx, ids=[row[0] for row in rows])}
        turns = await _without_those_there(tx, [(schedules[row[0]], _turn(schedules[row[0]], row)) for row in rows])
        made = [(one, entry.fire_at) for one, what in turns for entry in what.entries if entry.outcome == "made"]
        ids = await make_jobs(tx, [(schedule, job_of(schedule, fire_at)) for schedule, fire_at in made])
        jobs = {(schedule.id, fire_at): job_id for (schedule, fire_at), job_id in zip(made, ids, strict=True)}
        entries = [(one, entry, jobs.get((one.id, entry.fire_at))) for one, what in turns for entry in what.entries]
        await write_fires(tx, entries)
        await advance(tx, [_step(schedule, what, jobs) for schedule, what in turns])
        return len(rows), len(ids)

    async def _let_waiting(self, tx: Connection, limit: int, schedule_id: str | None) -> tuple[int, int]:
        """Let fires that waited for the job before them make theirs: the oldest of each schedule."""
        rows = await (await tx.execute(_WAITING, {"id": schedule_id, "limit": limit})).fetchall()
        if not rows:
            return 0, 0
        schedules = {one.id: one for one in await read_schedules(tx, ids=[row[0] for row in rows])}
        wanted = [(schedules[row[0]], row[1]) for row in rows]
        ids = await make_jobs(tx, [(schedule, job_of(schedule, fire_at)) for schedule, fire_at in wanted])
        for (schedule, fire_at), job_id in zip(wanted, ids, strict=True):
            await tx.execute(_FIRE_MADE, {"id": schedule.id, "fire_at": fire_at, "job_id": job_id})
        steps = [
            Step(schedule.id, schedule.next_fire_at, fire_at, (job_id,))
            for (schedule, fire_at), job_id in zip(wanted, ids, strict=True)
        ]
        await advance(tx, steps)
        return len(rows), len(ids)

    async def _disable(self, schedule_id: str, error: Exception) -> None:
        reason = why_not(error)
        async with self._database.system_tx() as tx:
            values = {"id": schedule_id, "reason": json.dumps(reason, ensure_ascii=False)}
            row = await (await tx.execute(_DISABLE, values)).fetchone()
            if row is not None:
                await record(tx, row[0], ACTOR, "schedule.disable", f"schedule:{schedule_id}", reason=reason)
        self._log.error("schedule.disabled", schedule_id=schedule_id, reason=str(error))

    async def _prune_now_and_then(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._prune_at:
            return
        self._prune_at = now_s + PRUNE_EVERY_S * (0.5 + self._jitter.random())
        await self.prune()

    async def prune(self) -> None:
        """Remove old fires, and windows and schedules that were closed or deleted long ago."""
        values = {"keep_s": self._settings.retention_failed_days * DAY_S, "most": PRUNE_STEP}
        for statement in _PRUNE:
            more = True
            while more:
                async with self._database.system_tx() as tx:
                    row = await (await tx.execute(statement, values)).fetchone()
                more = bool(row and row[0])


async def _without_those_there(tx: Connection, turns: list[tuple[Schedule, Turn]]) -> list[tuple[Schedule, Turn]]:
    """Leave out fires that have their row: somebody has set next_fire_at back by hand, and nothing is done twice."""
    fires = [(schedule.id, entry.fire_at) for schedule, what in turns for entry in what.entries]
    values = {"schedules": [one for one, _ in fires], "fires": [at for _, at in fires]}
    there = {(row[0], row[1]) for row in await (await tx.execute(_THERE, values)).fetchall()}
    if not there:
        return turns
    return [
        (one, replace(what, entries=tuple(entry for entry in what.entries if (one.id, entry.fire_at) not in there)))
        for one, what in turns
    ]


def _turn(schedule: Schedule, row: Sequence[Any]) -> Turn:
    _, _, now, is_busy, waiting, entries = row
    calendar = None if entries is None else calendar_from(entries)
    return turn(schedule, timing_of(schedule), calendar, now, Busy(is_busy, waiting))


def _step(schedule: Schedule, what: Turn, jobs: dict[tuple[str, datetime], str]) -> Step:
    made = [entry.fire_at for entry in what.entries if entry.outcome == "made"]
    return Step(schedule.id, what.next_fire_at, made[-1] if made else None, tuple(jobs[schedule.id, at] for at in made))
