"""Jobs as people and programs see them: found, listed, explained, cancelled, retried, watched.

`tenant_id=None` means the system, which sees the jobs of all tenants.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import NotFound
from dure.queue.client import Client, enqueue_on
from dure.queue.cursors import id_from_cursor, is_id, to_cursor
from dure.queue.model import Enqueued, Job, NewJob, State
from dure.queue.texts import clean_text, clean_time, read_json
from dure.queue.views import Attempt, JobEvent, JobFilter, LogLine, Page, Progress, Why
from dure.queue.watch import watch

PAGE_MAX = 1_000
LOG_LINES_MAX = 5_000
ATTEMPTS_MAX = 1_000
SCAN_MAX = 200_000
"""A page looks at no more jobs than this; then it ends early, with a cursor to go on from."""
STEP_MAX = 20_000
REASON_CHARS_MAX = 2_000

_READ = load("dure.queue", "jobs_read")
_BOUNDS = load("dure.queue", "jobs_bounds")
_NEWEST = load("dure.queue", "jobs_newest")
_OF_PARENT = load("dure.queue", "jobs_of_parent")
_IN_TROUBLE = load("dure.queue", "jobs_in_trouble")
_PENDING = load("dure.queue", "jobs_pending")
_PROCESSING = load("dure.queue", "jobs_processing")
_CANCEL = load("dure.queue", "job_cancel")
_RETRY = load("dure.queue", "job_retry")
_WHY = load("dure.queue", "job_why")
_LOGS = load("dure.queue", "job_logs")
_ATTEMPTS = load("dure.queue", "job_attempts")
_PROGRESS = load("dure.queue", "job_progress")
_CHILDREN = load("dure.queue", "children")
_RECORD = load("dure.queue", "record")

_FIELDS = (
    "id",
    "tenant_id",
    "handler",
    "queue",
    "state",
    "priority",
    "error_class",
    "error",
    "attempt",
    "retry_count",
    "max_retries",
    "crash_count",
    "blocked_by",
    "timeout_s",
    "created_at",
    "run_at",
    "started_at",
    "finished_at",
    "deadline_at",
    "cancel_requested_at",
    "worker_id",
    "parent_id",
    "unique_key",
    "limit_key",
)
"""What `sql/jobs_read.sql` answers, in its order; the tags, parameters and result come last."""


Lines = list[LogLine]
Attempts = list[Attempt]
# Inside the class the name `list` is its method.


class Jobs:
    """The jobs of a database. Example: `await Jobs(database, client).get("acme", job_id)`."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client

    async def enqueue(self, tenant_id: str, jobs: Sequence[NewJob], *, tx: Connection | None = None) -> list[Enqueued]:
        """Ask for jobs, all or none; with `tx` inside that transaction, which the caller commits."""
        if tx is not None:
            return await enqueue_on(tx, tenant_id, jobs)
        return await self._client.enqueue_many(tenant_id, jobs)

    async def get(self, tenant_id: str | None, job_id: str, *, tx: Connection | None = None) -> Job:
        """Answer one job, or raise `NotFound`."""
        if tx is not None:
            return await _get(tx, job_id)
        async with self._tx(tenant_id) as own:
            return await _get(own, job_id)

    async def list(
        self, tenant_id: str | None, where: JobFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Job]:
        """Answer jobs, newest first.

        Example: `await jobs.list("acme", JobFilter(state="failed"), limit=10)`.
        """
        limit = _within(limit, PAGE_MAX)
        where = replace(
            where,
            created_after=clean_time(where.created_after, "created_after"),
            created_before=clean_time(where.created_before, "created_before"),
        )
        if where.parent_id is not None and not is_id(where.parent_id):
            return Page(())
        async with self._tx(tenant_id) as tx:
            before, floor = await _bounds(tx, where, cursor)
            found: list[Job] = []
            scanned, most = 0, limit + 1
            while True:
                ids = await _candidates(tx, where, before, most)
                near = [job_id for job_id in ids if job_id >= floor]
                found += await _read(tx, where, near, limit + 1 - len(found))
                if len(found) > limit:
                    return Page(tuple(found[:limit]), to_cursor(found[limit - 1].id))
                if len(near) < most:
                    return Page(tuple(found))
                scanned, before = scanned + most, near[-1]
                if scanned >= SCAN_MAX:
                    return Page(tuple(found), to_cursor(before))
                # A filter that fits few jobs is met with larger steps.
                most = min(most * 8, STEP_MAX, SCAN_MAX - scanned)

    async def cancel(self, tenant_id: str | None, job_id: str, *, reason: str, actor: str) -> Job:
        """Cancel a job and its open descendants.

        One that runs is asked to stop. `Conflict` if it has ended.
        """
        reason = clean_text(reason, "reason", chars_max=REASON_CHARS_MAX)
        async with self._tx(tenant_id) as tx:
            await tx.execute(_CANCEL, {"id": _require_id(job_id), "reason": reason})
            job = await _get(tx, job_id)
            await _record(tx, actor, "cancel", job, {"reason": reason})
            return job

    async def retry(self, tenant_id: str | None, job_id: str, *, actor: str) -> Job:
        """Give a failed, cancelled or quarantined job a new life under its old id.

        `Conflict` if it is none of them.
        """
        async with self._tx(tenant_id) as tx:
            await tx.execute(_RETRY, {"id": _require_id(job_id)})
            job = await _get(tx, job_id)
            await _record(tx, actor, "retry", job, {})
            return job

    async def logs(self, tenant_id: str | None, job_id: str, *, after: int = 0, limit: int = 500) -> Lines:
        """Answer the lines that a job's handler wrote after line `after`, oldest first."""
        async with self._tx(tenant_id) as tx:
            await _get(tx, job_id)
            values = {"id": job_id, "after": after, "limit": _within(limit, LOG_LINES_MAX)}
            rows = await (await tx.execute(_LOGS, values)).fetchall()
        return [LogLine(*row) for row in rows]

    async def attempts(self, tenant_id: str | None, job_id: str) -> Attempts:
        """Answer every start of a job and how it ended, oldest first; the present one too."""
        async with self._tx(tenant_id) as tx:
            await _get(tx, job_id)
            rows = await (await tx.execute(_ATTEMPTS, {"id": job_id, "limit": ATTEMPTS_MAX})).fetchall()
        return [Attempt(*row) for row in rows]

    async def children(self, tenant_id: str | None, job_id: str) -> dict[State, int]:
        """Answer how many children of a job stand in which state."""
        async with self._tx(tenant_id) as tx:
            await _get(tx, job_id)
            rows = await (await tx.execute(_CHILDREN, {"id": job_id})).fetchall()
        return dict(rows)

    async def progress(self, tenant_id: str | None, job_id: str) -> Progress | None:
        """Answer how far a job says it is, None if it never said."""
        async with self._tx(tenant_id) as tx:
            await _get(tx, job_id)
            row = await (await tx.execute(_PROGRESS, {"id": job_id})).fetchone()
        return None if row is None else Progress(*row)

    async def why(self, tenant_id: str | None, job_id: str) -> Why:
        """Answer why a job does not run, or what became of it.

        Example: `(await jobs.why("acme", id)).text("ko")`.
        """
        async with self._tx(tenant_id) as tx:
            row = await (await tx.execute(_WHY, {"id": _require_id(job_id)})).fetchone()
        assert row is not None
        told: dict[str, Any] = dict(row[0])
        return Why(told.pop("code"), told)

    def watch(
        self, tenant_id: str | None, job_id: str, *, after: str | None = None, poll_s: float = 0.25
    ) -> AsyncIterator[JobEvent]:
        """Yield what happens to a job until it has ended; `after` is the id of the last event already seen.

        Example: `async for event in jobs.watch("acme", job_id): print(event.kind, event.data)`.
        """
        return watch(lambda: self._tx(tenant_id), job_id, after=after, poll_s=poll_s)

    def _tx(self, tenant_id: str | None) -> AbstractAsyncContextManager[Connection]:
        return self._database.system_tx() if tenant_id is None else self._database.tenant_tx(tenant_id)


