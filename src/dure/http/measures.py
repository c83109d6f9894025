"""What `/metrics` shows: what this process counted, and how long the lines are."""

import asyncio
import time

from dure.errors import Unavailable
from dure.http.services import Services

KEPT_S = 5.0


class Measures:
    """Reads and renders. Example: `text = await Measures(services).render()`."""

    def __init__(self, services: Services, *, kept_s: float = KEPT_S) -> None:
        self._services = services
        self._kept_s = kept_s
        self._read_at_s: float | None = None
        self._reading = asyncio.Lock()
        self._shown: set[tuple[str, str]] = set()
        metrics = services.metrics
        self._jobs = metrics.gauge("dure_jobs", "Open jobs by queue and where they stand", ["queue", "place"])
        self._workers = metrics.gauge("dure_workers", "Workers whose lease holds")
        self._up = metrics.gauge("dure_database_up", "Whether the database answered when these measures were read")
        self._pool = metrics.gauge("dure_pool", "Figures of the connection pool", ["figure"])

    async def render(self) -> str:
        """Answer all measures in the Prometheus text format."""
        async with self._reading:
            now_s = time.monotonic()
            if self._read_at_s is None or now_s - self._read_at_s >= self._kept_s:
                await self._read()
                self._read_at_s = now_s
        for name, value in self._services.database.stats().items():
            self._pool.set(value, name)
        return self._services.metrics.render()

    async def _read(self) -> None:
        try:
            queues = await self._services.queues.list(None)
            workers = await self._services.workers.list(alive=True, limit=1_000)
        except Unavailable:
            self._up.set(0)
            return
        self._up.set(1)
        self._workers.set(len(workers.items))
        now = {(queue.queue, place): count for queue in queues for place, count in queue.counts.items()}
        for queue, place in self._shown - now.keys():
            self._jobs.set(0, queue, place)
        for (queue, place), count in now.items():
            self._jobs.set(count, queue, place)
        self._shown |= now.keys()
