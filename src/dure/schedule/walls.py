"""What a rule says of the clock on the wall: days, and times of day on them. No zone and no change of clocks here."""

import calendar
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import TypeAlias, assert_never

from cronsim import CronSim

from dure.schedule.kinds import LAST_DAY, WEEKDAYS, YEARS_AHEAD_MAX, Cron, Daily, Monthly, Weekly

WallRule: TypeAlias = Cron | Daily | Weekly | Monthly
"""The rules that follow a clock on the wall."""

CRON_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}

# A range of one value with a step, which cronsim takes for a range to the end of the field.
_RANGE_OF_ONE = re.compile(r"(?<![\w#])0*(\w+)-0*\1/0*[1-9][0-9]*(?![^\s,])", re.IGNORECASE)
_DAYS_AHEAD_MAX = YEARS_AHEAD_MAX * 366
# Within 28 years every date has been on every day of the week, in common years and in leap years.
_CYCLE = range(date(2001, 1, 1).toordinal(), date(2029, 1, 1).toordinal())
_ANY_WALL = datetime.combine(date(2001, 1, 1), time())


@dataclass(frozen=True, slots=True)
class Walls:
    """Wall times: the days that `on` accepts, at each of `minutes` since midnight, which are sorted.

    Example: `Walls((540,), lambda day: True)` is 09:00 every day.
    """

    minutes: tuple[int, ...]
    on: Callable[[date], bool]
    elapsed: bool = False
    """Whether it fires whenever clocks show such a time, be it twice or never: cron's `*` for minute or hour."""

    def after(self, wall: datetime) -> datetime | None:
        """Answer the first of the wall times strictly after this one; none when no day of many years matches."""
        today = wall.date()
        if (place := bisect_right(self.minutes, _minute(wall))) < len(self.minutes) and self.on(today):
            return _at(today, self.minutes[place])
        ahead = map(date.fromordinal, range(today.toordinal() + 1, today.toordinal() + _DAYS_AHEAD_MAX))
        day = next(filter(self.on, ahead), None)
        return None if day is None else _at(day, self.minutes[0])

    def before(self, wall: datetime) -> datetime | None:
        """Answer the last of the wall times at or before this one."""
        today = wall.date()
        if (place := bisect_right(self.minutes, _minute(wall))) > 0 and self.on(today):
            return _at(today, self.minutes[place - 1])
        back = map(date.fromordinal, range(today.toordinal() - 1, max(today.toordinal() - _DAYS_AHEAD_MAX, 0), -1))
        day = next(filter(self.on, back), None)
        return None if day is None else _at(day, self.minutes[-1])

    def count(self, low: datetime, high: datetime) -> int:
        """Answer how many of the wall times are after `low` and not after `high`."""
        if high <= low:
            return 0
        days = range(low.toordinal(), high.toordinal())
        whole = sum(map(self.on, map(date.fromordinal, days))) * len(self.minutes)
        return whole + self._count_of_day(high) - self._count_of_day(low)

    def never(self) -> bool:
        """Answer whether no day ever matches, as none does for 31 February."""
        return not any(map(self.on, map(date.fromordinal, _CYCLE)))

    def _count_of_day(self, wall: datetime) -> int:
        return bisect_right(self.minutes, _minute(wall)) if self.on(wall.date()) else 0


@lru_cache(maxsize=1024)
def walls_of(rule: WallRule) -> Walls:
    """Answer the wall times of a rule, which has been checked. Example: `walls_of(Daily(at=("09:00",)))`."""
    match rule:
        case Daily():
            return Walls(_minutes(rule.at), _every_day)
        case Weekly():
            return Walls(_minutes(rule.at), partial(_on_weekdays, frozenset(map(WEEKDAYS.index, rule.days))))
        case Monthly():
            return Walls(_minutes(rule.at), partial(_on_month_days, frozenset(rule.days)))
        case Cron():
            return _walls_of_cron(cron_fields(rule.expr))
        case _:
            assert_never(rule)


def cron_fields(expr: str) -> str:
    """Answer a word like `@daily` as five fields, and anything else with single spaces between its fields.

    Example: `cron_fields("@daily")` is `0 0 * * *`.
    """
    text = " ".join(expr.split())
    return CRON_WORDS.get(text.lower(), text)


def _walls_of_cron(fields: str) -> Walls:
    # cronsim reads the fields and knows the days. It does not step here: by its own steps it may answer the same moment
    # twice around a change of clocks, or one that lies before where it began.
    cron = CronSim(_RANGE_OF_ONE.sub(r"\1", fields), _ANY_WALL)
    minute, hour, day, month, weekday = fields.split()
    minutes = tuple(sorted(hour * 60 + minute for hour in cron.hours for minute in cron.minutes))
    elapsed = minute.startswith("*") or hour.startswith("*")
    if (day, month, weekday) == ("*", "*", "*"):
        return Walls(minutes, _every_day, elapsed)
    return Walls(minutes, partial(_on_cron_days, frozenset(cron.months), cron.match_day), elapsed)


def _every_day(day: date) -> bool:
    return True


def _on_weekdays(weekdays: frozenset[int], day: date) -> bool:
    return day.weekday() in weekdays


def _on_month_days(days: frozenset[int], day: date) -> bool:
    if day.day in days:
        return True
    # No month is shorter than 28 days, so most days need not ask how long theirs is.
    if day.day < 28 or day.day < calendar.monthrange(day.year, day.month)[1]:
        return False
    return LAST_DAY in days or max(days) > day.day


def _on_cron_days(months: frozenset[int], matches: Callable[[date], bool], day: date) -> bool:
    return day.month in months and matches(day)


def _minutes(at: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(sorted({int(text[:2]) * 60 + int(text[3:]) for text in at}))


def _minute(wall: datetime) -> int:
    return wall.hour * 60 + wall.minute


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minute)
