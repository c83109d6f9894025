"""The limit of the tables: Dure's own statements for claim and completion, sent bare, with no handlers between.

The same rows, the same indexes, the same fences; batches of 1,000, the next claim sent while the completions of the
last are written. What Dure's worker adds to this is its own share.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from common import Peer, UnsupportedError, Worker, main, numbers

from dure import Registry, handler
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.queue.claimer import CLAIM
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.queue.finisher import FINISH
from dure.queue.hotline import Hotline
from dure.queue.worker import REGISTER
from dure.settings import Settings

BATCH = 1_000
CHUNK = 5_000
TENANT = "bench"


@handler("bench.noop")
async def noop() -> None: ...


class RawPeer(Peer):
    name = "raw SQL limit"
    package = "dure"
    handler = "none"
    drain_scale = 5
    remaining_sql = (
        "SELECT (SELECT coalesce(sum(cardinality(ids)), 0) FROM dure.ready) + (SELECT count(*) FROM dure.claim)"
    )
    settings: ClassVar[dict[str, Any]] = {"batch": BATCH, "uvloop": True}

    def __init__(self) -> None:
        super().__init__()
        self.options = Settings(database_url=self.url or "postgresql:///", log_level="error")

    async def setup(self) -> None:
        async with Database(self.options) as database:
            await migrate(database)
            await declare(database, Registry([noop]))

    async def open(self) -> None:
        self.database = Database(self.options)
        await self.database.start()

    async def enqueue_one(self, n: int) -> None:
        raise UnsupportedError

    async def send(self, payload: dict[str, Any]) -> None:
        raise UnsupportedError

    async def enqueue_bulk(self, n: int) -> None:
        client = Client(self.database, self.options)
        for part in numbers(n, CHUNK):
            await client.enqueue_batch(TENANT, "bench.noop", [{"i": i} for i in part])

    async def work(self, worker: Worker) -> None:
        database = Database(self.options)
        await database.start()
        claims, ends = Hotline(database, "claim", durable=False), Hotline(database, "finish")
        values = {"name": "raw", "host": "-", "pid": 0, "queues": [], "version": "", "lease_s": 600.0}
        async with database.system_tx() as tx:
            row = await (await tx.execute(REGISTER, values)).fetchone()
        assert row is not None
        claim: dict[str, Any] = {
            "walk": True, "lanes": [], "ranks": [], "ids": [], "queues": [], "shunned": [], "tenant": "",
            "most": BATCH, "bundles": BATCH // 100 + 1, "worker": row[0],
        }  # fmt: skip
        await claims.run(CLAIM, {**claim, "most": 0})
        worker.wait_for_go()
        writing: asyncio.Task[Any] | None = None
        while True:
            rows = await claims.run(CLAIM, claim)
            if writing is not None:
                await writing
            if not rows:
                await asyncio.sleep(0.01)
                continue
            for _ in rows:
                worker.mark()
            last = rows[-1]
            claim.update(walk=False, lanes=[last[11]], ranks=[last[12]], ids=[last[13]])
            writing = asyncio.create_task(ends.run(FINISH, _ended(rows)))


def _ended(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {
        "ids": "{" + ",".join(sorted(row[0] for row in rows)) + "}",
        "claims": "{" + ",".join([str(rows[0][1])] * len(rows)) + "}",
        "results": "{" + ",".join(["NULL"] * len(rows)) + "}",
        "closed": [rows[0][1]],
    }


if __name__ == "__main__":
    main(RawPeer)
