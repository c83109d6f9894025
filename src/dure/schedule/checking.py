"""What may be asked of schedules and windows: each refusal names the field."""

from collections.abc import Collection, Container, Mapping
from datetime import datetime
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Invalid, NotFound, UnknownHandler
from dure.queue.payload import encode
from dure.schedule.calendars import calendar_from, calendar_to
from dure.schedule.documents import read_moment
from dure.schedule.model import CATCH_UPS, MODES, OVERLAPS, NewSchedule
from dure.schedule.placeholders import check_placeholders
from dure.schedule.rules import Interval, Once, rule_from, rule_to, zone_of

NAME_CHARS_MAX = 200
PARAMS_CHARS_MAX = 100_000
CATCH_UP_MAX = 1_000
JITTER_S_MAX = 86_400
OPTIONS: Mapping[str, tuple[type, ...]] = {
    "queue": (str,), "priority": (int,), "max_retries": (int,), "timeout_s": (int, float), "tags": (list, tuple),
}  # fmt: skip

_NEW_ID = load("dure.schedule", "new_id")
_HANDLER = load("dure.schedule", "handler_known")
_OPERATION = load("dure.schedule", "operation_known")
_CALENDAR = load("dure.schedule", "calendar_read")


async def new_id(tx: Connection) -> str:
    """Answer a new id that sorts by the database's time."""
    row = await (await tx.execute(_NEW_ID)).fetchone()
    assert row is not None
    return str(row[0])


def to_json(value: Any, field: str = "params") -> str:
    """Answer the JSON of a value that is stored, or refuse what no JSON of the database holds."""
    return encode(value, field=field)


def require_number(field: str, value: Any, low: int, high: int) -> int:
    """Answer a whole number within its limits, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(field=field, reason="wrong_type", expected="int")
    if not low <= value <= high:
        raise Invalid(field=field, reason="out_of_range", min=low, max=high)
    return value


def require_one_of(field: str, value: Any, allowed: Collection[str]) -> str:
    """Answer one of some words, or refuse it."""
    if value not in allowed:
        raise Invalid(field=field, reason="not_one_of", expected=", ".join(allowed))
    return str(value)


def require_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what may be said about a schedule's jobs, or refuse it."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise Invalid(field=f"options.{name}", reason="unknown_field")
        if isinstance(value, bool) or not isinstance(value, OPTIONS[name]):
            raise Invalid(field=f"options.{name}", reason="wrong_type", expected=OPTIONS[name][0].__name__)
    return dict(options)


async def require_handler(tx: Connection, handler: str) -> None:
    """Refuse a handler that the database does not know."""
    if await (await tx.execute(_HANDLER, {"handler": handler})).fetchone() is None:
        raise UnknownHandler(handler)


async def require_target(tx: Connection, wanted: NewSchedule, operations: Container[str]) -> None:
    """Refuse a schedule of nothing, of two things, or of something that nobody knows."""
    if (wanted.handler is None) == (wanted.operation is None):
        reason = "missing" if wanted.handler is None else "not_both"
        raise Invalid(field="handler", reason=reason, other="operation")
    if wanted.handler is not None:
        if wanted.mode is not None:
            raise Invalid(field="mode", reason="not_both", other="handler")
        await require_handler(tx, wanted.handler)
    elif wanted.operation not in operations:
        known = await (await tx.execute(_OPERATION, {"operation": wanted.operation})).fetchone()
        if known is None:
            raise NotFound("operation", wanted.operation)


async def require_calendar(tx: Connection, tenant_id: str, name: str | None) -> None:
    """Refuse the name of a calendar that is not there."""
    if name is not None:
        values = {"tenant_id": tenant_id, "name": name, "limit": 1}
        if await (await tx.execute(_CALENDAR, values)).fetchone() is None:
            raise NotFound("calendar", name)


def stored(wanted: NewSchedule, now: datetime) -> dict[str, Any]:
    """Answer the columns of a schedule that is wanted, each checked; what follows from now is written down."""
    if not isinstance(wanted.name, str) or not wanted.name.strip() or len(wanted.name) > NAME_CHARS_MAX:
        raise Invalid(field="name", reason="out_of_range", min=1, max=NAME_CHARS_MAX)
    if wanted.name.startswith("window:"):
        raise Invalid(field="name", reason="reserved", prefix="window:")
    zone_of(wanted.zone)
    for field, at in (("starts_at", wanted.starts_at), ("ends_at", wanted.ends_at)):
        if at is not None and not isinstance(at, datetime):
            raise Invalid(field=field, reason="wrong_type", expected="datetime")
        if at is not None:
            read_moment(at, field)
    if wanted.starts_at and wanted.ends_at and wanted.ends_at <= wanted.starts_at:
        raise Invalid(field="ends_at", reason="before_start")
    require_number("catch_up_max", wanted.catch_up_max, 1, CATCH_UP_MAX)
    require_number("jitter_s", wanted.jitter_s, 0, JITTER_S_MAX)
    if not isinstance(wanted.params, Mapping):
        raise Invalid(field="params", reason="wrong_type", expected="object")
    check_placeholders(wanted.params)
    params = to_json(dict(wanted.params))
    if len(params) > PARAMS_CHARS_MAX:
        raise Invalid(field="params", reason="too_large", size_bytes=len(params), max_bytes=PARAMS_CHARS_MAX)
    return {
        "name": wanted.name, "rule": to_json(_rule(wanted, now)), "zone": wanted.zone, "handler": wanted.handler,
        "operation": wanted.operation, "params": params, "mode": _mode(wanted),
        "catch_up": require_one_of("catch_up", wanted.catch_up, CATCH_UPS), "catch_up_max": wanted.catch_up_max,
        "overlap": require_one_of("overlap", wanted.overlap, OVERLAPS), "jitter_s": wanted.jitter_s,
        "calendar": wanted.calendar, "starts_at": wanted.starts_at, "ends_at": wanted.ends_at,
        "options": to_json(require_options(wanted.options)),
    }  # fmt: skip


def _mode(wanted: NewSchedule) -> str | None:
    if wanted.operation is None:
        return wanted.mode
    if "queue" in wanted.options:
        # The jobs of runs have a queue of their own.
        raise Invalid(field="options.queue", reason="not_both", other="operation")
    return require_one_of("mode", wanted.mode or "plan", MODES)


def stored_calendar(entries: Mapping[str, Any]) -> str:
    """Answer a calendar's entries as they are kept, checked."""
    return to_json(calendar_to(calendar_from(entries)), "entries")


def _rule(wanted: NewSchedule, now: datetime) -> dict[str, Any]:
    """Answer the rule's document, checked; an interval without an anchor begins at its start, or now."""
    rule = rule_from(wanted.rule)
    if isinstance(rule, Interval) and rule.anchor is None:
        rule = Interval(rule.every_s, wanted.starts_at or now)
    if isinstance(rule, Once) and wanted.jitter_s:
        raise Invalid(field="jitter_s", reason="not_both", other="once")
    return dict(rule_to(rule))
