"""From a worker's start to the end of its first job, by how many intents it knows. `python -m bench.intents`.

Everything happens in a database of its own in an embedded server. A job waits before the worker is started, as a
process of its own.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.intents.policies import Policies, Policy
from dure.settings import Settings

TENANT = "bench"
KNOW = "insert into dure.handler (handler, queue) values ('bench.get.k0', 'intents') on conflict do nothing"
ASK = (
    "insert into public.job_executions (tenant_id, intent_key, intent_params)"
    " values ('bench', 'bench.get.k0', '{\"n\": 1}')"
)
OPEN = "select count(*) from dure.job where state in ('pending', 'processing')"
DONE = "select count(*) from dure.job where state = 'completed'"
STEP_S = 0.002


async def run(database: Database, statement: str) -> int:
    async with database.owner_tx() as tx:
        cursor = await tx.execute(statement.encode())
        row = await cursor.fetchone() if cursor.description else None
    return int(row[0]) if row else 0


async def first_job(database: Database, url: str, count: int) -> float:
    done = await run(database, DONE)
    await run(database, ASK)
    began = perf_counter()
    environment = {
        **os.environ,
        "DURE_DATABASE_URL": url,
        "DURE_IMPORTS": "bench.intent_keys",
        "BENCH_INTENTS": str(count),
    }
    command = [Path(sys.executable).parent / "dure", "worker", "--processes", "1"]
    worker = await asyncio.to_thread(
        subprocess.Popen, command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while await run(database, OPEN):  # noqa: ASYNC110
            await asyncio.sleep(STEP_S)
        took = perf_counter() - began
        assert await run(database, DONE) == done + 1
        return took
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait)


async def main(counts: list[int], rounds: int) -> None:
    with TemporaryDirectory(prefix="dure-bench-") as home:
        lease = await asyncio.to_thread(embedded.acquire, Path(home))
        try:
            settings = Settings(database_url=lease.url)
            async with Database(settings) as database:
                await migrate(database)
                await run(database, KNOW)
                await Policies(database).set(TENANT, Policy("*", allowed=True), actor="bench")
                for count in counts:
                    took = [await first_job(database, lease.url, count) for _ in range(rounds)]
                    print(
                        f"{count:>6} keys  start to first job done: median {median(took):.2f} s, best {min(took):.2f} s"
                    )
        finally:
            await asyncio.to_thread(lease.release)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[10, 72, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    asyncio.run(main(given.keys, given.rounds))
