"""The batch face of older programs: one call deduplicates, looks, or takes back, and waits for its end.

Everything is a run of `knowledge.deduplicate`. A dry run is one that stopped at its plan, recorded like any other.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dure.apps.knowledge.config import KnowledgeSettings
from dure.apps.knowledge.config import load as load_knowledge
from dure.apps.registry import OPERATIONS
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Invalid, NotFound
from dure.queue.cursors import is_id
from dure.runs.model import Run
from dure.runs.service import QUEUE, Runs
from dure.runs.wording import sentence

if TYPE_CHECKING:
    from dure.runtime.parts import Runtime

OPERATION = next(iter(OPERATIONS))
POLL_S = 0.1
POLL_MAX_S = 1.0
LOOK_S = 2.0
"""How often a script looks whether somebody works."""
HISTORY_MAX = 1_000
AGENT_CHARS_MAX = 500
CHANGES_MAX = 1_000

_JOBS = load("dure.apps.knowledge", "batch_jobs")
_FIND = load("dure.apps.knowledge", "batch_find")
_ALIVE = load("dure.apps.knowledge", "workers_alive")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """A deduplication, or its way back, in the words of older programs."""

    job_id: str
    """`batch_YYYYMMDD_HHMMSS_xxxxxxxx`, in UTC."""
    run_id: str
    """The run that it is."""
    job_type: str
    rollback_of: str | None
    agent_id: str | None
    dry_run: bool
    status: str
    """running, completed, partial, refused, failed, cancelled, rejected, expired, or waiting for an approval."""
    success: bool
    """Whether it has ended as it was asked for."""
    total_agents: int
    deleted_count: int
    """What was deleted; of a dry run, what would be. So are the counts that follow."""
    moved_count: int
    updated_count: int
    created_count: int
    kept_count: int
    """How many records the plan names that stay, each with its reason."""
    asked_count: int
    """Questions that nobody has answered yes to; they change nothing."""
    conflict_count: int
    error_count: int
    statistics: Mapping[str, int]
    """The plan's own counts."""
    guards: Sequence[Mapping[str, Any]]
    """What each guard said, with its figures."""
    rolled_back: bool
    created_by: str
    started_at: datetime
    completed_at: datetime | None
    error: str | None
    """Why it was refused, failed, or is only a part."""

    def to_json(self) -> dict[str, Any]:
        """Answer it as JSON has it. Example: `print(job.to_json()["status"])`."""
        told = asdict(self)
        for name in ("started_at", "completed_at"):
            told[name] = told[name].isoformat() if told[name] is not None else None
        return told


