"""The kinds of rules that say when a schedule fires, and their limits. Only values: `dure.schedule.rules` reckons."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
"""Monday first, as `date.weekday()` counts."""

TIMES_MAX = 96
"""Times of day that one rule may name: every quarter of an hour."""

LAST_DAY = -1
"""The last day of a month, whichever it is."""

MONTH_DAYS_MAX = 32
"""Days of the month that one rule may name: all of them, and the last."""

CRON_CHARS_MAX = 200
EVERY_S_MIN = 1
EVERY_S_MAX = 366 * 86_400

FIRST_YEAR = 1900
LAST_YEAR = 2999
"""Nothing fires before the first of these years or after the last: within them no date overflows in any zone."""

YEARS_AHEAD_MAX = 50
"""A rule that matches no day for so many years is over."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields as Debian's cron reads them. Example: `Cron("30 9 * * 1-5")`."""

    expr: str


@dataclass(frozen=True, slots=True)
class Daily:
    """Every day, at times of day. Example: `Daily(at=("09:00", "18:00"))`."""

    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Weekly:
    """On days of the week, at times of day. Example: `Weekly(days=("sun",), at=("09:00",))`."""

    days: tuple[Weekday, ...]
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Monthly:
    """On days of the month, -1 being the last; where a month lacks a day, on its last.

    Example: `Monthly(days=(1, -1), at=("09:00",))`.
    """

    days: tuple[int, ...]
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds of elapsed time, counted from the anchor in both directions; no zone matters.

    Example: `Interval(every_s=900)`; without an anchor it counts from the schedule's start.
    """

    every_s: int
    anchor: datetime | None = None


@dataclass(frozen=True, slots=True)
class Once:
    """At one moment. Example: `Once(at=datetime(2030, 1, 1, 9, tzinfo=UTC))`."""

    at: datetime


Rule: TypeAlias = Cron | Daily | Weekly | Monthly | Interval | Once
