"""Chancy.

Settings, after its documentation on executors and queues:
* the queue called default (a worker declares one with processes otherwise) with the asyncio executor, which
  it recommends for many small asynchronous jobs; of concurrencies from 100 to 2,000 the last drained fastest;
* `eager_polling`, so that a completed job makes the worker look again at once, and polling every second;
* `send_outgoing_interval` 0.1 s: completions are sent in batches of that interval (its default is a second);
* notifications on, its default; psycopg's C implementation, on uvloop;
* enqueueing in bulk with `push_many`, 1,000 jobs a batch, its default.

A million waiting jobs are copied by SQL from one that it pushed itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

from chancy import Chancy, Queue, job
from chancy.worker import Worker as ChancyWorker
from common import Peer, Worker, copies_sql, main

CONCURRENCY = 2_000
OUTGOING_INTERVAL_S = 0.1


@job(queue="default")
async def noop(*, i: int) -> None:
    Worker.current.mark()


@job(queue="default")
async def stamp(*, t: float) -> None:
    Worker.current.arrived({"t": t})


class ChancyPeer(Peer):
    name = "Chancy"
    package = "chancy"
    remaining_sql = "SELECT count(*) FROM chancy_jobs WHERE state IN ('pending', 'running', 'retrying')"
    settings: ClassVar[dict[str, Any]] = {
        "executor": "asyncio",
        "concurrency": CONCURRENCY,
        "eager_polling": True,
        "send_outgoing_interval": OUTGOING_INTERVAL_S,
        "uvloop": True,
        "bulk chunk": 1_000,
    }

    async def setup(self) -> None:
        await self.open()
        await self.chancy.migrate()
        queue = Queue(
            "default",
            concurrency=CONCURRENCY,
            executor=Chancy.Executor.Async,
            eager_polling=True,
            polling_interval=1,
        )
        await self.chancy.declare(queue, upsert=True)

    async def open(self) -> None:
        logger = logging.getLogger("chancy.bench")
        logger.setLevel(logging.ERROR)
        self.chancy = Chancy(self.url, log=logger)
        await self.chancy.__aenter__()

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.chancy.push(noop.job.with_kwargs(i=i))

    async def enqueue_bulk(self, n: int) -> None:
        async for _ in self.chancy.push_many([noop.job.with_kwargs(i=i) for i in range(n)]):
            pass

    async def fill(self, n: int) -> None:
        if n <= 100_000:
            return await self.enqueue_bulk(n)
        await self.enqueue_one(1)
        await self._copy(n - 1, "'kwargs', jsonb_build_object('i', g)")

    async def fill_done(self, n: int) -> None:
        await self.enqueue_one(1)
        await self._copy(n, "'state', 'succeeded', 'attempts', 1, 'completed_at', now()")
        async with self.chancy.pool.connection() as connection:
            await connection.execute("DELETE FROM chancy_jobs WHERE state = 'pending'")

    async def _copy(self, n: int, columns: str) -> None:
        overlay = f"jsonb_build_object('id', gen_random_uuid(), {columns})"
        async with self.chancy.pool.connection() as connection:
            await connection.execute(copies_sql("chancy_jobs", overlay, n, "state = 'pending'"))

    async def send(self, payload: dict[str, Any]) -> None:
        await self.chancy.push(stamp.job.with_kwargs(**payload))

    async def work(self, worker: Worker) -> None:
        await self.open()
        engine = ChancyWorker(self.chancy, register_signal_handlers=False)
        engine.send_outgoing_interval = OUTGOING_INTERVAL_S
        worker.wait_for_go()
        await engine.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    main(ChancyPeer)
