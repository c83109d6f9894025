"""Runs in tests: operations with a worker that carries them, asked for and waited for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dure.db.pool import Database
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers
from dure.runs.model import Change, Run
from dure.runs.operation import Operations
from dure.runs.service import Runs
from queueing import TENANT, settings, until

AUTHOR = "kim"
RESTING = frozenset({"planned", "approved"})


class Batches:
    """Runs that are planned, applied and waited for; made by `batches`."""

    def __init__(self, database: Database, runs: Runs, registry: Registry) -> None:
        self.database = database
        self.runs = runs
        self.registry = registry
        self.worker: Worker | None = None

    async def plan(self, operation: str, params: dict[str, Any] | None = None, **options: Any) -> Run:
        options.setdefault("author", AUTHOR)
        run = await self.runs.plan(TENANT, operation, params, **options)
        return await self.settled(run.id)

    async def sql(self, statement: str, **options: Any) -> Run:
        run = await self.runs.plan_sql(TENANT, statement, author=AUTHOR, **options)
        return await self.settled(run.id)

    async def apply(self, run: Run, **options: Any) -> Run:
        await self.runs.apply(TENANT, run.id, actor=options.pop("actor", AUTHOR), **options)
        return await self.settled(run.id)

    async def rollback(self, run: Run, **options: Any) -> Run:
        """Plan the way back."""
        back = await self.runs.rollback(TENANT, run.id, author=AUTHOR, **options)
        return await self.settled(back.id)

    async def undo(self, run: Run, **options: Any) -> Run:
        """Plan the way back and go it."""
        return await self.apply(await self.rollback(run, **options))

    async def settled(self, run_id: str) -> Run:
        """Answer a run as soon as nobody works on it."""

        async def is_settled() -> Run | None:
            run = await self.runs.get(TENANT, run_id)
            return None if run.state in ("planning", "applying") else run

        found = await until(is_settled, patience_s=30)
        assert isinstance(found, Run)
        return found

    async def changes(self, run: Run, **where: Any) -> Sequence[Change]:
        from dure.runs.reading import ChangeFilter

        return (await self.runs.changes(TENANT, run.id, ChangeFilter(**where), limit=1000)).items


@asynccontextmanager
async def batches(
    database: Database, kinds: Sequence[type] = (), *, work: bool = True, **given: Any
) -> AsyncIterator[Batches]:
    """Operations with a worker in this process, stopped without grace at the end of the block."""
    chosen = settings(**given)
    operations = Operations(kinds)
    await declare_operations(database, operations)
    registry = Registry(handlers(database, chosen, operations))
    made = Batches(database, Runs(database, chosen, operations), registry)
    made.worker = Worker(database, registry, chosen)
    if work:
        await made.worker.start()
    try:
        yield made
    finally:
        await made.worker.stop(0)
