"""For the tests of those who use Dure: run what is due now, in this process, on a clock that the test sets.

It is the real worker on a real database, so what passes here passes in production; only the time is the test's own.
The clock is in the database (`dure.clock`), which everything that decides asks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import TimedOut
from dure.queue.client import Client
from dure.queue.declaring import declare
from dure.queue.jobs import Jobs
from dure.queue.model import Enqueued, Job, NewJob
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers as carriers
from dure.runs.model import Run
from dure.runs.operation import Operations
from dure.runs.service import Runs
from dure.settings import Settings

SET_CLOCK = load("dure.db", "set_clock")
ADVANCE_CLOCK = load("dure.db", "advance_clock")
TENANT = "test"
AUTHOR = "test"
RUN_TIMEOUT_S = 60.0


class TestQueue:
    """A queue to test handlers with; made by `queue`."""

    __test__ = False

    def __init__(
        self, database: Database, registry: Registry, settings: Settings, tenant_id: str, operations: Operations
    ) -> None:
        self.database = database
        self.tenant_id = tenant_id
        self.runs = Runs(database, settings, operations)
        """For all that `plan`, `apply` and `rollback` do not do."""
        self._registry = registry
        self._settings = settings
        self._client = Client(database, settings)
        self._jobs = Jobs(database, self._client)

    async def enqueue(self, handler: str, params: dict[str, Any] | None = None, **options: Any) -> Enqueued:
        """Ask for a job. Example: `await queue.enqueue("mail.send", {"to": 7}, delay_s=60)`."""
        return await self._client.enqueue(self.tenant_id, NewJob(handler=handler, params=params or {}, **options))

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Ask for many jobs."""
        return await self._client.enqueue_many(self.tenant_id, jobs)

    async def run_due(self, timeout_s: float = RUN_TIMEOUT_S) -> int:
        """Run all that is due by the test's clock, and what becomes due by it; answer how many jobs completed."""
        worker = Worker(self.database, self._registry, self._settings, name="test")
        await worker.start()
        try:
            async with asyncio.timeout(timeout_s):
                await worker.wait_idle()
        except TimeoutError as error:
            raise TimedOut(what="jobs", after_s=timeout_s) from error
        finally:
            await worker.stop(grace_s=0)
        return int(worker.health()["finished"])

    async def job(self, job_id: str) -> Job:
        """Answer a job as it stands. Example: `assert (await queue.job(id)).state == "completed"`."""
        return await self._jobs.get(self.tenant_id, job_id)

    async def plan(self, operation: str, params: dict[str, Any] | None = None, **options: Any) -> Run:
        """Plan a run and answer it.

        Example: `run = await q.plan("students.archive_inactive", {"inactive_days": 30})`.
        """
        options.setdefault("author", AUTHOR)
        return await self._carry(await self.runs.plan(self.tenant_id, operation, params, **options))

    async def apply(self, run: Run, **options: Any) -> Run:
        """Apply a plan and answer what became of it."""
        options.setdefault("actor", AUTHOR)
        return await self._carry(await self.runs.apply(self.tenant_id, run.id, **options))

    async def rollback(self, run: Run, **options: Any) -> Run:
        """Take a run back, and answer the rollback; with `then_apply=False` only its plan."""
        options = {"author": AUTHOR, "then_apply": True, **options}
        return await self._carry(await self.runs.rollback(self.tenant_id, run.id, **options))

    async def _carry(self, run: Run) -> Run:
        await self.run_due()
        return await self.runs.get(self.tenant_id, run.id)

    async def set_clock(self, now: datetime | None) -> None:
        """Hold the clock at a moment, or let it run again with None."""
        async with self.database.owner_tx() as tx:
            await tx.execute(SET_CLOCK, (now,))

    async def advance(self, by: timedelta | float) -> None:
        """Move the clock on and hold it there. Example: `await queue.advance(3600)`."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        async with self.database.owner_tx() as tx:
            await tx.execute(ADVANCE_CLOCK, (seconds,))


@asynccontextmanager
async def queue(
    database_url: str,
    handlers: Iterable[Callable[..., Any]] = (),
    *,
    modules: Sequence[str] = (),
    operations: Iterable[type] = (),
    tenant_id: str = TENANT,
) -> AsyncIterator[TestQueue]:
    """A queue on a database of the test's own, with these handlers and operations.

    Example: `async with dure.testing.queue(url, [send]) as q: await q.enqueue("mail.send"); await q.run_due()`.
    """
    settings = Settings(database_url=database_url, poll_s=0.05, notify=False)
    registry = Registry.build(modules)
    for function in handlers:
        registry.add(function)
    known = Operations(operations).with_modules(modules)
    async with Database(settings) as database:
        await migrate(database)
        await declare_operations(database, known)
        for carrier in carriers(database, settings, known):
            registry.add(carrier)
        await declare(database, registry)
        made = TestQueue(database, registry, settings, tenant_id, known)
        try:
            yield made
        finally:
            await made.set_clock(None)
