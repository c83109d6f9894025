"""How the clocks of a zone run: when they change, and which moment a time on the wall is.

A wall time is a datetime without a zone, a moment is one in UTC. A wall time that clocks skip is taken as the moment
when they skip it, one that they show twice as the first time: it is the first moment at which clocks show that time
or a later one. That keeps the order of wall times, so counting and finding need no steps (`first_moment`, `reached`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from dure.errors import Invalid

TICK = timedelta(microseconds=1)
"""The smallest step of a datetime."""

# No zone has changed its clocks twice within three days since 1900, and none by more than a day.
_PROBE = timedelta(days=2)
_CHANGE_MAX = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of clocks: the moment, and the zone's offset before and from then on."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def last_wall(self) -> datetime:
        """Answer what clocks show just before it."""
        return self.at.replace(tzinfo=None) + self.before - TICK

    @property
    def first_wall(self) -> datetime:
        """Answer what clocks show when it has happened."""
        return self.at.replace(tzinfo=None) + self.after


def zone_of(name: str) -> ZoneInfo:
    """Answer the zone of this IANA name, or say that there is none.

    Example: `zone_of("Asia/Seoul")`.
    """
    if not isinstance(name, str):
        raise Invalid(field="zone", reason="wrong_type", expected="str")
    if name not in _zone_names():
        raise Invalid(field="zone", reason="wrong_format", expected="Asia/Seoul")
    return ZoneInfo(name)


def wall_of(zone: ZoneInfo, moment: datetime) -> datetime:
    """Answer what clocks of the zone show at this moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def moment_of(wall: datetime, offset: timedelta) -> datetime:
    """Answer the moment of a wall time, where the zone's offset is known."""
    return (wall - offset).replace(tzinfo=UTC)


def offset_of(zone: ZoneInfo, moment: datetime) -> timedelta:
    """Answer how far clocks of the zone are ahead of UTC at this moment."""
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def reached(zone: ZoneInfo, moment: datetime) -> datetime:
    """Answer the latest time that clocks of the zone have shown up to this moment.

    It is what they show now, unless they were put back a short while ago.
    """
    wall = wall_of(zone, moment)
    for change in changes(zone, moment - _CHANGE_MAX, moment):
        wall = max(wall, change.last_wall)
    return wall


def first_moment(zone: ZoneInfo, wall: datetime) -> datetime:
    """Answer the first moment at which clocks of the zone show this time or a later one.

    Example: `first_moment(ZoneInfo("Europe/Berlin"), datetime(2026, 3, 29, 2, 30))` is 01:00 UTC, the end of the gap.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_of(zone, moment) == wall:
        return moment
    for change in changes(zone, moment - _CHANGE_MAX, moment):
        if change.last_wall < wall <= change.first_wall:
            return change.at
    return moment


def changes(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[Change]:
    """Yield the changes of the zone's clocks after a moment and up to another, in their order."""
    for year in range(after.year, until.year + 1):
        for change in _changes_of_year(zone, year):
            if after < change.at <= until:
                yield change


@lru_cache(maxsize=4096)
def _changes_of_year(zone: ZoneInfo, year: int) -> tuple[Change, ...]:
    """Find the changes by looking every other day and halving: the standard library has no list of them to read."""
    # One second early, since a change may come with the first second of the year.
    low, end = (datetime(y, 1, 1, tzinfo=UTC) - timedelta(seconds=1) for y in (year, year + 1))
    found, before = [], offset_of(zone, low)
    while low < end:
        high = min(low + _PROBE, end)
        if (after := offset_of(zone, high)) != before:
            found.append(Change(_first_with_other_offset(zone, low, high, before), before, after))
            before = after
        low = high
    return tuple(found)


def _first_with_other_offset(zone: ZoneInfo, low: datetime, high: datetime, before: timedelta) -> datetime:
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if offset_of(zone, middle) == before else (low, middle)
    return high


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())
