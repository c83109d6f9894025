"""Dure itself, from this checkout.

Settings: its defaults (100 lanes, up to 1,000 jobs prefetched, fsync for everything but claims), on uvloop; a worker
runs in this process, as the child of `dure worker` does. Enqueueing in bulk with `Client.enqueue_batch`, 5,000 jobs a
call; in all ways every job is checked, has a row of its own that is kept, and is fenced by its claim.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from common import Peer, Worker, copies_sql, main, numbers

from dure import NewJob, Registry, handler
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.queue.worker import Worker as DureWorker
from dure.settings import Settings

CHUNK = 5_000
TENANT = "bench"


@handler("bench.noop")
async def noop(params: dict[str, Any]) -> None:
    Worker.current.mark()


@handler("bench.stamp")
async def stamp(params: dict[str, Any]) -> None:
    Worker.current.arrived(params)


class DurePeer(Peer):
    name = "Dure"
    package = "dure"
    drain_scale = 5
    remaining_sql = (
        "SELECT (SELECT coalesce(sum(cardinality(ids)), 0) FROM dure.ready) + (SELECT count(*) FROM dure.claim)"
    )
    settings: ClassVar[dict[str, Any]] = {"uvloop": True, "bulk chunk": CHUNK}

    def __init__(self) -> None:
        super().__init__()
        self.options = Settings(database_url=self.url or "postgresql:///", log_level="error")
        self.registry = Registry([noop, stamp])

    async def setup(self) -> None:
        async with Database(self.options) as database:
            await migrate(database)
            await declare(database, self.registry)

    async def open(self) -> None:
        self.database = Database(self.options)
        await self.database.start()
        self.client = Client(self.database, self.options)

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.client.enqueue(TENANT, NewJob(handler="bench.noop", params={"i": i}))

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            await self.client.enqueue_batch(TENANT, "bench.noop", [{"i": i} for i in part])

    async def enqueue_copy(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            await self.client.copy(TENANT, "bench.noop", [{"i": i} for i in part])

    async def fill(self, n: int) -> None:
        await self.enqueue_copy(n)

    async def fill_done(self, n: int) -> None:
        await self.client.enqueue(TENANT, NewJob(handler="bench.noop", params={"i": 0}))
        overlay = "jsonb_build_object('id', dure.uuid7(), 'state', 'completed', 'attempt', 1, 'finished_at', now())"
        async with self.database.owner_tx() as tx:
            await tx.execute(copies_sql("dure.job", overlay, n).encode())
            await tx.execute("DELETE FROM dure.ready")
            await tx.execute("DELETE FROM dure.job WHERE state = 'pending'")

    async def send(self, payload: dict[str, Any]) -> None:
        await self.client.enqueue(TENANT, NewJob(handler="bench.stamp", params=payload))

    async def work(self, worker: Worker) -> None:
        database = Database(self.options)
        await database.start()
        engine = DureWorker(database, self.registry, self.options)
        worker.wait_for_go()
        await engine.start()
        await asyncio.Event().wait()

    async def startup(self, handlers: int) -> None:
        registry = Registry(entries={f"bench.h{i}": f"bench.handlers:h{i}" for i in range(handlers)})
        database = Database(self.options)
        await database.start()
        await DureWorker(database, registry, self.options).start()


if __name__ == "__main__":
    main(DurePeer)
