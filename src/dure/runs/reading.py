"""Runs as people and programs see them: found, listed, their changes, their events, how far they are.

`tenant_id=None` means the system, which sees the runs of all tenants.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import NotFound
from dure.queue.cursors import bad_cursor, from_cursor, id_from_cursor, is_id, to_cursor
from dure.queue.views import Page
from dure.runs.model import Change, ChangeState, Kind, Run, RunState

PAGE_MAX = 1_000
EVENTS_MAX = 1_000
SEQ_MAX = 2**63 - 1

_RUNS = load("dure.runs", "runs_read")
_CHANGES = load("dure.runs", "changes_read")
_APPROVALS = load("dure.runs", "approvals_read")
_EVENTS = load("dure.runs", "events_read")
_OPERATIONS = load("dure.runs", "operations_read")

_FIELDS = (
    "id", "tenant_id", "operation", "rollback_of", "mode", "params", "author", "note", "state", "reason", "stores",
    "counts", "guards", "notes", "population", "plan_hash", "job_id", "paused_at", "created_at", "planned_at",
    "expires_at", "started_at", "finished_at", "applied", "conflicts", "failed", "skipped", "to_do", "rolled_back",
    "then_do", "asked_by_job",
)  # fmt: skip
"""What `sql/runs_read.sql` answers, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs; what is not said does not matter. Example: `RunFilter(state="planned")`."""

    operation: str | None = None
    state: RunState | None = None
    author: str | None = None
    rollback_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFilter:
    """Which changes; what is not said does not matter. Example: `ChangeFilter(kind="delete", state="conflict")`."""

    kind: Kind | None = None
    state: ChangeState | None = None
    store: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """What somebody said to a plan: approve, reject or override."""

    decision: str
    actor: str
    reason: str
    plan_hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened to a run: who did what, when."""

    id: int
    at: datetime
    actor: str
    verb: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far an application is. `rate` is changes a second so far, `eta_s` how long the rest takes at that rate."""

    done: int
    total: int
    rate: float | None
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation that the database knows."""

    operation: str
    description: str
    params_schema: Mapping[str, Any] | None
    guards: Mapping[str, Any]
    approval: str
    expires_s: float


class RunReader:
    """Reads runs. Example: `await RunReader(database).get("acme", run_id)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str | None, run_id: str) -> Run:
        """Answer a run; `NotFound` when there is none, or none of this tenant."""
        if not is_id(run_id):
            raise NotFound("run", run_id)
        async with self._reading(tenant_id) as tx:
            return await read_run(tx, run_id)

    async def list(
        self, tenant_id: str | None, where: RunFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Run]:
        """Answer runs, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        where = where or RunFilter()
        if where.rollback_of is not None and not is_id(where.rollback_of):
            return Page(())
        values = {
            "id": None,
            "before": None if cursor is None else id_from_cursor(cursor),
            "operation": where.operation,
            "state": where.state,
            "author": where.author,
            "rollback_of": where.rollback_of,
            "limit": limit + 1,
        }
        async with self._reading(tenant_id) as tx:
            rows = await (await tx.execute(_RUNS, values)).fetchall()
        items = tuple(_run(row) for row in rows[:limit])
        return Page(items, to_cursor(items[-1].id) if len(rows) > limit else None)

    async def changes(
        self,
        tenant_id: str | None,
        run_id: str,
        where: ChangeFilter | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Change]:
        """Answer the changes of a run in the order of its plan."""
        limit = max(1, min(limit, PAGE_MAX))
        where = where or ChangeFilter()
        after = 0
        if cursor is not None:
            place = from_cursor(cursor)
            if not place.isdigit() or int(place) > SEQ_MAX:
                raise bad_cursor()
            after = int(place)
        async with self._reading(tenant_id) as tx:
            run = await read_run(tx, run_id)
            values = _change_values(run_id, where) | {"after": after, "seq": None, "limit": limit + 1}
            rows = await (await tx.execute(_CHANGES, values)).fetchall()
        columns = columns_by_store(run.stores)
        items = tuple(_change(row, columns) for row in rows[:limit])
        return Page(items, to_cursor(str(items[-1].seq)) if len(rows) > limit else None)

    async def change(self, tenant_id: str | None, run_id: str, seq: int) -> Change:
        """Answer one change of a run."""
        async with self._reading(tenant_id) as tx:
            run = await read_run(tx, run_id)
            values = _change_values(run_id, ChangeFilter()) | {"after": 0, "seq": seq, "limit": 1}
            row = await (await tx.execute(_CHANGES, values)).fetchone()
        if row is None:
            raise NotFound("change", seq)
        return _change(row, columns_by_store(run.stores))

    async def approvals(self, tenant_id: str | None, run_id: str) -> "Sequence[Approved]":
        """Answer who said what to a run's plan."""
        async with self._reading(tenant_id) as tx:
            await read_run(tx, run_id)
            rows = await (await tx.execute(_APPROVALS, {"id": run_id})).fetchall()
        return [Approved(*row) for row in rows]

    async def events(
        self, tenant_id: str | None, run_id: str, *, after: int = 0, limit: int = EVENTS_MAX
    ) -> "Sequence[RunEvent]":
        """Answer what happened to a run after an event that was seen, in order."""
        async with self._reading(tenant_id) as tx:
            await read_run(tx, run_id)
            values = {"id": run_id, "after": after, "limit": max(1, min(limit, EVENTS_MAX))}
            rows = await (await tx.execute(_EVENTS, values)).fetchall()
        return [RunEvent(*row) for row in rows]

    async def operations(self) -> "Sequence[OperationView]":
        """Answer the operations that the database knows, by name."""
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_OPERATIONS)).fetchall()
        return [OperationView(*row) for row in rows]

    def _reading(self, tenant_id: str | None) -> AbstractAsyncContextManager[Connection]:
        return self._database.system_tx() if tenant_id is None else self._database.tenant_tx(tenant_id)


