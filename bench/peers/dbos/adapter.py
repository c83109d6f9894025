"""DBOS.

Settings, after its documentation on queues:
* a queue polled every 10 ms (its default of one second makes every start a second late), with a
  `worker_concurrency` of 100, which bounds how many workflows one poll takes;
* asynchronous workflows without steps, the least that it can run; a pool of 20 connections, its default;
* enqueueing one by one with its client; in bulk by 1,000 enqueues in one transaction of the caller's.

Waiting jobs for the drains are copied by SQL from one that its client enqueued.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any, ClassVar

import sqlalchemy
from common import Peer, Worker, copies_sql, main, numbers
from dbos import DBOS, DBOSClient, DBOSConfig

QUEUE = "bench"
POLLING_INTERVAL_S = 0.01
WORKER_CONCURRENCY = 100
CHUNK = 1_000


@DBOS.workflow(name="noop")
async def noop(i: int) -> None:
    Worker.current.mark()


@DBOS.workflow(name="stamp")
async def stamp(t: float) -> None:
    Worker.current.arrived({"t": t})


class DbosPeer(Peer):
    name = "DBOS"
    package = "dbos"
    remaining_sql = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')"
    settings: ClassVar[dict[str, Any]] = {
        "polling_interval_sec": POLLING_INTERVAL_S,
        "worker_concurrency": WORKER_CONCURRENCY,
        "bulk chunk": CHUNK,
    }
    uvloop = False  # it runs workflows on a loop of its own, in a thread

    @property
    def driver_url(self) -> str:
        return self.url.replace("postgresql://", "postgresql+psycopg://", 1)

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": self.url,
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "application_version": "1",
        }
        DBOS(config=config)
        DBOS.launch()

    async def setup(self) -> None:
        self._launch()

    async def open(self) -> None:
        self.client = DBOSClient(system_database_url=self.url, application_name="bench")
        self.engine = sqlalchemy.create_engine(self.driver_url)

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            self.client.enqueue({"workflow_name": "noop", "queue_name": QUEUE}, i)

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            with self.engine.begin() as connection:
                for i in part:
                    self.client.enqueue_in_transaction(connection, {"workflow_name": "noop", "queue_name": QUEUE}, i)

    async def fill(self, n: int) -> None:
        await self.enqueue_one(1)
        self._copy(n - 1, "")

    async def fill_done(self, n: int) -> None:
        await self.enqueue_one(1)
        self._copy(n, ", 'status', 'SUCCESS', 'completed_at', (t.row_).created_at")
        with self.engine.begin() as connection:
            connection.execute(sqlalchemy.text("DELETE FROM dbos.workflow_status WHERE status = 'ENQUEUED'"))

    def _copy(self, n: int, columns: str) -> None:
        """One statement a table; the ids of the copies are counted, so that both tables agree."""
        number = f"'workflow_uuid', '{uuid.uuid4()}-' || g"
        with self.engine.begin() as connection:
            overlay = f"jsonb_build_object({number}{columns})"
            connection.exec_driver_sql(copies_sql("dbos.workflow_status", overlay, n, "status = 'ENQUEUED'"))
            connection.exec_driver_sql(copies_sql("dbos.workflow_input", f"jsonb_build_object({number})", n))

    async def send(self, payload: dict[str, Any]) -> None:
        self.client.enqueue({"workflow_name": "stamp", "queue_name": QUEUE}, payload["t"])

    async def work(self, worker: Worker) -> None:
        await asyncio.to_thread(worker.wait_for_go)
        await asyncio.to_thread(self._serve)

    def _serve(self) -> None:
        self._launch()
        DBOS.register_queue(QUEUE, worker_concurrency=WORKER_CONCURRENCY, polling_interval_sec=POLLING_INTERVAL_S)
        threading.Event().wait()


if __name__ == "__main__":
    main(DbosPeer)
