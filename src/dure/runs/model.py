"""The values of runs: what an operation drafts, what a plan holds, and a run as it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Key = tuple[str, ...]
Image = tuple[str | None, ...]
"""A record, as the exact text of each of its store's columns, in the order that the run's store says."""

Kind = Literal["create", "update", "delete", "move", "keep"]
"""A `move` is the leaving half of a record that goes elsewhere: another change of its unit creates it there."""
KINDS: tuple[Kind, ...] = ("create", "update", "delete", "move", "keep")
RunState = Literal[
    "planning", "planned", "approved", "applying", "applied", "partial", "failed", "cancelled", "rejected", "expired",
    "refused", "empty",
]  # fmt: skip
RUN_OVER: frozenset[str] = frozenset(
    {"applied", "partial", "failed", "cancelled", "rejected", "expired", "refused", "empty"}
)
ChangeState = Literal["planned", "asked", "kept", "intended", "applied", "conflict", "failed", "skipped"]
Then = Literal["plan", "approve", "apply"]
"""What follows a plan: nothing, its application once it is approved, or at once."""
Mode = Literal["strict", "clean_only", "force"]
Approval = Literal["none", "one", "other"]
"""Who must say yes before a plan is applied: nobody but who applies it, anyone, or a person other than the author."""

SEQ_PER_SLICE = 10_000_000
CHUNKS_PER_SLICE = 10_000
CHUNK_CHANGES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a key of the catalogue (`reasons.<code>` or an app's table) and what its sentence names.

    Example: `Reason("inactive", {"days": 400})`. A plain sentence is `Reason.of("not seen for a year")`.
    """

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, why: "Reason | str | None") -> "Reason | None":
        """Answer a reason for what a planner gave: nothing, a sentence, or a reason."""
        if isinstance(why, str):
            return cls("said", {"text": why[:2000]})
        return why

    def to_json(self) -> dict[str, Any]:
        """Answer it as the database keeps it."""
        return {"code": self.code, "params": dict(self.params)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One change as an operation's `plan` yields it; made by a store's handle, completed by the store.

    A tuple of drafts that is yielded together is done together or not at all.
    """

    store: str
    kind: Kind
    key: Key | None = None
    """None for a record to create whose key follows from its values or their defaults."""
    values: Mapping[str, Any] | None = None
    """Of a table's row: the columns that are given (create) or changed (update), as Python values."""
    before: Image | None = None
    """Of an outside store's record, as it was read while planning."""
    after: Image | None = None
    to_key: Key | None = None
    revision: str | None = None
    ask: bool = False
    """A question: done only when a person says yes."""
    reason: Reason | None = None
    subject: str | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One change as the plan holds it: complete, with the record before and after."""

    store: str
    kind: Kind
    key: Key
    undoes: int | None = None
    """In a rollback, the place in the source's plan of the change that this one takes back."""
    to_key: Key | None = None
    before: Image | None = None
    after: Image | None = None
    revision: str | None = None
    ask: bool = False
    reason: Reason | None = None
    subject: str | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it stands, for people and programs."""

    id: str
    tenant_id: str
    operation: str
    rollback_of: str | None
    mode: Mode | None
    params: Mapping[str, Any]
    author: str
    note: str
    state: RunState
    reason: Mapping[str, Any] | None
    stores: Sequence[Mapping[str, Any]]
    counts: Mapping[str, Any]
    """`{"create": 1, "update": 0, "delete": 2, "move": 0, "keep": 3, "ask": 1}` once planned."""
    guards: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]
    """What whoever decides should know besides, as reasons."""
    population: int | None
    plan_hash: str | None
    job_id: str | None
    paused_at: datetime | None
    created_at: datetime
    planned_at: datetime | None
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    applied: int
    conflicts: int
    failed: int
    skipped: int
    to_do: int
    """Changes that are planned and not yet applied, failed, in conflict or skipped."""
    rolled_back: Literal["no", "partly", "wholly"]
    """Derived from its rollback runs."""
    then_do: Then = "plan"
    asked_by_job: str | None = None
    """The job, of a schedule, that asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change as it stands."""

    run_id: str
    seq: int
    store: str
    kind: Kind
    state: ChangeState
    ask: bool
    accepted: bool | None
    unit: int | None
    subject: str | None
    scope: str
    key: Key
    to_key: Key | None
    before: Mapping[str, str | None] | None
    """By column name."""
    after: Mapping[str, str | None] | None
    reason: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None
    """Why it did not go as planned."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a chunk's changes."""

    applied: int = 0
    conflicts: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.applied + other.applied,
            self.conflicts + other.conflicts,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )
