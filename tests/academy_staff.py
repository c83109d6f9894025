"""The academy's intents as staff have them: through requests, policies and a worker."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from academy import OPERATIONS, operation_of
from dure.apps.intents.catalogue import CATALOGUE
from dure.db.pool import Database
from dure.intents.catalogue import Catalogue
from dure.intents.outbox import sending
from dure.intents.requests import Intents
from dure.intents.rows import Request
from dure.intents.running import handlers
from dure.queue.registry import Registry
from dure.queue.views import Principal
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers as run_handlers
from dure.runs.operation import Operations
from dure.runs.service import Runs
from intending import KIM, LEE, ended, intents_of
from queueing import TENANT, make, settings, until


class Staff:
    """Example: `(await staff.ask("report.get.weekly")).result`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.intents: Intents = intents_of(database, Catalogue(CATALOGUE))

    async def ask(self, key: str, params: Mapping[str, Any] | None = None, principal: Principal = KIM) -> Request:
        """Ask, approve where that is wanted, and wait until it is done."""
        return await self._done(await self.intents.submit(TENANT, key, dict(params or {}), principal))

    async def retry(self, request: Request, principal: Principal = KIM) -> Request:
        """Try those again that failed."""
        return await self._done(await self.intents.retry(TENANT, request.id, principal))

    async def _done(self, request: Request) -> Request:
        if request.state == "waiting":
            request = await self.intents.approve(TENANT, request.id, LEE)
        return await ended(self.database, request)

    async def undo(self, request: Request) -> None:
        runs = Runs(self.database, settings(), Operations())
        back = await runs.rollback(TENANT, request.result["run_id"], author="kim", then_apply=True)

        async def is_back() -> bool:
            return (await runs.get(TENANT, back.id)).state == "applied"

        await until(is_back)


@asynccontextmanager
async def staff(database: Database) -> AsyncIterator[Staff]:
    """A worker that knows the pack."""
    operations = Operations([operation_of(name) for name in OPERATIONS])
    await declare_operations(database, operations)
    catalogue = Catalogue(CATALOGUE)
    registry = Registry()
    registry.add_entries(catalogue.entries())
    for one in (*handlers(catalogue), *sending.handlers(), *run_handlers(database, settings(), operations)):
        registry.add(one)
    worker = make(database, registry, concurrency=8)
    await worker.start()
    try:
        yield Staff(database)
    finally:
        await worker.stop(0)
