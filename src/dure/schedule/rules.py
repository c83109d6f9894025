"""When a rule fires: the next time, the last, and how often in between. No database and no clock: time is a value.

A rule that names times of day follows the clocks of its zone: a time that does not exist on a day fires at the end of
the gap, one that exists twice fires the first time, and two that fall together fire once. A cron rule with a `*` for
minute or hour, and an interval, go by elapsed time instead. Counting takes a step for each day, not for each fire.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from dure.schedule import clocks
from dure.schedule.clocks import TICK, zone_of
from dure.schedule.documents import check, rule_from, rule_to
from dure.schedule.kinds import FIRST_YEAR, LAST_YEAR, Cron, Daily, Interval, Monthly, Once, Rule, Weekly
from dure.schedule.walls import Walls, walls_of

__all__ = [
    "Cron",
    "Daily",
    "Interval",
    "Monthly",
    "Once",
    "Rule",
    "Timing",
    "Weekly",
    "check",
    "count",
    "following",
    "jitter",
    "preceding",
    "recent",
    "rule_from",
    "rule_to",
    "zone_of",
]

NO_SHIFT = timedelta(0)

_FIRST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def following(rule: Rule, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Answer the first fire strictly after a moment, in UTC, or none.

    Example: `following(Daily(at=("09:00",)), ZoneInfo("Asia/Seoul"), now)`.
    """
    after = _moment(after)
    match rule:
        case Once():
            at = rule.at.astimezone(UTC)
            return at if at > after else None
        case Interval():
            return _kept(_tick(rule, _ticks(rule, after) + 1))
        case Cron() | Daily() | Weekly() | Monthly():
            walls = walls_of(rule)
            return _kept(_following_elapsed(walls, zone, after) if walls.elapsed else _following(walls, zone, after))
        case _:
            assert_never(rule)


def preceding(rule: Rule, zone: ZoneInfo, before: datetime) -> datetime | None:
    """Answer the last fire at or before a moment, in UTC, or none.

    Example: `preceding(Daily(at=("09:00",)), ZoneInfo("Asia/Seoul"), now)`.
    """
    before = _moment(before)
    match rule:
        case Once():
            at = rule.at.astimezone(UTC)
            return at if at <= before else None
        case Interval():
            return _kept(_tick(rule, _ticks(rule, before)))
        case Cron() | Daily() | Weekly() | Monthly():
            walls = walls_of(rule)
            return _kept(_preceding_elapsed(walls, zone, before) if walls.elapsed else _preceding(walls, zone, before))
        case _:
            assert_never(rule)