async def _get(tx: Connection, job_id: str) -> Job:
    found = await _read(tx, JobFilter(), [_require_id(job_id)], 1)
    if not found:
        raise NotFound("job", job_id)
    return found[0]


async def _read(tx: Connection, where: JobFilter, ids: Sequence[str], limit: int) -> list[Job]:
    if not ids:
        return []
    values = {
        "ids": list(ids),
        "limit": limit,
        "state": where.state,
        "handler": where.handler,
        "queue": where.queue,
        "tag": where.tag,
        "parent_id": where.parent_id,
        "created_after": where.created_after,
        "created_before": where.created_before,
    }
    rows = await (await tx.execute(_READ, values)).fetchall()
    return [_job(row) for row in rows]


def _job(row: Sequence[Any]) -> Job:
    *plain, tags, params, result = row
    named = dict(zip(_FIELDS, plain, strict=True))
    return Job(**named, tags=tuple(tags or ()), params=read_json(params), result=read_json(result))


async def _candidates(tx: Connection, where: JobFilter, before: str, most: int) -> list[str]:
    """Answer ids below `before`, newest first, from the smallest place that holds all that can fit."""
    values = {
        "before": before,
        "most": most,
        "state": where.state,
        "handler": where.handler,
        "queue": where.queue,
        "parent_id": where.parent_id,
    }
    match where:
        case JobFilter(parent_id=str()):
            statement = _OF_PARENT
        case JobFilter(state="pending"):
            statement = _PENDING
        case JobFilter(state="processing"):
            statement = _PROCESSING
        case JobFilter(state="failed" | "cancelled" | "quarantined"):
            statement = _IN_TROUBLE
        case _:
            statement = _NEWEST
    rows = await (await tx.execute(statement, values)).fetchall()
    return [str(row[0]) for row in rows]


async def _bounds(tx: Connection, where: JobFilter, cursor: str | None) -> tuple[str, str]:
    before, floor = id_from_cursor(cursor), ""
    if where.created_after is not None or where.created_before is not None:
        values = {"after": where.created_after, "before": where.created_before}
        row = await (await tx.execute(_BOUNDS, values)).fetchone()
        if row is not None:
            floor, before = row[0], min(before, row[1])
    return before, floor


async def _record(tx: Connection, actor: str, verb: str, job: Job, detail: dict[str, object]) -> None:
    values = {
        "actor": actor,
        "verb": verb,
        "subject": f"job:{job.id}",
        "detail": json.dumps(detail),
        "tenant_id": job.tenant_id,
    }
    await tx.execute(_RECORD, values)


def _require_id(job_id: str) -> str:
    if not is_id(job_id):
        raise NotFound("job", job_id)
    return job_id


def _within(limit: int, most: int) -> int:
    return max(1, min(limit, most))
