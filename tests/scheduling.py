"""Schedules in tests: a database whose clock the test moves, and a ticker that looks when it is told to."""

from datetime import datetime
from typing import Any

from dure.db.pool import Database
from dure.queue.registry import handler
from dure.schedule.backfills import Backfills
from dure.schedule.holidays import Calendars
from dure.schedule.model import Fire, NewSchedule, Schedule
from dure.schedule.service import Schedules
from dure.schedule.ticker import Ticker
from dure.schedule.windows import Windows
from queueing import TENANT, known, rows, settings
from sqlside import Clock

ACTOR = "kim"
NOON = "2026-03-02 12:00:00+00"


@handler("t.work")
async def work(params: dict[str, Any]) -> dict[str, Any]:
    """Answers its parameters."""
    return {"params": params}


class Plan:
    """The services of schedules over one database, and its clock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.schedules = Schedules(database, settings())
        self.calendars = Calendars(database)
        self.backfills = Backfills(database)
        self.windows = Windows(database, settings())
        self.ticker = Ticker(database, settings())

    async def create(self, name: str = "one", **given: Any) -> Schedule:
        given.setdefault("rule", {"kind": "cron", "expr": "* * * * *"})
        given.setdefault("handler", "t.work")
        return await self.schedules.create(TENANT, NewSchedule(name=name, **given), actor=ACTOR)

    async def tick(self, *, to: datetime | str | None = None, after_s: float | None = None) -> int:
        """Move the clock and look once."""
        if to is not None:
            self.clock.to(to)
        if after_s is not None:
            self.clock.advance(after_s)
        return await self.ticker.tick()

    async def fires(self, name: str = "one") -> list[Fire]:
        """All that a schedule fired, oldest first."""
        return list(reversed((await self.schedules.history(TENANT, name, limit=1000)).items))

    async def outcomes(self, name: str = "one") -> list[tuple[str, str, int]]:
        """The same in short: when, what, how many."""
        return [(f"{fire.fire_at:%H:%M}", fire.outcome, fire.count) for fire in await self.fires(name)]

    async def end_jobs(self, state: str = "completed") -> None:
        """End every open job, as workers would, in their order."""
        await rows(
            self.database,
            "select dure.end_jobs(array_agg(id), %s, null, null) from dure.job"
            " where state in ('pending', 'processing')",
            [state],
        )

    async def params(self) -> list[Any]:
        """The parameters of all jobs, in the order in which they were made."""
        return [row[0] for row in await rows(self.database, "select params from dure.job order by id")]


async def planned(database: Database, clock: Clock) -> Plan:
    """A database that knows the handler `t.work`, its clock at noon."""
    await known(database, [work])
    clock.to(NOON)
    return Plan(database, clock)
