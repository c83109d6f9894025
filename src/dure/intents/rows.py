"""Requests as rows, and how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import NotFound
from dure.queue.cursors import LAST_ID, is_id
from dure.queue.views import Scope

Decision = Literal["none", "waiting", "approved", "rejected"]
Source = Literal["api", "ask", "cli", "sql", "schedule", "retry"]

_READ = load("dure.intents", "requests_read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for, and how it stands."""

    id: str
    tenant_id: str
    key: str
    params: Mapping[str, Any]
    scope: Scope
    actor: str
    source: Source
    decision: Decision
    job_id: str | None
    retry_of: str | None
    decided_by: str | None
    decided_at: datetime | None
    note: str
    created_at: datetime
    job_state: str | None
    result: Any
    error_class: str | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    run_id: str | None
    is_new: bool = True

    @property
    def state(self) -> str:
        """`waiting` or `rejected` before there is a job; then the job's, and `partial` when some targets failed."""
        if self.decision in ("waiting", "rejected"):
            return self.decision
        result = self.result if isinstance(self.result, Mapping) else {}
        # Only of one with targets are the items named by what became of them.
        if self.job_state == "completed" and isinstance(result.get("items"), Mapping) and result.get("failed"):
            return "partial"
        # A job that was removed after its time left only this.
        return self.job_state or "removed"


async def read_requests(
    tx: Connection,
    tenant_id: str | None,
    *,
    id: str | None = None,
    key: str | None = None,
    unique_key: str | None = None,
    state: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Request]:
    """Answer requests, newest first; one by its own id or by its job's."""
    values = {
        "tenant": tenant_id, "id": id, "key": key, "unique_key": unique_key, "state": state,
        "before": before or LAST_ID, "limit": limit,
    }  # fmt: skip
    return [_request_of(row) for row in await (await tx.execute(_READ, values)).fetchall()]


async def read_request(tx: Connection, tenant_id: str | None, request_id: str) -> Request:
    """Answer a request by its id or its job's; `NotFound` when there is none."""
    found = await read_requests(tx, tenant_id, id=request_id, limit=1) if is_id(request_id) else []
    if not found:
        raise NotFound("request", request_id)
    return found[0]


def _request_of(row: Sequence[Any]) -> Request:
    names = [name for name in Request.__slots__ if name != "is_new"]
    return Request(**dict(zip(names, row, strict=True)))
