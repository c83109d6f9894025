"""When a schedule fires: its rule in its zone, moved by its own jitter, within its bounds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from dure.schedule.clocks import TICK
from dure.schedule.rules import Rule, count, following, preceding, recent

NONE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A rule with everything that bears on its times: `starts_at` is within, `ends_at` is not.

    Example: `Timing(rule=Daily(at=("09:00",)), zone=ZoneInfo("Asia/Seoul")).following(now)`.
    """

    rule: Rule
    zone: ZoneInfo
    shift: timedelta = NONE
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def following(self, after: datetime) -> datetime | None:
        """Answer the first fire after a moment, or none."""
        if self.starts_at is not None:
            after = max(after, self.starts_at - TICK)
        at = following(self.rule, self.zone, after - self.shift)
        return self._kept(None if at is None else at + self.shift)

    def preceding(self, before: datetime) -> datetime | None:
        """Answer the last fire at or before a moment, or none."""
        if self.ends_at is not None:
            before = min(before, self.ends_at - TICK)
        at = preceding(self.rule, self.zone, before - self.shift)
        return self._kept(None if at is None else at + self.shift)

    def count(self, after: datetime, until: datetime) -> int:
        """Answer how many fires are after a moment and not after another."""
        after, until = self._within(after, until)
        return count(self.rule, self.zone, after - self.shift, until - self.shift)

    def recent(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Answer the last `most` fires that are after a moment and not after another, the oldest first."""
        after, until = self._within(after, until)
        found = recent(self.rule, self.zone, after - self.shift, until - self.shift, most)
        return [at + self.shift for at in found]

    def _within(self, after: datetime, until: datetime) -> tuple[datetime, datetime]:
        if self.starts_at is not None:
            after = max(after, self.starts_at - TICK)
        if self.ends_at is not None:
            until = min(until, self.ends_at - TICK)
        return after, until

    def _kept(self, at: datetime | None) -> datetime | None:
        if at is None or (self.starts_at is not None and at < self.starts_at):
            return None
        return None if self.ends_at is not None and at >= self.ends_at else at


def jitter(schedule_id: str, jitter_s: int) -> timedelta:
    """Answer how much later a schedule fires than its rule says: less than `jitter_s`, and always the same.

    Example: `jitter(schedule.id, 300)`.
    """
    if jitter_s <= 0:
        return NONE
    share = int.from_bytes(sha256(schedule_id.encode()).digest()[:8]) / 2**64
    # Whole milliseconds: a time that people can read and type.
    return timedelta(milliseconds=int(share * jitter_s * 1000))
