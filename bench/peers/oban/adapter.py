"""Oban for Python (the free one; Oban Pro's bulk inserts and acknowledgements are not public).

Settings, after its documentation on queues and its reference of `Oban`:
* a queue limit of 1,000: as many jobs are fetched, and acknowledged in one transaction, as there is room
  for; of 20 to 1,000 that drained fastest;
* its default PostgreSQL notifier, debounce and stager; uvloop, which its own command line uses;
* enqueueing in bulk with `enqueue_many`, 1,000 jobs a call (one transaction, a statement a job).

A million waiting jobs are copied by SQL from one that it enqueued itself.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import oban
from common import Peer, Worker, copies_sql, main, numbers
from oban import Oban
from oban.schema import install

LIMIT = 1_000
CHUNK = 1_000


@oban.worker(queue="bench")
class Noop:
    async def process(self, job: oban.Job) -> None:
        Worker.current.mark()


@oban.worker(queue="bench")
class Stamp:
    async def process(self, job: oban.Job) -> None:
        Worker.current.arrived(job.args)


class ObanPeer(Peer):
    name = "Oban for Python"
    package = "oban"
    remaining_sql = "SELECT count(*) FROM oban_jobs WHERE state IN ('available', 'executing')"
    settings: ClassVar[dict[str, Any]] = {"limit": LIMIT, "uvloop": True, "bulk chunk": CHUNK}

    async def setup(self) -> None:
        await install(await Oban.create_pool(self.url))

    async def open(self) -> None:
        self.pool = await Oban.create_pool(self.url)
        self.oban = Oban(pool=self.pool)

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.oban.enqueue(Noop.new({"i": i}))

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            await self.oban.enqueue_many([Noop.new({"i": i}) for i in part])

    async def fill(self, n: int) -> None:
        if n <= 100_000:
            return await self.enqueue_bulk(n)
        await self.oban.enqueue(Noop.new({"i": 0}))
        await self._copy(n - 1, "'args', jsonb_build_object('i', g)")

    async def fill_done(self, n: int) -> None:
        await self.oban.enqueue(Noop.new({"i": 0}))
        await self._copy(n, "'state', 'completed', 'attempt', 1, 'completed_at', now()")
        async with self.pool.connection() as connection:
            await connection.execute("DELETE FROM oban_jobs WHERE state = 'available'")

    async def _copy(self, n: int, columns: str) -> None:
        overlay = f"jsonb_build_object('id', nextval(pg_get_serial_sequence('oban_jobs', 'id')), {columns})"
        async with self.pool.connection() as connection:
            await connection.execute(copies_sql("oban_jobs", overlay, n, "state = 'available'"))

    async def send(self, payload: dict[str, Any]) -> None:
        await self.oban.enqueue(Stamp.new(payload))

    async def work(self, worker: Worker) -> None:
        pool = await Oban.create_pool(self.url)
        engine = Oban(pool=pool, queues={"bench": LIMIT})
        worker.wait_for_go()
        await engine.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    main(ObanPeer)