def count(rule: Rule, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    """Answer how many fires are after a moment and not after another.

    Example: `count(Cron("* * * * *"), zone, now - timedelta(days=30), now)` is 43200.
    """
    after, until = _moment(after), _moment(until)
    if until <= after:
        return 0
    match rule:
        case Once():
            return int(after < rule.at <= until)
        case Interval():
            return _ticks(rule, until) - _ticks(rule, after)
        case Cron() | Daily() | Weekly() | Monthly():
            walls = walls_of(rule)
            return (_count_elapsed if walls.elapsed else _count)(walls, zone, after, until)
        case _:
            assert_never(rule)


def recent(rule: Rule, zone: ZoneInfo, after: datetime, until: datetime, most: int) -> list[datetime]:
    """Answer the last `most` fires that are after a moment and not after another, the oldest first.

    Example: `recent(rule, zone, last_fire_at, now, 10)`.
    """
    found: list[datetime] = []
    fire = preceding(rule, zone, until)
    while fire is not None and fire > after and len(found) < most:
        found.append(fire)
        fire = preceding(rule, zone, fire - TICK)
    return found[::-1]


def jitter(schedule_id: str, jitter_s: int) -> timedelta:
    """Answer how much later than its rule says a schedule fires: whole seconds, fewer than `jitter_s`, always the same.

    Example: `jitter("0198c0de-0000-7000-8000-000000000000", 300)`.
    """
    if jitter_s <= 0:
        return NO_SHIFT
    number = int.from_bytes(hashlib.sha256(schedule_id.encode()).digest()[:8], "big")
    return timedelta(seconds=number % jitter_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a schedule fires: what its rule says, plus `shift`, from `starts_at` on and before `ends_at`.

    Example: `Timing(rule=rule, zone=zone_of("Asia/Seoul"), shift=jitter(id, 60)).following(now)`.
    """

    rule: Rule
    zone: ZoneInfo
    shift: timedelta = NO_SHIFT
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def following(self, after: datetime) -> datetime | None:
        """Answer the first fire strictly after a moment, in UTC, or none."""
        fire = following(self._rule, self.zone, self._earliest(after) - self.shift)
        if fire is None or (self.ends_at is not None and fire + self.shift >= self.ends_at):
            return None
        return fire + self.shift

    def preceding(self, before: datetime) -> datetime | None:
        """Answer the last fire at or before a moment, in UTC, or none."""
        fire = preceding(self._rule, self.zone, self._latest(before) - self.shift)
        if fire is None or (self.starts_at is not None and fire + self.shift < self.starts_at):
            return None
        return fire + self.shift

    def count(self, after: datetime, until: datetime) -> int:
        """Answer how many fires are after a moment and not after another, without stepping through them."""
        low, high = self._earliest(after) - self.shift, self._latest(until) - self.shift
        return count(self._rule, self.zone, low, high)

    def recent(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Answer the last `most` fires that are after a moment and not after another, the oldest first."""
        low, high = self._earliest(after) - self.shift, self._latest(until) - self.shift
        return [fire + self.shift for fire in recent(self._rule, self.zone, low, high, most)]

    def upcoming(self, after: datetime, most: int) -> list[datetime]:
        """Answer the first `most` fires after a moment; fewer when it ends."""
        found: list[datetime] = []
        while len(found) < most and (fire := self.following(after)) is not None:
            found.append(fire)
            after = fire
        return found

    @property
    def _rule(self) -> Rule:
        if isinstance(self.rule, Interval) and self.rule.anchor is None:
            return replace(self.rule, anchor=self.starts_at)
        return self.rule

    def _earliest(self, after: datetime) -> datetime:
        return after if self.starts_at is None else max(after, self.starts_at - TICK)

    def _latest(self, until: datetime) -> datetime:
        return until if self.ends_at is None else min(until, self.ends_at - TICK)


def _following(walls: Walls, zone: ZoneInfo, after: datetime) -> datetime | None:
    wall = walls.after(clocks.reached(zone, after))
    return None if wall is None else clocks.first_moment(zone, wall)


def _preceding(walls: Walls, zone: ZoneInfo, before: datetime) -> datetime | None:
    wall = walls.before(clocks.reached(zone, before))
    return None if wall is None else clocks.first_moment(zone, wall)


def _count(walls: Walls, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    fires = walls.count(clocks.reached(zone, after), clocks.reached(zone, until))
    for change in clocks.changes(zone, after, until):
        # All wall times that a change skips, and the one that it leads to, are one fire.
        together = walls.count(clocks.reached(zone, change.at - TICK), change.first_wall)
        fires -= max(0, together - 1)
    return fires


def _following_elapsed(walls: Walls, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Look from one change of clocks to the next: in between, the wall is ahead of UTC by the same offset."""
    offset, wall = clocks.offset_of(zone, after), clocks.wall_of(zone, after)
    while (found := walls.after(wall)) is not None:
        moment = clocks.moment_of(found, offset)
        change = next(clocks.changes(zone, after, moment), None)
        if change is None:
            return moment
        after, offset, wall = change.at, change.after, change.first_wall - TICK
    return None


def _preceding_elapsed(walls: Walls, zone: ZoneInfo, before: datetime) -> datetime | None:
    offset, wall = clocks.offset_of(zone, before), clocks.wall_of(zone, before)
    while (found := walls.before(wall)) is not None:
        moment = clocks.moment_of(found, offset)
        change = max(clocks.changes(zone, moment, before), key=lambda change: change.at, default=None)
        if change is None:
            return moment
        before, offset, wall = change.at - TICK, change.before, change.last_wall
    return None


def _count_elapsed(walls: Walls, zone: ZoneInfo, after: datetime, until: datetime) -> int:
    fires, low = 0, clocks.wall_of(zone, after)
    for change in clocks.changes(zone, after, until):
        fires += walls.count(low, change.last_wall)
        low = change.first_wall - TICK
    return fires + walls.count(low, clocks.wall_of(zone, until))


def _ticks(rule: Interval, moment: datetime) -> int:
    """Answer the number of the last tick at or before a moment; the anchor's is 0."""
    return (moment - (rule.anchor or _EPOCH)) // timedelta(seconds=rule.every_s)


def _tick(rule: Interval, number: int) -> datetime:
    return (rule.anchor or _EPOCH).astimezone(UTC) + number * timedelta(seconds=rule.every_s)


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs an offset from UTC")
    # Compared first: near the ends of what a datetime can hold, its zone cannot be changed.
    if value < _FIRST:
        return _FIRST - TICK
    return _END - TICK if value >= _END else value.astimezone(UTC)


def _kept(fire: datetime | None) -> datetime | None:
    return fire if fire is not None and _FIRST <= fire < _END else None