class Batches:
    """The batch face over runs. Example: `await Batches(database, runs).deduplicate("acme", author="kim")`."""

    def __init__(self, database: Database, runs: Runs, settings: KnowledgeSettings | None = None) -> None:
        self._database = database
        self._runs = runs
        self._settings = settings or load_knowledge()

    @property
    def tenant(self) -> str:
        """Who is meant by a request that names no tenant."""
        return self._settings.tenant

    async def deduplicate(
        self,
        tenant_id: str,
        *,
        author: str,
        agent_id: str | None = None,
        dry_run: bool | None = None,
        wait_s: float | None = None,
        lang: str | None = None,
    ) -> BatchJob:
        """Plan a deduplication, and apply it unless it is a dry run or a guard refuses; answer how it ended, or how it
        stands when the wait is over. Unsaid, it is a dry run, unless `BATCH_DEDUP_DRY_RUN` says otherwise.
        """
        if agent_id is not None and not 0 < len(agent_id) <= AGENT_CHARS_MAX:
            raise Invalid(field="agent_id", reason="out_of_range", min=1, max=AGENT_CHARS_MAX)
        dry = self._settings.batch_dry_run if dry_run is None else dry_run
        run = await self._runs.plan(tenant_id, OPERATION, {"agent_id": agent_id}, author=author, then_apply=not dry)
        await self._wait(tenant_id, run.id, wait_s)
        return await self._job(tenant_id, run.id, lang)

    async def rollback(
        self, tenant_id: str, job_id: str, *, author: str, wait_s: float | None = None, lang: str | None = None
    ) -> BatchJob:
        """Take a job back: all of it, or nothing when something has changed since; `Conflict` when there is nothing."""
        run_id = await self._find(tenant_id, job_id)
        run = await self._runs.rollback(tenant_id, run_id, author=author, then_apply=True)
        await self._wait(tenant_id, run.id, wait_s)
        return await self._job(tenant_id, run.id, lang)

    async def history(self, tenant_id: str, *, limit: int = 10, lang: str | None = None) -> list[BatchJob]:
        """Answer the jobs, newest first."""
        return await self._jobs(tenant_id, None, max(1, min(limit, HISTORY_MAX)), lang)

    async def one(
        self, tenant_id: str, job_id: str, *, lang: str | None = None
    ) -> tuple[BatchJob, list[dict[str, Any]]]:
        """Answer one job with its changes, the first thousand of them."""
        run_id = await self._find(tenant_id, job_id)
        page = await self._runs.changes(tenant_id, run_id, limit=CHANGES_MAX)
        changes = [
            {
                "seq": change.seq,
                "store": change.store,
                "operation": change.kind,
                "state": change.state,
                "agent_id": change.scope or None,
                "knowledge_id": "/".join(change.key),
                "reason": sentence(change.reason, lang),
                "outcome": sentence(change.outcome, lang) or None,
            }
            for change in page.items
        ]
        return await self._job(tenant_id, run_id, lang), changes

    async def _find(self, tenant_id: str, job_id: str) -> str:
        """Answer the run of an older program's id, or of a run's own."""
        if is_id(job_id):
            run = await self._runs.get(tenant_id, job_id)
            if run.operation == OPERATION:
                return run.id
        elif "\x00" not in job_id:
            async with self._database.tenant_tx(tenant_id) as tx:
                row = await (await tx.execute(_FIND, {"job_id": job_id})).fetchone()
            if row is not None and row[0] is not None:
                return str(row[0])
        raise NotFound("run", job_id)

    async def _job(self, tenant_id: str, run_id: str, lang: str | None) -> BatchJob:
        found = await self._jobs(tenant_id, run_id, 1, lang)
        if not found:
            raise NotFound("run", run_id)
        run = await self._runs.get(tenant_id, run_id)
        return replace(found[0], guards=list(run.guards), error=_error(run, lang))

    async def _jobs(self, tenant_id: str, run_id: str | None, limit: int, lang: str | None) -> list[BatchJob]:
        values = {"id": run_id, "limit": limit, "tenant": tenant_id}
        async with self._database.tenant_tx(tenant_id) as tx:
            cursor = await tx.execute(_JOBS, values)
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        return [_batch_job(row) for row in rows]

    async def _wait(self, tenant_id: str, run_id: str, wait_s: float | None) -> None:
        deadline_s = time.monotonic() + (self._settings.batch_wait_s if wait_s is None else wait_s)
        pause_s = POLL_S
        while time.monotonic() < deadline_s:
            run = await self._runs.get(tenant_id, run_id)
            if run.state not in ("planning", "applying"):
                return
            if math.isfinite(deadline_s) and not await _anybody_works(self._database):
                # It is asked for, and the next worker takes it; whoever asked by HTTP need not wait for that.
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, POLL_MAX_S)


class BatchDeduplicator:
    """What the scripts of older systems call. The database is that of the environment; where no worker is alive, one
    works in this process for as long as the call takes.

    Example: `print(await BatchDeduplicator().execute_batch_deduplication(agent_id=None, dry_run=True))`.
    """

    async def execute_batch_deduplication(
        self, agent_id: str | None = None, dry_run: bool = True, *, tenant_id: str | None = None
    ) -> dict[str, Any]:
        """Deduplicate what one agent knows, or all of them; answer how it ended."""
        async with _batches() as batches:
            job = await batches.deduplicate(
                tenant_id or batches.tenant, author="script", agent_id=agent_id, dry_run=dry_run, wait_s=float("inf")
            )
            return job.to_json()

    async def rollback(self, job_id: str, *, tenant_id: str | None = None) -> dict[str, Any]:
        """Take a job back; answer how that ended."""
        async with _batches() as batches:
            owner = tenant_id or batches.tenant
            return (await batches.rollback(owner, job_id, author="script", wait_s=float("inf"))).to_json()


@asynccontextmanager
async def _batches() -> AsyncIterator[Batches]:
    # The composition stands above the apps' domain; only this script's face, which is a program of its own, needs it.
    from dure.runtime.parts import Runtime
    from dure.settings import load as load_settings

    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(Runtime.open(load_settings()))
        helper = asyncio.create_task(_work_if_nobody_does(runtime), name="dure.batch_worker")
        stack.push_async_callback(_ended, helper)
        yield Batches(runtime.database, runtime.runs)


async def _work_if_nobody_does(runtime: "Runtime") -> None:
    """Look now and then whether a worker is alive, since one may have died without a word; without one, be one."""
    from dure.runtime.parts import Runtime

    while await _anybody_works(runtime.database):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    async with Runtime.open(runtime.settings, worker=True):
        await asyncio.Event().wait()


async def _anybody_works(database: Database) -> bool:
    async with database.system_tx() as tx:
        row = await (await tx.execute(_ALIVE, {"queue": QUEUE})).fetchone()
    return row is not None and bool(row[0])


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _batch_job(row: dict[str, Any]) -> BatchJob:
    row["run_id"] = row.pop("id")
    return BatchJob(**row, success=row["status"] == "completed", guards=())


def _error(run: Run, lang: str | None) -> str | None:
    return sentence(run.reason, lang) or None
