"""One periodic task of django-celery-beat as the schedule that does the same; pure, the time is a value.

A crontab is read by Celery itself, and its sets of minutes, hours, days and months are written down as a cron rule. So
what the two spell alike and mean differently cannot slip through: Celery wants the day of the month and the day of the
week both to fit, cron is content with either.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab

from dure.contrib.celery.calling import handler_name
from dure.schedule.model import NewSchedule

PERIODS_S = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
MICROS = 1_000_000
OWN = "celery."
"""Celery's own tasks, such as the one that cleans up its result backend."""
FIELDS = {"minute": (0, 59), "hour": (0, 23), "day_of_month": (1, 31), "month_of_year": (1, 12), "day_of_week": (0, 6)}
Row = Mapping[str, Any]


class Refused(Exception):
    """A periodic task that becomes no schedule; `code` is a key of `[celery.beat]`."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class Turned:
    """The schedule that a periodic task becomes, what of it is left behind, and when Celery fires next."""

    wanted: NewSchedule
    notes: tuple[str, ...]
    fires: tuple[datetime, ...]


def turned(row: Row, now: datetime, handlers: Mapping[str, str], count: int) -> Turned:
    """Answer the schedule of a row, or raise `Refused`. Example: `turned(row, now, {"tasks.add": "sums.add"}, 3)`."""
    if row["task"].startswith(OWN):
        raise Refused("own_task")
    if row["expires"] is not None and row["expires"] <= now:
        raise Refused("expired", at=row["expires"].isoformat())
    if row["one_off"] and row["clocked_time"] is None and row["last_run_at"] is not None:
        raise Refused("has_run")
    fires = tuple(islice(celery_fires(row, now), 1 if row["one_off"] else count))
    if not fires:
        raise Refused("never_fires")
    rule, zone = _rule(row, fires[0])
    wanted = NewSchedule(
        name=row["name"],
        rule=rule,
        zone=zone,
        handler=handlers.get(row["task"]) or handler_name(row["task"]),
        params={"args": _json(row, "args", list), "kwargs": _json(row, "kwargs", dict)},
        # What Celery does: after a time of rest it fires once, and it never asks whether the last one still runs.
        catch_up="latest",
        overlap="allow",
        starts_at=row["start_time"],
        ends_at=row["expires"],
        paused=not row["enabled"],
    )
    return Turned(wanted, tuple(_left_behind(row)), fires)


def celery_fires(row: Row, now: datetime) -> Iterator[datetime]:
    """Yield when Celery fires after now, by its own reckoning. Example: `next(celery_fires(row, now))`."""
    for at in _fires(row, max(now, row["start_time"] or now)):
        if row["expires"] is not None and at >= row["expires"]:
            return
        yield at


def _fires(row: Row, after: datetime) -> Iterator[datetime]:
    if row["event"] is not None:
        raise Refused("solar", event=row["event"])
    if row["clocked_time"] is not None:
        if row["clocked_time"] <= after:
            raise Refused("past", at=row["clocked_time"].isoformat())
        yield row["clocked_time"]
    elif row["every"] is not None:
        every_s, anchor = _every_s(row), _anchor(row)
        at = anchor + timedelta(seconds=every_s) * ((after - anchor) // timedelta(seconds=every_s) + 1)
        while True:
            yield at
            at += timedelta(seconds=every_s)
    elif row["minute"] is not None:
        yield from _crontab_fires(_crontab(row), ZoneInfo(row["timezone"]), after)
    else:
        raise Refused("no_rule")


def _crontab_fires(found: crontab, zone: ZoneInfo, at: datetime) -> Iterator[datetime]:
    while True:
        start, delta, _now = found.remaining_delta(at, tz=zone)
        at = (start + delta).astimezone(UTC)
        yield at


def _rule(row: Row, first: datetime) -> tuple[dict[str, Any], str]:
    if row["one_off"] or row["clocked_time"] is not None:
        return {"kind": "once", "at": first.isoformat()}, "UTC"
    if row["every"] is not None:
        return {"kind": "interval", "every_s": _every_s(row), "anchor": _anchor(row).isoformat()}, "UTC"
    return {"kind": "cron", "expr": _expression(row, _crontab(row))}, row["timezone"]


def _crontab(row: Row) -> crontab:
    try:
        # Sunday is 7 as well, says django-celery-beat; Celery itself knows only 0.
        days = row["day_of_week"].replace("7", "0") if row["day_of_week"] in ("7",) else row["day_of_week"]
        fields = {name: row[name] for name in FIELDS} | {"day_of_week": days}
        return crontab(**fields, nowfun=lambda: datetime.now(UTC))
    except (ParseException, ValueError) as error:
        raise Refused("not_read", text=str(error)) from error


def _expression(row: Row, found: crontab) -> str:
    day, weekday = _written(found.day_of_month, "day_of_month"), _written(found.day_of_week, "day_of_week")
    if "*" not in (day, weekday):
        raise Refused("both_days")
    minute, hour = _written(found.minute, "minute"), _written(found.hour, "hour")
    return f"{minute} {hour} {day} {_written(found.month_of_year, 'month_of_year')} {weekday}"


def _written(numbers: Collection[int], field: str) -> str:
    """Write a set of numbers as a field of cron: all, every so many, or a list of ranges."""
    low, high = FIELDS[field]
    found = sorted(numbers)
    if len(found) == high - low + 1:
        return "*"
    steps = {after - before for before, after in pairwise(found)}
    if len(found) > 2 and len(steps) == 1 and (step := steps.pop()) > 1:
        return f"{found[0]}-{found[-1]}/{step}"
    ranges: list[list[int]] = []
    for number in found:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _every_s(row: Row) -> int:
    if row["period"] in PERIODS_S:
        every_s: int = row["every"] * PERIODS_S[row["period"]]
        return every_s
    if row["period"] == "microseconds" and row["every"] % MICROS == 0:
        return int(row["every"] // MICROS)
    raise Refused("too_often", every=row["every"], period=row["period"])


def _anchor(row: Row) -> datetime:
    anchor: datetime = row["last_run_at"] or row["start_time"] or row["date_changed"]
    return anchor


def _json(row: Row, name: str, kind: type) -> Any:
    try:
        value = json.loads(row[name] or ("[]" if kind is list else "{}"))
    except ValueError as error:
        raise Refused("not_json", field=name) from error
    if not isinstance(value, kind):
        raise Refused("not_json", field=name)
    return value


def _left_behind(row: Row) -> Iterator[str]:
    """Name what a schedule has no place for: it belongs to the handler, or to Celery's broker."""
    if row["queue"] or row["routing_key"]:
        yield "queue"
    if row["priority"] is not None:
        yield "priority"
    if row["expire_seconds"] is not None:
        yield "expire_seconds"
    if (row["headers"] or "{}") != "{}":
        yield "headers"
