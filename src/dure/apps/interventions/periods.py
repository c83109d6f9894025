"""The days that a recommendation is about: a day, the seven days that end with it, or its calendar month."""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dure.errors import Invalid

Period = Literal["day", "week", "month"]
PERIODS: tuple[Period, ...] = ("day", "week", "month")
DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days in a zone, the last one included. Example: `span_of(date(2026, 8, 1), "month", "Asia/Seoul").days`."""

    period: Period
    first: date
    last: date
    zone: str

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1


def span_of(day: date, period: Period, zone: str) -> Span:
    """Answer the days that a recommendation for `day` is about.

    Example: `span_of(date(2026, 8, 2), "week", "Asia/Seoul").first == date(2026, 7, 27)`.
    """
    match period:
        case "day":
            return Span(period, day, day, zone)
        case "week":
            return Span(period, day - timedelta(days=DAYS_A_WEEK - 1), day, zone)
        case "month":
            return Span(period, day.replace(day=1), end_of_month(day), zone)


def end_of_month(day: date) -> date:
    """Answer the last day of a month. Example: `end_of_month(date(2026, 2, 3)) == date(2026, 2, 28)`."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def yesterday(zone: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> date:
    """Answer the day before today, as a zone's clocks have it. Example: `yesterday("Asia/Seoul")`."""
    return now().astimezone(zone_of(zone)).date() - timedelta(days=1)


def zone_of(name: str, *, field: str = "zone") -> ZoneInfo:
    """Answer a zone, or raise `Invalid`. Example: `zone_of("Asia/Seoul")`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(field=field, reason="wrong_format", expected="Asia/Seoul") from None
