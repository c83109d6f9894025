"""From rows to values, and the few statements that the files beside this one share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import DureError, NotFound, Unavailable
from dure.queue.client import enqueue_on
from dure.queue.model import NewJob
from dure.schedule.calendars import Calendar, calendar_from
from dure.schedule.due import Entry
from dure.schedule.model import Backfill, Cause, Fire, Schedule, Why, Window, columns_of, why
from dure.schedule.placeholders import fill
from dure.schedule.rules import Timing, jitter, rule_from, zone_of

BEGIN_RUN_JOB = "dure.run.begin"
OPEN_JOBS_MAX = 100
"""So many open jobs of a schedule are looked after, to know whether one of them still runs."""
AUTHOR_CHARS_MAX = 200

AWAY = (Unavailable, psycopg.OperationalError)
"""What is nobody's fault: the database is away, or two waited for each other. It is tried again."""
TEXT_CHARS_MAX = 2_000

SCHEDULES = load("dure.schedule", "schedules_read")
WINDOWS = load("dure.schedule", "windows_read")
BACKFILLS = load("dure.schedule", "backfills_read")
CALENDARS = load("dure.schedule", "calendar_read")
_NOW = load("dure.schedule", "now")
_LOCK = load("dure.schedule", "schedule_lock")
_FIRES = load("dure.schedule", "fires_insert")
_ADVANCE = load("dure.schedule", "schedules_advance")
_RECORD = load("dure.queue", "record")

_SCHEDULE = columns_of(Schedule)
_FIRE = columns_of(Fire)
_BACKFILL = columns_of(Backfill)
_WINDOW = columns_of(Window)


def schedule_of(row: Sequence[Any]) -> Schedule:
    """Make a schedule of a row of `sql/schedules_read.sql`."""
    return Schedule(**dict(zip(_SCHEDULE, row, strict=True)))


def fire_of(row: Sequence[Any]) -> Fire:
    """Make a fire of a row of `sql/fires_read.sql`."""
    return Fire(**dict(zip(_FIRE, row, strict=True)))


def backfill_of(row: Sequence[Any]) -> Backfill:
    """Make a backfill of a row of `sql/backfills_read.sql`."""
    return Backfill(**dict(zip(_BACKFILL, row, strict=True)))


def window_of(row: Sequence[Any]) -> Window:
    """Make a window of a row of `sql/windows_read.sql`."""
    return Window(**dict(zip(_WINDOW, row, strict=True)))


async def read_schedules(
    tx: Connection,
    *,
    tenant_id: str | None = None,
    ids: Sequence[str] | None = None,
    name: str | None = None,
    before: str | None = None,
    limit: int = 1_000,
) -> list[Schedule]:
    """Read schedules: those with some ids (windows' and deleted ones too), the one of a name, or the newest."""
    values = {
        "id": None, "ids": None if ids is None else list(ids), "name": name, "tenant_id": tenant_id, "before": before,
        "limit": limit,
    }  # fmt: skip
    return [schedule_of(row) for row in await (await tx.execute(SCHEDULES, values)).fetchall()]


async def read_schedule(tx: Connection, schedule_id: str) -> Schedule:
    """Read one schedule by its id."""
    found = await read_schedules(tx, ids=[schedule_id], limit=1)
    if not found:
        raise NotFound("schedule", schedule_id)
    return found[0]


async def lock_schedule(tx: Connection, tenant_id: str | None, ref: str) -> tuple[Schedule, datetime]:
    """Hold a schedule, by its name or id; answer it as it stands, and the time by which is decided."""
    row = await (await tx.execute(_LOCK, {"ref": ref, "tenant_id": tenant_id})).fetchone()
    if row is None:
        raise NotFound("schedule", ref)
    return await read_schedule(tx, str(row[0])), row[1]


async def calendar_of(tx: Connection, schedule: Schedule) -> Calendar | None:
    """Answer the calendar that a schedule names."""
    if schedule.calendar is None:
        return None
    values = {"tenant_id": schedule.tenant_id, "name": schedule.calendar, "limit": 1}
    row = await (await tx.execute(CALENDARS, values)).fetchone()
    return None if row is None else calendar_from(row[1])


async def now_of(tx: Connection) -> datetime:
    """Answer the time by which Dure decides."""
    row = await (await tx.execute(_NOW)).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


