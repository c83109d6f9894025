"""Celery on Redis.

Settings, after its guide on optimising:
* the solo pool: prefork pays a pipe to a child for every task, and threads drained slower; another process is
  another worker;
* `ignore_result`, no gossip, mingle, heartbeat or events, and a prefetch multiplier of 100, which the guide
  recommends to raise for short tasks; hiredis as the parser;
* acknowledged early, its default: a task that dies with its worker is lost, and nothing of it is kept.

Redis runs with its default persistence and acknowledges before anything is on the disk. Celery has no bulk
call but `group`, which sends its tasks one by one over one connection.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Any, ClassVar

import redis
from celery import Celery, group
from common import Peer, Worker, main, numbers

PREFETCH = 100
CHUNK = 1_000

app = Celery("bench", broker=os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1"))
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=PREFETCH,
    worker_concurrency=1,
    worker_send_task_events=False,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(i: int) -> None:
    Worker.current.mark()


@app.task(name="stamp")
def stamp(t: float) -> None:
    Worker.current.arrived({"t": t})


class CeleryPeer(Peer):
    name = "Celery (Redis)"
    package = "celery"
    keeps_rows = False
    handler = "sync"
    remaining_redis: ClassVar[list[list[str]]] = [["LLEN", "celery"], ["HLEN", "unacked"]]
    settings: ClassVar[dict[str, Any]] = {
        "pool": "solo",
        "prefetch_multiplier": PREFETCH,
        "ignore_result": True,
        "acks": "early",
    }
    uvloop = False

    async def setup(self) -> None:
        """A queue is made by the first task."""

    async def open(self) -> None:
        self.redis = redis.Redis.from_url(app.conf.broker_url)
        app.connection_for_write().ensure_connection()

    async def enqueue_one(self, n: int) -> None:
        for i in range(n):
            noop.delay(i)

    async def enqueue_bulk(self, n: int) -> None:
        for part in numbers(n, CHUNK):
            group(noop.s(i) for i in part).apply_async()

    async def fill(self, n: int) -> None:
        """Copies of a message that Celery sent, each with ids of its own."""
        noop.delay(0)
        message = json.loads(self.redis.lindex("celery", 0))
        task_id, tag = message["headers"]["id"], message["properties"]["delivery_tag"]
        text = json.dumps(message)
        for part in numbers(n - 1, CHUNK):
            pairs = ((str(uuid.uuid4()), str(uuid.uuid4())) for _ in part)
            self.redis.lpush("celery", *(text.replace(task_id, a).replace(tag, b) for a, b in pairs))

    async def send(self, payload: dict[str, Any]) -> None:
        stamp.delay(payload["t"])

    async def work(self, worker: Worker) -> None:
        worker.wait_for_go()
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
        app.worker_main(["worker", "--pool=solo", *quiet])


if __name__ == "__main__":
    main(CeleryPeer)
