"""What people and programs read of the queue: pages of jobs, their story, and why one does not run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from dure.lang import say
from dure.queue.model import State

T = TypeVar("T")
Place = Literal["ready", "held", "later", "blocked", "processing"]
EventKind = Literal["state", "progress", "log", "end"]
Scope = Literal["viewer", "operator", "approver", "admin", "agent"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list, and where the rest begins; a page may be short before the end, where that is None.

    Example: `page = await jobs.list("acme", JobFilter()); await jobs.list("acme", JobFilter(),
    cursor=page.next_cursor)`.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; what is not said does not matter.

    Example: `JobFilter(state="failed", handler="mail.send")`.
    """

    state: State | None = None
    handler: str | None = None
    queue: str | None = None
    tag: str | None = None
    parent_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a handler wrote."""

    id: int
    attempt: int
    at: datetime
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of a job and how it ended.

    `outcome` is None while it runs, `completed` for the one that did.
    """

    attempt: int
    outcome: str | None
    worker_id: int | None
    started_at: datetime | None
    ended_at: datetime | None
    error_class: str | None
    error: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total`, if the total is known, and a line of text."""

    done: int
    total: int | None
    note: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Why:
    """Why a job does not run, or what became of it.

    Example: `Why("waits_for_time", {"run_at": "2030-01-01T00:00:00+00:00"}).text("ko")`.
    """

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """Answer one sentence in `lang`."""
        params = {name: _spoken(value) for name, value in self.params.items()}
        return say(f"why.{self.code}", lang, **params)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job; `id` is where to go on from after it."""

    id: str
    kind: EventKind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue and how many open jobs stand where in it: the reader's own, or all for the system."""

    queue: str
    paused_at: datetime | None
    paused_by: str | None
    counts: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class HandlerView:
    """A handler as it is declared in the database."""

    handler: str
    queue: str
    description: str
    params_schema: Mapping[str, Any] | None
    max_retries: int
    timeout_s: float | None
    concurrency_max: int | None
    rate_max: int | None
    rate_period_s: float | None
    key_from: str | None
    key_concurrency_max: int | None
    key_rate_max: int | None
    key_rate_period_s: float | None
    paused_at: datetime | None
    paused_by: str | None
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker and its lease; `alive` says that the lease holds by the database's clock."""

    worker_id: int
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    version: str
    lease_s: float
    lease_until: datetime
    running: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    alive: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: never its secret."""

    id: str
    tenant_id: str | None
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: what it may do, and for which tenant (None: for all).

    Example: `Principal("key:ci", "operator", "acme").may("viewer")`.
    """

    actor: str
    scope: Scope
    tenant_id: str | None = None
    key_id: str | None = field(default=None, compare=False)
    """Of the key that was shown; none where no key is needed."""

    def may(self, needed: Scope) -> bool:
        """Answer whether this scope includes `needed`; agent is apart and includes only itself."""
        if self.scope == "agent" or needed == "agent":
            return self.scope == needed
        ladder = ("viewer", "operator", "approver", "admin")
        return ladder.index(self.scope) >= ladder.index(needed)


def _spoken(value: object) -> object:
    """Lists are read out with commas, and what is not there is left out."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else value
