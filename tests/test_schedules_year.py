"""A year of two hundred schedules with tickers that die at random, and thirty days of downtime: each fire, once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

import pytest

from dure.db.pool import Database
from dure.schedule.rows import timing_of
from dure.schedule.ticker import Ticker
from queueing import TENANT, one, rows, settings
from scheduling import planned
from sqlside import Clock

YEAR_BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_ENDS = datetime(2027, 1, 1, tzinfo=UTC)
ZONES = ("Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu")
HOURS = ("02:30", "09:00", "01:30", "18:15")


def rules(n: int) -> dict:
    """Of schedule n: by the week, the day and the month, and two every other hour."""
    at = [HOURS[n % 4]]
    if n % 100 == 0:
        return {"kind": "cron", "expr": "0 */2 * * *"}
    if n % 10 == 1:
        return {"kind": "monthly", "days": [(1, 31, -1, 15)[n // 10 % 4]], "at": at}
    if n % 4:
        return {"kind": "weekly", "days": [("mon", "sun", "fri")[n % 3]], "at": at}
    return {"kind": "daily", "at": at}


async def killed_somewhere(ticker: Ticker, chance: random.Random) -> int:
    """Let a ticker look, and end it after so many turns of the loop as a process that dies would."""
    task = asyncio.create_task(ticker.tick())
    for _ in range(chance.randrange(1, 60)):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return 0


@pytest.mark.timeout(180)
async def test_a_year_of_two_hundred_schedules_with_tickers_killed_at_random(database: Database, clock: Clock) -> None:
    plan = await planned(database, clock)
    clock.to(YEAR_BEGINS)
    for n in range(200):
        await plan.create(
            f"s{n}", rule=rules(n), zone=ZONES[n % len(ZONES)], overlap="allow", catch_up="all", catch_up_max=1000
        )
    schedules = (await plan.schedules.list(TENANT, limit=1000)).items
    chance = random.Random(7)
    kills = made = 0
    while (now := clock.now()) < YEAR_ENDS:
        clock.to(min(YEAR_ENDS, now + timedelta(hours=chance.choice((1, 5, 24, 70, 200)))))
        tickers = [Ticker(database, settings()) for _ in range(2)]
        for _ in range(2):
            made += sum(await asyncio.gather(*(killed_somewhere(ticker, chance) for ticker in tickers)))
            kills += 2
        await asyncio.gather(*(ticker.tick() for ticker in tickers))
    assert kills > 100
    fired: dict[str, list[datetime]] = {schedule.id: [] for schedule in schedules}
    found = await rows(database, "select schedule_id::text, fire_at, outcome, count from dure.fire order by fire_at")
    assert {(outcome, count) for _, _, outcome, count in found} == {("made", 1)}
    for schedule_id, fire_at, *_ in found:
        fired[schedule_id].append(fire_at)
    for schedule in schedules:
        assert fired[schedule.id] == timing_of(schedule).recent(YEAR_BEGINS, YEAR_ENDS, 1_000_000), schedule
    jobs = await one(database, "select count(*) from dure.job")
    assert jobs == len(found) == await one(database, "select count(distinct job_id) from dure.fire")
    assert jobs > 30_000


@pytest.mark.parametrize(
    ("policy", "made"), [("none", 0), ("latest", 200), ("all", 200 * 25)], ids=["none", "latest", "all"]
)
async def test_thirty_days_down_with_two_hundred_minutely_schedules(
    database: Database, clock: Clock, policy: str, made: int
) -> None:
    plan = await planned(database, clock)
    for n in range(200):
        await plan.create(f"s{n}", catch_up=policy, catch_up_max=25, overlap="allow", zone=ZONES[n % len(ZONES)])
    began = monotonic()
    # Forty seconds past the minute: later than what counts as on time.
    assert await plan.tick(after_s=30 * 86_400 + 40) == made
    assert monotonic() - began < 30
    each = 30 * 24 * 60
    missed = await rows(database, "select count(*), min(count), max(count) from dure.fire where outcome = 'missed'")
    assert missed == [(200, each - made // 200, each - made // 200)]
    assert await one(database, "select count(*) from dure.job") == made
    assert await plan.tick(after_s=20) == 200


def test_the_zones_are_there() -> None:
    assert all(ZoneInfo(zone).key == zone for zone in ZONES)