async def record(tx: Connection, tenant_id: str, actor: str, verb: str, subject: str, **detail: Any) -> None:
    """Note what happened, in the transaction in which it happens."""
    values = {
        "actor": actor, "verb": verb, "subject": subject, "tenant_id": tenant_id,
        "detail": json.dumps(detail, ensure_ascii=False, default=str),
    }  # fmt: skip
    await tx.execute(_RECORD, values)


def timing_of(schedule: Schedule) -> Timing:
    """Answer when a schedule fires; `Invalid` names what is wrong with a row that nobody of us wrote."""
    return Timing(
        rule=rule_from(schedule.rule),
        zone=zone_of(schedule.zone),
        shift=jitter(schedule.id, schedule.jitter_s),
        starts_at=schedule.starts_at,
        ends_at=schedule.ends_at,
    )


def job_of(schedule: Schedule, fire_at: datetime, params: Mapping[str, Any] | None = None) -> NewJob:
    """Answer the job that a fire makes; the time without its jitter is what parameters are told."""
    nominal_at = fire_at - jitter(schedule.id, schedule.jitter_s)
    filled = fill(
        schedule.params if params is None else params,
        fire_at=nominal_at,
        zone=zone_of(schedule.zone),
        name=schedule.name,
    )
    options = dict(schedule.options)
    tags = tuple(options.pop("tags", ()))
    if schedule.operation is not None:
        author = f"schedule:{schedule.name}"[:AUTHOR_CHARS_MAX]
        filled = {"operation": schedule.operation, "params": filled, "mode": schedule.mode, "author": author}
        return NewJob(handler=BEGIN_RUN_JOB, params=filled, tags=tags, **options)
    deadline_at = None
    if schedule.window_id is not None:
        filled, deadline_at = {**filled, "window_id": schedule.window_id}, schedule.ends_at
    return NewJob(handler=schedule.handler or "", params=filled, tags=tags, deadline_at=deadline_at, **options)


async def make_jobs(tx: Connection, wanted: Sequence[tuple[Schedule, NewJob]]) -> list[str]:
    """Ask for jobs, many of one tenant in one message; answer their ids in the order asked."""
    ids = [""] * len(wanted)
    by_tenant: dict[str, list[int]] = {}
    for place, (schedule, _) in enumerate(wanted):
        by_tenant.setdefault(schedule.tenant_id, []).append(place)
    for tenant_id, places in sorted(by_tenant.items()):
        made = await enqueue_on(tx, tenant_id, [wanted[place][1] for place in places])
        for place, enqueued in zip(places, made, strict=True):
            ids[place] = enqueued.id
    return ids


async def write_fires(
    tx: Connection,
    rows: Sequence[tuple[Schedule, Entry, str | None]],
    *,
    cause: Cause = "due",
    actor: str | None = None,
) -> None:
    """Write what became of fires: the schedule, the row, and its job if it made one."""
    if not rows:
        return
    values = {
        "cause": cause,
        "actor": actor,
        "schedules": [schedule.id for schedule, _, _ in rows],
        "fires": [entry.fire_at for _, entry, _ in rows],
        "tenants": [schedule.tenant_id for schedule, _, _ in rows],
        "outcomes": [entry.outcome for _, entry, _ in rows],
        "reasons": [None if entry.reason is None else json.dumps(entry.reason, default=str) for _, entry, _ in rows],
        "jobs": [job_id for _, _, job_id in rows],
        "until": [entry.until_at for _, entry, _ in rows],
        "counts": [entry.count for _, entry, _ in rows],
    }
    await tx.execute(_FIRES, values)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a schedule stands after a look: when it fires next, when it fired last, and the jobs that it made."""

    schedule_id: str
    next_at: datetime | None
    last_at: datetime | None = None
    jobs: tuple[str, ...] = ()


async def advance(tx: Connection, steps: Sequence[Step]) -> None:
    """Write where schedules stand after a look."""
    if not steps:
        return
    values = {
        "ids": [step.schedule_id for step in steps],
        "next": [step.next_at for step in steps],
        "last": [step.last_at for step in steps],
        "jobs": [",".join(step.jobs) for step in steps],
        "most": OPEN_JOBS_MAX,
    }
    await tx.execute(_ADVANCE, values)


def why_not(error: Exception) -> Why:
    """Answer the reason that is stored for what could not be done."""
    if isinstance(error, DureError):
        return why(error.code, text=error.text()[:TEXT_CHARS_MAX])
    return why("error", text=f"{type(error).__name__}: {error}"[:TEXT_CHARS_MAX])
