"""What becomes of fires whose time has come: a pure function of the schedule, the time, and whether a job of it runs.

due fires ──► paused, snoozed          one row for all of them
          ──► too many (catch_up)      one row for those that are missed
          ──► holiday, blackout        skipped, with the entry's name
          ──► the job before runs      skipped, or waiting, or made all the same (overlap)
          ──► made
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dure.schedule.calendars import Calendar
from dure.schedule.model import Outcome, Schedule, why
from dure.schedule.rules import Timing

GRACE = timedelta(seconds=30)
"""A fire that is late by no more is on time, whatever the policy says of those that were missed."""
STEPS_MAX = 2_000
"""Through so many fires that a calendar blocks we go back in search of one that it does not."""
WAITING_MAX = 1_000
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that a look writes: one fire, or `count` of them from `fire_at` to `until_at`."""

    fire_at: datetime
    outcome: Outcome
    reason: Mapping[str, Any] | None = None
    until_at: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """What one look does with one schedule."""

    entries: tuple[Entry, ...]
    next_fire_at: datetime | None


@dataclass(frozen=True, slots=True)
class Busy:
    """Whether a job of the schedule is open, and how many fires wait for it."""

    running: bool = False
    waiting: int = 0


def turn(schedule: Schedule, timing: Timing, calendar: Calendar | None, now: datetime, busy: Busy) -> Turn:
    """Decide about every fire of a schedule from its stored next one to now; answer the rows and the fire after them.

    Example: `turn(schedule, timing, None, now, Busy()).entries[-1].outcome`.
    """
    first = schedule.next_fire_at
    assert first is not None
    entries: list[Entry] = []
    snoozed = schedule.snoozed_until
    if snoozed is not None and first <= snoozed:
        entries += passed(timing, first, min(snoozed, now), "skipped", why("snoozed"))
        first = timing.following(snoozed)
    if first is not None and first <= now:
        wanted, rest = _choose(schedule, timing, calendar, first, now)
        entries += sorted([*rest, *_make(schedule, wanted, busy)], key=lambda entry: entry.fire_at)
    return Turn(tuple(entries), timing.following(now))


def passed(
    timing: Timing, first: datetime, until: datetime, outcome: Outcome, reason: Mapping[str, Any]
) -> list[Entry]:
    """Answer one row for all fires from `first` to `until`, if there are any."""
    count = timing.count(first - _INSTANT, until)
    if count == 0:
        return []
    last = timing.preceding(until)
    assert last is not None
    start = timing.following(first - _INSTANT)
    assert start is not None
    return [Entry(start, outcome, reason, None if count == 1 else last, count)]


def _choose(
    schedule: Schedule, timing: Timing, calendar: Calendar | None, first: datetime, now: datetime
) -> tuple[list[datetime], list[Entry]]:
    """Go back from now to the fires that the policy wants made; what is passed by and what is older becomes rows."""
    most = schedule.catch_up_max if schedule.catch_up == "all" else 1
    wanted: list[datetime] = []
    rest: list[Entry] = []
    at = timing.preceding(now)
    for _ in range(STEPS_MAX):
        if at is None or at < first or len(wanted) == most:
            break
        if schedule.catch_up == "none" and now - at > GRACE:
            break
        blocked = calendar.blocks(at, timing.zone) if calendar is not None else None
        if blocked is None:
            wanted.insert(0, at)
        else:
            next_to = not (wanted and rest and wanted[0] < rest[-1].fire_at)
            _note_blocked(rest, at, why(blocked.kind, name=blocked.name), next_to)
        at = timing.preceding(at - _INSTANT)
    if at is not None and at >= first:
        rest += passed(timing, first, at, "missed", why("missed", policy=schedule.catch_up))
    return wanted, rest


def _note_blocked(rest: list[Entry], at: datetime, reason: Mapping[str, Any], next_to: bool) -> None:
    """Note a blocked fire, in one row with the later ones next to it that are blocked by the same."""
    later = rest[-1] if rest else None
    if later is not None and next_to and later.reason == reason:
        rest[-1] = Entry(at, "skipped", reason, later.until_at or later.fire_at, later.count + 1)
    else:
        rest.append(Entry(at, "skipped", reason))


def _make(schedule: Schedule, wanted: list[datetime], busy: Busy) -> list[Entry]:
    if schedule.overlap == "allow":
        return [Entry(at, "made") for at in wanted]
    entries: list[Entry] = []
    running, waiting = busy.running, busy.waiting
    # Fires that are caught up on stand in line even where a late one alone would be skipped: they were asked for.
    may_wait = schedule.overlap == "queue" or len(wanted) > 1
    for at in wanted:
        if not running and not waiting:
            entries.append(Entry(at, "made"))
            running = True
        elif not may_wait:
            entries.append(Entry(at, "skipped", why("overlap")))
        elif waiting >= WAITING_MAX:
            entries.append(Entry(at, "skipped", why("line_full", max=WAITING_MAX)))
        else:
            entries.append(Entry(at, "waiting", why("overlap_waits")))
            waiting += 1
    return entries
