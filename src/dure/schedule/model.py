"""The values of schedules: one that is wanted, one as it stands, what it fired, its backfills, and windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from dure.lang import knows, say

Mode = Literal["plan", "approve", "apply"]
CatchUp = Literal["latest", "none", "all"]
Overlap = Literal["skip", "queue", "allow"]
ScheduleState = Literal["active", "paused", "snoozed", "disabled", "over", "deleted"]
Cause = Literal["due", "manual"]
Outcome = Literal["made", "skipped", "missed", "waiting"]
Which = Literal["missing", "failed", "all"]
BackfillState = Literal["running", "paused", "done", "cancelled"]
BackfillFireState = Literal["pending", "made", "completed", "failed", "cancelled"]
WindowState = Literal["open", "stopped", "elapsed", "failed"]

MODES: tuple[Mode, ...] = get_args(Mode)
CATCH_UPS: tuple[CatchUp, ...] = get_args(CatchUp)
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
BACKFILL_STATES: tuple[BackfillState, ...] = get_args(BackfillState)
WHICH: tuple[Which, ...] = get_args(Which)

Why = Mapping[str, Any]
"""A reason: its `code`, and the `params` of its sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule that is wanted: of a handler or of an operation.

    Example: `NewSchedule(name="nightly", rule={"kind": "daily", "at": ["02:00"]}, handler="report.write")`.
    """

    name: str
    rule: Mapping[str, Any]
    zone: str = "UTC"
    handler: str | None = None
    operation: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    mode: str | None = None
    """Of an operation: plan only, plan and apply what was approved, or apply; `plan` when not said."""
    catch_up: str = "latest"
    catch_up_max: int = 10
    overlap: str = "skip"
    jitter_s: int = 0
    calendar: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of its jobs: queue, priority, max_retries, timeout_s, tags."""
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it stands."""

    id: str
    tenant_id: str
    name: str
    rule: Mapping[str, Any]
    zone: str
    handler: str | None
    operation: str | None
    params: Mapping[str, Any]
    mode: Mode | None
    catch_up: CatchUp
    catch_up_max: int
    overlap: Overlap
    jitter_s: int
    calendar: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    options: Mapping[str, Any]
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    last_job_id: str | None
    paused_at: datetime | None
    paused_by: str | None
    snoozed_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: Why | None
    window_id: str | None
    revision: int
    author: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @property
    def state(self) -> ScheduleState:
        """Answer how it stands, the strongest reason first."""
        if self.deleted_at is not None:
            return "deleted"
        if self.disabled_at is not None:
            return "disabled"
        if self.paused_at is not None:
            return "paused"
        if self.snoozed_until is not None:
            return "snoozed"
        return "active" if self.next_fire_at is not None else "over"

    @property
    def target(self) -> str:
        """Answer what it starts: its handler or its operation."""
        return self.handler or self.operation or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """A fire: the job that it made, or why it made none. With `until_at` it stands for `count` fires from `fire_at`."""

    schedule_id: str
    fire_at: datetime
    cause: Cause
    outcome: Outcome
    reason: Why | None
    job_id: str | None
    until_at: datetime | None
    count: int
    actor: str | None
    created_at: datetime
    job_state: str | None = None

    def text(self, lang: str | None = None) -> str:
        """Answer why it made no job, as a sentence; nothing for one that made a job."""
        return reason_text(self.reason, lang)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A range of a schedule's past that is done again, or for the first time, and how far it is."""

    id: str
    tenant_id: str
    schedule_id: str
    from_at: datetime
    until_at: datetime
    which: Which
    at_once: int
    state: BackfillState
    author: str
    created_at: datetime
    finished_at: datetime | None
    reason: Why | None
    """Why it rests, when its jobs cannot be made."""
    counts: Mapping[str, int]
    """How many of its fires are pending, made, completed, failed, cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillFire:
    """One fire of a backfill."""

    fire_at: datetime
    state: str
    job_id: str | None
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window: open until `ends_at`, or closed, and how."""

    id: str
    tenant_id: str
    key: str
    schedule_id: str
    handler: str
    params: Mapping[str, Any]
    every_s: int
    state: WindowState
    started_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: Why | None
    author: str
    ticks: int
    last_tick_at: datetime | None
    last_job_id: str | None

    @property
    def is_open(self) -> bool:
        """Whether ticks may still start."""
        return self.state == "open"

    def text(self, lang: str | None = None) -> str:
        """Answer why it was closed, as a sentence."""
        return reason_text(self.reason, lang)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A schedule whose stored next fire is not what its rule says now."""

    schedule: Schedule
    expected_at: datetime | None


def why(code: str, **params: Any) -> Why:
    """Answer a reason as it is stored. Example: `why("missed", policy="latest")`."""
    return {"code": code, "params": params}


def reason_text(reason: Why | None, lang: str | None = None) -> str:
    """Answer a stored reason as a sentence; one that this version does not know by its code."""
    if reason is None:
        return ""
    key = f"schedule.reasons.{reason['code']}"
    params = dict(reason.get("params") or {})
    if reason["code"] == "weekday":
        params["name"] = say(f"schedule.weekdays.{params['name']}", lang)
    if not knows(key):
        return str(params.get("text") or reason["code"])
    try:
        return say(key, lang, **params)
    except KeyError:
        return str(reason["code"])


def columns_of(kind: Any) -> tuple[str, ...]:
    """Answer a value's fields, in order: what its statement selects. Example: `columns_of(Fire)`."""
    return tuple(kind.__dataclass_fields__)
