"""Schedules: how long a look takes, and what thirty days of downtime cost. `python -m bench.schedules`.

Everything happens in a database of its own in an embedded server, made and dropped here, on a clock that is moved.
"""

import argparse
import asyncio
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.db.sql import load
from dure.schedule.model import NewSchedule
from dure.schedule.service import Schedules
from dure.schedule.ticker import Ticker
from dure.settings import Settings

TENANT = "bench"
ACTOR = "bench"
DOWN_S = 30 * 86_400 + 40
ROUNDS = 5
ZONES = ("Asia/Seoul", "America/New_York", "Europe/Berlin", "UTC")
ADVANCE = load("dure.db", "advance_clock")
KNOW = "insert into dure.handler (handler) values ('bench.work') on conflict do nothing"
END = "select dure.end_jobs(array_agg(id), 'completed', null, null) from dure.job where state = 'pending'"


async def advance(database: Database, seconds: float) -> None:
    async with database.owner_tx() as tx:
        await tx.execute(ADVANCE, [seconds])


async def run(database: Database, statement: str) -> None:
    async with database.owner_tx() as tx:
        await tx.execute(statement.encode())


async def measure(database: Database, settings: Settings, count: int, policy: str) -> None:
    schedules, ticker = Schedules(database, settings), Ticker(database, settings)
    await run(database, "truncate dure.schedule, dure.fire cascade")
    rule = {"kind": "cron", "expr": "* * * * *"}
    for n in range(count):
        wanted = NewSchedule(
            name=f"s{n}", rule=rule, zone=ZONES[n % len(ZONES)], handler="bench.work", overlap="allow", catch_up=policy
        )
        await schedules.create(TENANT, wanted, actor=ACTOR)
    looks = []
    for _ in range(ROUNDS):
        await advance(database, 60)
        began = perf_counter()
        made = await ticker.tick()
        looks.append(perf_counter() - began)
        assert made == count, made
        await run(database, END)
    await advance(database, DOWN_S)
    began = perf_counter()
    made = await ticker.tick()
    down_s = perf_counter() - began
    idle = perf_counter()
    await ticker.tick()
    print(
        f"{count:>6} minutely schedules, catch_up {policy:<6}  a look at all of them {median(looks) * 1000:7.1f} ms"
        f"  after 30 days {down_s:6.2f} s, {made:,} jobs made  an idle look {(perf_counter() - idle) * 1000:.1f} ms"
    )


async def main(counts: list[int]) -> None:
    with TemporaryDirectory(prefix="dure-bench-") as home:
        lease = await asyncio.to_thread(embedded.acquire, Path(home))
        try:
            settings = Settings(database_url=lease.url)
            async with Database(settings) as database:
                await migrate(database)
                await run(database, KNOW)
                await run(database, "update dure.clock set fake_now = date_trunc('minute', clock_timestamp())")
                for count in counts:
                    for policy in ("none", "latest", "all"):
                        await measure(database, settings, count, policy)
        finally:
            await asyncio.to_thread(lease.release)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, nargs="*", default=[200, 2_000])
    asyncio.run(main(parser.parse_args().schedules))
