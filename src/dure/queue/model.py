"""The values of the queue: a job that is wanted, a job as it stands, and what surrounds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

State = Literal["pending", "processing", "completed", "failed", "cancelled", "quarantined"]
OPEN: frozenset[State] = frozenset({"pending", "processing"})
ENDED: frozenset[State] = frozenset({"completed", "failed", "cancelled", "quarantined"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is asked for.

    Example: `NewJob(handler="dure.demo.echo", params={"n": 1}, priority=5)`.
    """

    handler: str
    params: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None
    """Larger runs first, -1000 to 1000, 0 when not said."""
    run_at: datetime | None = None
    delay_s: float | None = None
    deadline_at: datetime | None = None
    max_retries: int | None = None
    timeout_s: float | None = None
    unique_key: str | None = None
    unique_for_s: float | None = None
    """How long a completed job keeps its unique key; open jobs always do."""
    depends_on: tuple[str, ...] = ()
    """Ids of jobs, or the `ref`s of jobs in the same `enqueue_many`."""
    parent_id: str | None = None
    tags: tuple[str, ...] = ()
    limit_key: str | None = None
    ref: str | None = None
    """A name for this job within one `enqueue_many`; not stored."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The answer to a `NewJob`: `created` is false when its unique key was held by an earlier job."""

    id: str
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands, for people and programs."""

    id: str
    tenant_id: str
    handler: str
    queue: str
    state: State
    priority: int
    params: Any
    result: Any
    error_class: str | None
    error: str | None
    attempt: int
    retry_count: int
    max_retries: int
    crash_count: int
    blocked_by: int
    timeout_s: float | None
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    worker_id: int | None
    parent_id: str | None
    unique_key: str | None
    limit_key: str | None
    tags: tuple[str, ...]


class Claimed(NamedTuple):
    """A job in a worker's hands: what `sql/claim.sql` returns, in its order.

    A tuple, because it is made once for every job that runs: nothing is cheaper to make from a row.
    """

    id: str
    claim_id: int
    handler: str
    params_json: str
    tenant_id: str
    attempt: int
    retry_count: int
    max_retries: int
    crash_count: int
    timeout_s: float | None
    deadline_in_s: float | None
    lane_id: int
    rank: int
    bundle: str
    """The first job of the bundle that it came in line with."""
