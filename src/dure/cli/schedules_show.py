"""Schedules on a screen, and as documents: how they stand, what is to come, what they fired."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dure.cli import output
from dure.cli.painted import paint, visible, width
from dure.errors import Invalid
from dure.lang import say
from dure.schedule.ahead import Ahead, described
from dure.schedule.clocks import zone_of
from dure.schedule.model import Fire, Schedule, reason_text

BLOCKED = "✗"
BLOCKED_STYLE = "strike dim"
STYLES = {"made": "", "waiting": "yellow", "skipped": "dim", "missed": "red"}


def schedule_document(schedule: Schedule) -> dict[str, Any]:
    """Answer a schedule as a program reads it, with its state and when it fires in words."""
    return {
        **output.plain(schedule),
        "state": schedule.state,
        "description": described(schedule),
        "disabled_reason": reason_document(schedule.disabled_reason),
    }


def fire_document(fire: Fire) -> dict[str, Any]:
    """Answer a fire as a program reads it."""
    return {**output.plain(fire), "reason": reason_document(fire.reason)}


def reason_document(reason: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Answer a reason with its sentence. Example: `reason_document({"code": "overlap"})`."""
    if reason is None:
        return None
    return {"code": reason["code"], "params": output.plain(reason.get("params") or {}), "text": reason_text(reason)}


def next_document(schedule: Schedule, fires: Sequence[Ahead], yours: ZoneInfo | None) -> dict[str, Any]:
    """Answer the next fires as a program reads them."""
    zone = zone_of(schedule.zone)
    items = [
        {
            "at": fire.at.isoformat(),
            "in_zone": fire.at.astimezone(zone).isoformat(),
            "in_yours": fire.at.astimezone(yours).isoformat(),
            "blocked": reason_document(fire.blocked),
        }
        for fire in fires
    ]
    return {"schedule_id": schedule.id, "zone": schedule.zone, "state": schedule.state, "items": items}


def print_schedules(schedules: Sequence[Schedule]) -> None:
    """Print schedules, one a line."""
    headings = [say("cli.head_name"), say("cli.head_state"), say("schedules.head_when"), say("schedules.head_next")]
    rows = [
        [visible(one.name), say(f"schedules.state_{one.state}"), described(one), one.next_fire_at, target_text(one)]
        for one in schedules
    ]
    output.table([*headings, say("cli.head_what")], rows)


def print_schedule(schedule: Schedule) -> None:
    """Print a schedule: for a program as one document, for a person what was set of it."""
    if output.wants_json():
        output.document(schedule_document(schedule))
        return
    facts: dict[str, Any] = {
        "name": visible(schedule.name),
        "state": _state_text(schedule),
        "when": described(schedule),
        "what": target_text(schedule),
        "params": dict(schedule.params),
        # What is stored of one that is held back is not when it fires.
        "next": _by_clock(schedule.next_fire_at, schedule) if schedule.state == "active" else None,
        "last": _by_clock(schedule.last_fire_at, schedule),
        "last_job": schedule.last_job_id,
        "starts": _by_clock(schedule.starts_at, schedule),
        "ends": _by_clock(schedule.ends_at, schedule),
        "catch_up": _catch_up_text(schedule),
        "overlap": say(f"schedules.overlap_{schedule.overlap}"),
        "jitter": say("schedules.jitter", count=schedule.jitter_s) if schedule.jitter_s else None,
        "calendar": schedule.calendar,
        "options": dict(schedule.options),
        "author": schedule.author,
        "revision": schedule.revision,
        "id": schedule.id,
    }
    # What was never set says nothing to a person; JSON has it all.
    shown = {name: value for name, value in facts.items() if value not in (None, {}, "")}
    output.facts({say(f"schedules.fact_{name}"): value for name, value in shown.items()})


def print_next(schedule: Schedule, fires: Sequence[Ahead], yours: ZoneInfo | None = None) -> None:
    """Print the next fires by the clocks of two zones; those that the calendar blocks are struck out, with why."""
    if not fires:
        output.note(say("schedules.no_more"))
        return
    zone = zone_of(schedule.zone)
    head = ["", schedule.zone, say("schedules.head_yours") if yours is None else yours.key, say("cli.head_why")]
    rows = [
        [BLOCKED if fire.blocked else "", clock_text(fire.at, zone), clock_text(fire.at, yours), fire.text()]
        for fire in fires
    ]
    heading, *lines = output.lay_out([head, *rows], width())
    output.line(heading)
    for fire, line in zip(fires, lines, strict=True):
        paint(line, BLOCKED_STYLE if fire.blocked else "")


def print_fires(fires: Sequence[Fire]) -> None:
    """Print what was fired and what was not, one row a line; a row may stand for many."""
    names = ("schedules.head_fired", "cli.head_outcome", "schedules.head_count", "schedules.head_job", "cli.head_state")
    head = [*(say(name) for name in names), say("cli.head_why")]
    rows = [
        [
            _span_text(fire),
            say(f"schedules.outcome_{fire.outcome}"),
            str(fire.count),
            fire.job_id or "-",
            fire.job_state or "-",
            _why_text(fire),
        ]
        for fire in fires
    ]
    heading, *lines = output.lay_out([head, *rows], width())
    output.line(heading)
    for fire, line in zip(fires, lines, strict=True):
        paint(line, STYLES[fire.outcome])


def target_text(schedule: Schedule) -> str:
    """Answer what a schedule starts; an operation with its mode."""
    if schedule.operation is None:
        return schedule.target
    return f"{schedule.operation} ({say(f'schedules.mode_{schedule.mode}')})"


def clock_text(at: datetime, zone: ZoneInfo | None) -> str:
    """Answer what clocks of a zone show, or of this machine's. Example: `2030-01-01 09:00:00+09:00`."""
    return at.astimezone(zone).isoformat(" ", "seconds")


def _by_clock(at: datetime | None, schedule: Schedule) -> str | None:
    if at is None:
        return None
    try:
        return clock_text(at, zone_of(schedule.zone))
    except Invalid:
        return output.cell(at)


def _state_text(schedule: Schedule) -> str:
    name = say(f"schedules.state_{schedule.state}")
    match schedule.state:
        case "paused":
            return say("schedules.paused_by", state=name, by=schedule.paused_by, since=output.cell(schedule.paused_at))
        case "snoozed":
            return say("schedules.snoozed_until", state=name, until=_by_clock(schedule.snoozed_until, schedule))
        case "disabled":
            since, reason = output.cell(schedule.disabled_at), reason_text(schedule.disabled_reason)
            return say("schedules.disabled_for", state=name, since=since, reason=visible(reason))
        case _:
            return name


def _catch_up_text(schedule: Schedule) -> str:
    return say(f"schedules.catch_up_{schedule.catch_up}", max=schedule.catch_up_max)


def _span_text(fire: Fire) -> str:
    first = output.cell(fire.fire_at)
    return first if fire.until_at is None else f"{first} – {output.cell(fire.until_at)}"


def _why_text(fire: Fire) -> str:
    by_hand = say("schedules.by_hand", actor=fire.actor) if fire.cause == "manual" else ""
    return " ".join(part for part in (by_hand, visible(fire.text()) if fire.reason else "") if part)
