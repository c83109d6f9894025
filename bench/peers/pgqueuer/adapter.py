"""PgQueuer.

Settings, after its performance-tuning guide and its own benchmark tool:
* asyncpg, which the guide measures 1.7 times as fast as psycopg, one direct connection a worker, on uvloop;
* `batch_size` 250, by which completions are buffered too: the guide says to raise it for short jobs; of 50,
  100, 250, 500 and 1,000 it and 100 drained fastest;
* its recommended autovacuum settings (`pgq autovac`) and the durable default (all tables logged);
* enqueueing in lists of 5,000, as its benchmark tool enqueues lists.

A finished job's row is deleted; a line in its log table stays.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, ClassVar

import asyncpg
from common import Peer, Worker, main, numbers
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

BATCH_SIZE = 250
CHUNK = 5_000


class PgQueuerPeer(Peer):
    name = "PgQueuer"
    package = "pgqueuer"
    keeps_rows = False
    drain_scale = 5
    remaining_sql = "SELECT count(*) FROM pgqueuer"
    settings: ClassVar[dict[str, Any]] = {
        "batch_size": BATCH_SIZE,
        "driver": "asyncpg",
        "uvloop": True,
        "bulk chunk": CHUNK,
        "autovac": True,
    }

    async def setup(self) -> None:
        await self.open()
        await self.queries.install()
        await self.queries.optimize_autovacuum()

    async def open(self) -> None:
        self.queries = Queries(AsyncpgDriver(await asyncpg.connect(self.url)))

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.queries.enqueue("noop", b'{"i": %d}' % i)

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            await self.queries.enqueue(["noop"] * len(part), [b'{"i": %d}' % i for i in part], [0] * len(part))

    async def send(self, payload: dict[str, Any]) -> None:
        await self.queries.enqueue("stamp", json.dumps(payload).encode())

    async def work(self, worker: Worker) -> None:
        engine = PgQueuer(AsyncpgDriver(await asyncpg.connect(self.url)))

        @engine.entrypoint("noop")
        async def noop(job: Job) -> None:
            worker.mark()

        @engine.entrypoint("stamp")
        async def stamp(job: Job) -> None:
            worker.arrived(json.loads(job.payload or b""))

        await asyncio.sleep(0)
        worker.wait_for_go()
        await engine.run(batch_size=BATCH_SIZE, dequeue_timeout=timedelta(seconds=30))


if __name__ == "__main__":
    main(PgQueuerPeer)
