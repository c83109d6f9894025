"""Calendars: days, days of the week and hours at which a schedule does not fire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dure.errors import Invalid
from dure.schedule.documents import (
    MOMENT_EXAMPLE,
    check_distinct,
    check_fields,
    read_list,
    read_moment,
    read_time_of_day,
    read_weekdays,
)
from dure.schedule.kinds import WEEKDAYS, Weekday

DAYS_MAX = 1000
BLACKOUTS_MAX = 200
NAME_CHARS_MAX = 100

BlockedKind = Literal["day", "weekday", "period", "daily"]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the schedule's zone. Example: `Day(date(2026, 12, 25), "Christmas")`."""

    date: date
    name: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment on and before another. Example: `Period(begin, end, "the move to another centre")`."""

    begin: datetime
    end: datetime
    name: str = ""


@dataclass(frozen=True, slots=True)
class DailyHours:
    """Every day from one time of day on and before another, over midnight where the second is the earlier one.

    Example: `DailyHours("22:00", "06:00", "night")`.
    """

    begin: str
    end: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What keeps a schedule from firing: which entry of its calendar, and that entry's name."""

    kind: BlockedKind
    entry: str
    """Where the entry stands in the calendar's document, as `days[0]`."""
    name: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a schedule does not fire. Example: `Calendar(weekdays=("sat", "sun")).blocks(fire_at, zone)`."""

    days: tuple[Day, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    blackouts: tuple[Period | DailyHours, ...] = ()

    def blocks(self, instant: datetime, zone: ZoneInfo) -> Blocked | None:
        """Answer the first entry that keeps a schedule of this zone from firing at this moment, or none."""
        wall = instant.astimezone(zone)
        for index, day in enumerate(self.days):
            if day.date == wall.date():
                return Blocked("day", f"days[{index}]", day.name or day.date.isoformat())
        weekday = WEEKDAYS[wall.weekday()]
        if weekday in self.weekdays:
            return Blocked("weekday", f"weekdays[{self.weekdays.index(weekday)}]", weekday)
        for index, blackout in enumerate(self.blackouts):
            if (kind := _covers(blackout, instant, wall.time())) is not None:
                return Blocked(kind, f"blackouts[{index}]", blackout.name or _range_text(blackout, zone))
        return None


def calendar_from(document: Mapping[str, Any]) -> Calendar:
    """Answer the calendar of a document, or say which field is wrong with it.

    Example: `calendar_from({"days": [{"date": "2026-12-25", "name": "Christmas"}], "weekdays": ["sat", "sun"]})`.
    """
    check_fields(document, "calendar", (), ("days", "weekdays", "blackouts"))
    days = _entries(document, "days", DAYS_MAX, _day)
    check_distinct([day.date for day in days], "calendar.days")
    weekdays = document.get("weekdays")
    return Calendar(
        days=tuple(days),
        weekdays=() if _is_empty(weekdays) else tuple(read_weekdays(weekdays, "calendar.weekdays")),
        blackouts=tuple(_entries(document, "blackouts", BLACKOUTS_MAX, _blackout)),
    )


def calendar_to(calendar: Calendar) -> dict[str, Any]:
    """Answer the document of a calendar. Example: `calendar_to(Calendar(weekdays=("sun",)))`."""
    return {
        "days": [{"date": day.date.isoformat(), "name": day.name} for day in calendar.days],
        "weekdays": list(calendar.weekdays),
        "blackouts": [_blackout_to(blackout) for blackout in calendar.blackouts],
    }


def _covers(blackout: Period | DailyHours, instant: datetime, clock: time) -> BlockedKind | None:
    if isinstance(blackout, Period):
        return "period" if blackout.begin <= instant < blackout.end else None
    begin, end = time.fromisoformat(blackout.begin), time.fromisoformat(blackout.end)
    covered = begin <= clock < end if begin < end else clock >= begin or clock < end
    return "daily" if covered else None


def _range_text(blackout: Period | DailyHours, zone: ZoneInfo) -> str:
    if isinstance(blackout, DailyHours):
        return f"{blackout.begin} – {blackout.end}"
    begin, end = (moment.astimezone(zone).isoformat(timespec="minutes") for moment in (blackout.begin, blackout.end))
    return f"{begin} – {end}"


def _entries(document: Mapping[str, Any], name: str, most: int, read: Callable[[Any, str], Any]) -> list[Any]:
    values, field = document.get(name), f"calendar.{name}"
    if _is_empty(values):
        return []
    return [read(value, f"{field}[{index}]") for index, value in enumerate(read_list(values, field, most=most))]


def _is_empty(values: object) -> bool:
    return values is None or values == []


def _day(value: Any, field: str) -> Day:
    check_fields(value, field, ("date",), ("name",))
    return Day(_date(value["date"], f"{field}.date"), _name(value, field))


def _blackout(value: Any, field: str) -> Period | DailyHours:
    if isinstance(value, Mapping) and "daily" in value:
        check_fields(value, field, ("daily",), ("name",))
        return _daily(value, field)
    check_fields(value, field, ("from", "to"), ("name",))
    begin, end = read_moment(value["from"], f"{field}.from"), read_moment(value["to"], f"{field}.to")
    if end <= begin:
        raise Invalid(field=f"{field}.to", reason="rule.not_after", other="from")
    return Period(begin, end, _name(value, field))


def _daily(value: Mapping[str, Any], field: str) -> DailyHours:
    where = f"{field}.daily"
    times = [read_time_of_day(text, where) for text in read_list(value["daily"], where, most=2)]
    if len(times) < 2:
        raise Invalid(field=where, reason="wrong_format", expected='["22:00", "06:00"]')
    check_distinct(times, where)
    return DailyHours(times[0], times[1], _name(value, field))


def _date(value: object, field: str) -> date:
    if not isinstance(value, str):
        raise Invalid(field=field, reason="wrong_type", expected="str")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Invalid(field=field, reason="wrong_format", expected=MOMENT_EXAMPLE[:10]) from None


def _name(value: Mapping[str, Any], field: str) -> str:
    name = value.get("name") or ""
    if not isinstance(name, str):
        raise Invalid(field=f"{field}.name", reason="wrong_type", expected="str")
    if len(name) > NAME_CHARS_MAX:
        raise Invalid(field=f"{field}.name", reason="too_long", length=len(name), max=NAME_CHARS_MAX)
    if "\x00" in name:
        raise Invalid(field=f"{field}.name", reason="nul_byte")
    return name


def _blackout_to(blackout: Period | DailyHours) -> dict[str, Any]:
    if isinstance(blackout, DailyHours):
        return {"daily": [blackout.begin, blackout.end], "name": blackout.name}
    return {"from": blackout.begin.isoformat(), "to": blackout.end.isoformat(), "name": blackout.name}
