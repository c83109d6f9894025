"""Parameters of reports: which language, and which days."""

import datetime as dt
from typing import Literal

from dure.apps.intents.params import Asked, Day, Month, last_of_month, month_of

Lang = Literal["en", "ko"]
Which = Literal["this", "last"]
WEEK = dt.timedelta(days=7)
DAY = dt.timedelta(days=1)


class Written(Asked):
    """In which language. Example: `Written(lang="ko")`."""

    lang: Lang | None = None
    """None is the language that is set."""


class OfOneDay(Written):
    """A report of a day. Example: `OfOneDay(date="2026-07-03")`."""

    date: Day | None = None
    """None is today."""


class OfWeek(Written):
    """A report of a week, Monday to Sunday. Example: `OfWeek(week="2026-07-03")`."""

    week: Day | None = None
    """Any day of it; it goes before `which`."""
    which: Which = "this"
    """For a schedule, which cannot say a day: the week of today, or the one before."""

    def days(self, today: dt.date) -> tuple[dt.date, dt.date]:
        """Answer its Monday and its Sunday."""
        return week_of(self.week or (today if self.which == "this" else today - WEEK))


class OfWrittenMonth(Written):
    """A report of a month. Example: `OfWrittenMonth(month="2026-07")`."""

    month: Month | None = None
    """It goes before `which`."""
    which: Which = "this"
    """For a schedule, which cannot say a month: the one of today, or the one before."""

    def days(self, today: dt.date) -> tuple[dt.date, dt.date]:
        """Answer its first and its last day."""
        return month_of(self.month or (today if self.which == "this" else before_month(today)), today)


def week_of(day: dt.date) -> tuple[dt.date, dt.date]:
    """Answer the Monday and the Sunday around a day. Example: `week_of(date(2026, 7, 3))[0].day == 29`."""
    monday = day - dt.timedelta(days=day.weekday())
    return monday, monday + 6 * DAY


def before_month(day: dt.date) -> dt.date:
    """Answer the first day of the month before. Example: `before_month(date(2026, 7, 3)).month == 6`."""
    return (day.replace(day=1) - DAY).replace(day=1)


def before(first: dt.date, last: dt.date) -> tuple[dt.date, dt.date]:
    """Answer the days to compare with: the month, the week, or for a day the same one of the week before."""
    if first.day == 1 and last == last_of_month(first):
        earlier = before_month(first)
        return earlier, last_of_month(earlier)
    return first - WEEK, last - WEEK