def progress_of(run: Run, now: datetime) -> RunProgress:
    """Answer how far a run's application is. Example: `progress_of(run, datetime.now(UTC)).eta_s`."""
    done = run.applied + run.conflicts + run.failed + run.skipped
    total = done + run.to_do
    if run.started_at is None or not done:
        return RunProgress(done, total, None, None)
    took_s = max(((run.finished_at or now) - run.started_at).total_seconds(), 0.001)
    rate = done / took_s
    return RunProgress(
        done, total, round(rate, 1), round((total - done) / rate, 1) if run.finished_at is None else None
    )


async def read_run(tx: Connection, run_id: str) -> Run:
    """Answer a run as this transaction may see it. Example: `run = await read_run(tx, run_id)`."""
    if not is_id(run_id):
        raise NotFound("run", run_id)
    values = {"id": run_id, "before": None, "operation": None, "state": None, "author": None, "rollback_of": None}
    row = await (await tx.execute(_RUNS, {**values, "limit": 1})).fetchone()
    if row is None:
        raise NotFound("run", run_id)
    return _run(row)


def columns_by_store(stores: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Answer the names of the columns of each store of a run, in the order of its images."""
    return {
        str(store["store"]): tuple(
            column["name"] if isinstance(column, Mapping) else str(column) for column in store["columns"]
        )
        for store in stores
    }


def _run(row: Sequence[Any]) -> Run:
    return Run(**dict(zip(_FIELDS, row, strict=True)))


def _change_values(run_id: str, where: ChangeFilter) -> dict[str, Any]:
    return {
        "id": run_id,
        "kind": where.kind,
        "state": where.state,
        "store": where.store,
        "subject": where.subject,
    }


def _change(row: Sequence[Any], columns: Mapping[str, tuple[str, ...]]) -> Change:
    (
        run_id,
        seq,
        store,
        kind,
        state,
        ask,
        accepted,
        unit,
        subject,
        scope,
        key,
        to_key,
        before,
        after,
        reason,
        outcome,
    ) = row
    names = columns.get(store, ())
    return Change(
        run_id=run_id,
        seq=seq,
        store=store,
        kind=kind,
        state=state,
        ask=ask,
        accepted=accepted,
        unit=unit,
        subject=subject,
        scope=scope,
        key=tuple(key),
        to_key=None if to_key is None else tuple(to_key),
        before=None if before is None else dict(zip(names, before, strict=False)),
        after=None if after is None else dict(zip(names, after, strict=False)),
        reason=reason,
        outcome=outcome,
    )
