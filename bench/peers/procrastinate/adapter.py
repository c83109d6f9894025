"""Procrastinate.

Settings, after its how-to on concurrency and its worker reference:
* `concurrency` 30 asynchronous jobs in one worker, and a pool large enough for all of them;
* LISTEN/NOTIFY on, its default; finished jobs are kept, its default;
* psycopg's C implementation (the binary wheel), on uvloop;
* enqueueing in bulk with `batch_defer_async`, 1,000 jobs a call.

A million waiting jobs are copied by SQL from one that it deferred itself.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import procrastinate
from common import Peer, Worker, copies_sql, main, numbers

CONCURRENCY = 30
CHUNK = 1_000


class ProcrastinatePeer(Peer):
    name = "Procrastinate"
    package = "procrastinate"
    remaining_sql = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    settings: ClassVar[dict[str, Any]] = {
        "concurrency": CONCURRENCY,
        "listen_notify": True,
        "uvloop": True,
        "bulk chunk": CHUNK,
    }

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("procrastinate").setLevel(logging.WARNING)
        connector = procrastinate.PsycopgConnector(conninfo=self.url, min_size=4, max_size=CONCURRENCY + 4)
        self.app = procrastinate.App(connector=connector)
        self.noop = self.app.task(name="noop")(self._noop)
        self.stamp = self.app.task(name="stamp")(self._stamp)

    async def _noop(self, i: int) -> None:
        Worker.current.mark()

    async def _stamp(self, t: float) -> None:
        Worker.current.arrived({"t": t})

    async def setup(self) -> None:
        await self.open()
        await self.app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        await self.app.open_async()

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            await self.noop.defer_async(i=i)

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            await self.noop.batch_defer_async(*({"i": i} for i in part))

    async def fill(self, n: int) -> None:
        if n <= 100_000:
            return await self.enqueue_bulk(n)
        await self.noop.defer_async(i=0)
        await self._copy(n - 1, "'args', jsonb_build_object('i', g)")

    async def fill_done(self, n: int) -> None:
        await self.noop.defer_async(i=0)
        await self._copy(n, "'status', 'succeeded', 'attempts', 1")
        await self.app.connector.execute_query_async("DELETE FROM procrastinate_jobs WHERE status = 'todo'")

    async def _copy(self, n: int, columns: str) -> None:
        number = "nextval(pg_get_serial_sequence('procrastinate_jobs', 'id'))"
        overlay = f"jsonb_build_object('id', {number}, {columns})"
        await self.app.connector.execute_query_async(copies_sql("procrastinate_jobs", overlay, n, "status = 'todo'"))

    async def send(self, payload: dict[str, Any]) -> None:
        await self.stamp.defer_async(**payload)

    async def work(self, worker: Worker) -> None:
        await self.open()
        worker.wait_for_go()
        await self.app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False)


if __name__ == "__main__":
    main(ProcrastinatePeer)
