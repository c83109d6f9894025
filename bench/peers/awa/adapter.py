"""Awa (its Python package; the engine is Rust, handlers run on asyncio).

Settings, after its benchmarking notes for a hot queue of no-op jobs:
* `max_workers` 1,024, which also selects four completion shards, and `claim_batch_size` 512 with one claimer;
* its default storage ("queue storage": append-only rings), which a fresh database's first worker chooses;
* enqueueing in bulk by `insert_many_copy` and by COPY with `enqueue_many_copy`, 1,000 and 5,000 jobs a call.

Its migrations come with the package, which the setup runs; `awa-cli` is the same code as a program.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import awa
from common import Peer, Worker, main, numbers

QUEUE = "bench"
MAX_WORKERS = 1_024
CLAIM_BATCH = 512
BULK_CHUNK = 1_000
COPY_CHUNK = 5_000


@dataclass
class Noop:
    i: int


@dataclass
class Stamp:
    t: float


class AwaPeer(Peer):
    name = "Awa"
    package = "awa-pg"
    drain_scale = 2
    remaining_sql = "SELECT count(*) FROM awa.jobs WHERE state IN ('available', 'running')"
    finished_sql = "SELECT count(*) FROM awa.terminal_jobs"
    settings: ClassVar[dict[str, Any]] = {
        "max_workers": MAX_WORKERS,
        "claim_batch_size": CLAIM_BATCH,
        "bulk chunk": BULK_CHUNK,
        "COPY chunk": COPY_CHUNK,
        "uvloop": True,
    }

    async def setup(self) -> None:
        """Migrate, then let a worker come and go: the first one settles which storage is used."""
        await self.open()
        await self.client.migrate()

        @self.client.task(Noop, queue=QUEUE)
        async def noop(job: awa.Job) -> None:
            pass

        await self.client.start([(QUEUE, 1)])
        await asyncio.sleep(0.5)
        await self.client.shutdown()

    async def open(self) -> None:
        self.client = awa.AsyncClient(self.url)

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.client.insert(Noop(i), queue=QUEUE)

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, BULK_CHUNK):
            await self.client.insert_many_copy([Noop(i) for i in part], queue=QUEUE)

    async def enqueue_copy(self, n: int) -> None:
        for part in numbers(n, COPY_CHUNK):
            await self.client.enqueue_many_copy([Noop(i) for i in part], queue=QUEUE)

    async def fill(self, n: int) -> None:
        await self.enqueue_copy(n)

    async def send(self, payload: dict[str, Any]) -> None:
        await self.client.insert(Stamp(payload["t"]), queue=QUEUE)

    async def work(self, worker: Worker) -> None:
        await self.open()

        @self.client.task(Noop, queue=QUEUE)
        async def noop(job: awa.Job) -> None:
            worker.mark()

        @self.client.task(Stamp, queue=QUEUE)
        async def stamp(job: awa.Job) -> None:
            worker.arrived({"t": job.args.t})

        await asyncio.sleep(0)
        worker.wait_for_go()
        await self.client.start([{"name": QUEUE, "max_workers": MAX_WORKERS, "claim_batch_size": CLAIM_BATCH}])
        await asyncio.Event().wait()


if __name__ == "__main__":
    main(AwaPeer)
