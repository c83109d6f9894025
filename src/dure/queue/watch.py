"""What happens to one job, as a stream that can be resumed: nothing is missed and nothing comes twice.

An event's id is a position: the attempt and state last told of, the last line of the log, the time of the
last progress. Whoever comes back with it gets exactly what lies behind it, because each of the three only
grows: the states in between are read back from the attempts, the lines by their numbers; of progress only the
latest counts. Lines of one job are written one after the other by the worker that holds it, so a lower number
never appears late.

Between two looks no connection is held. A look is one small statement; more only when something happened.
"""

import asyncio
import heapq
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Invalid, NotFound, Unavailable
from dure.queue.cursors import is_id
from dure.queue.model import ENDED, State
from dure.queue.texts import read_json
from dure.queue.views import Attempt, EventKind, JobEvent, LogLine

LINES_A_LOOK = 500
ATTEMPTS_MAX = 1_000
AWAY_MAX_S = 60.0
"""How long the database may be away before a watch gives up."""

_LOOK = load("dure.queue", "job_watch")
_LOGS = load("dure.queue", "job_logs")
_ATTEMPTS = load("dure.queue", "job_attempts")

_LETTERS: dict[State, str] = {
    "pending": "p",
    "processing": "r",
    "completed": "c",
    "failed": "f",
    "cancelled": "x",
    "quarantined": "q",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}
_POSITION = re.compile(
    r"(?P<attempt>\d{1,10})(?P<state>[-prcfxq])\.(?P<log>\d{1,18})\.(?P<progress>\d{1,18})(?P<over>e?)"
)

BeginTx = Callable[[], AbstractAsyncContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a job's story has been told. Example: `Position.parse("1r.42.0").log_id == 42`."""

    attempt: int = 0
    state: State | None = None
    log_id: int = 0
    progress_us: int = 0
    over: bool = False

    @classmethod
    def parse(cls, text: str | None) -> "Position":
        """Read an event's id; None is the beginning."""
        if not text:
            return cls()
        match = _POSITION.fullmatch(text)
        if match is None:
            raise Invalid(field="Last-Event-ID", reason="wrong_format", expected="1r.42.0")
        state = _STATES.get(match["state"])
        return cls(int(match["attempt"]), state, int(match["log"]), int(match["progress"]), bool(match["over"]))

    def __str__(self) -> str:
        letter = _LETTERS[self.state] if self.state else "-"
        return f"{self.attempt}{letter}.{self.log_id}.{self.progress_us}{'e' if self.over else ''}"


@dataclass(frozen=True, slots=True)
class Look:
    """The one row of `sql/job_watch.sql`."""

    state: State
    attempt: int
    began_at: datetime
    at: datetime
    error_class: str | None
    error: str | None
    result_json: str | None
    cancel_requested_at: datetime | None
    done: int | None
    total: int | None
    note: str | None
    progress_at: datetime | None
    has_lines: bool


@dataclass(frozen=True, slots=True)
class _Happening:
    """An event before it has its place, and what of the position it moves."""

    at: datetime
    kind: EventKind
    data: dict[str, Any]
    moves: dict[str, Any]


async def watch(begin: BeginTx, job_id: str, *, after: str | None, poll_s: float) -> AsyncIterator[JobEvent]:
    """Yield the events of a job behind the position `after`, until `end`; see `Jobs.watch`."""
    position = Position.parse(after)
    if not is_id(job_id):
        raise NotFound("job", job_id)
    away_since: float | None = None
    while True:
        try:
            look, happenings, more = await _look(begin, job_id, position)
        except Unavailable:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > AWAY_MAX_S:
                raise
            await asyncio.sleep(max(poll_s, 1.0))
            continue
        away_since = None
        for happening in happenings:
            position = replace(position, over=False, **happening.moves)
            yield JobEvent(str(position), happening.kind, happening.data)
        if look.state in ENDED and not more:
            if not position.over:
                yield JobEvent(str(replace(position, over=True)), "end", _ending(look))
            return
        if not more:
            await asyncio.sleep(poll_s)


def is_over(state: State, attempt: int, after: str | None) -> bool:
    """Answer whether `after` is the id of the last event that a job in this state will have."""
    position = Position.parse(after)
    return position.over and (position.state, position.attempt) == (state, attempt)


async def _look(begin: BeginTx, job_id: str, seen: Position) -> tuple[Look, list[_Happening], bool]:
    """Answer how the job stands, what happened behind `seen`, and whether there are lines beyond these."""
    async with begin() as tx:
        row = await (await tx.execute(_LOOK, {"id": job_id, "after_log": seen.log_id})).fetchone()
        if row is None:
            raise NotFound("job", job_id)
        look = Look(*row)
        attempts: list[Attempt] = []
        lines: list[LogLine] = []
        if (look.attempt, look.state) != (seen.attempt, seen.state) and look.attempt > 0:
            values = {"id": job_id, "limit": ATTEMPTS_MAX}
            attempts = [Attempt(*values) for values in await (await tx.execute(_ATTEMPTS, values)).fetchall()]
        # Read after the state: what was written before the job ended is seen by now.
        if look.has_lines or look.state in ENDED:
            values = {"id": job_id, "after": seen.log_id, "limit": LINES_A_LOOK}
            lines = [LogLine(*line) for line in await (await tx.execute(_LOGS, values)).fetchall()]
    sources = (_states(look, attempts, seen), _progress(look, seen), map(_line, lines))
    merged = list(heapq.merge(*sources, key=lambda happening: happening.at))
    return look, merged, len(lines) == LINES_A_LOOK


def _states(look: Look, attempts: list[Attempt], seen: Position) -> list[_Happening]:
    story = _story(look, attempts)
    told = [at for at, told in enumerate(story) if _mark(told) == (seen.attempt, seen.state)]
    if told:
        return story[told[-1] + 1 :]
    # A position that the attempts no longer tell of (a new life, or a story that was cut): only the present
    # counts.
    return story if seen.state is None else story[-1:]


def _story(look: Look, attempts: list[Attempt]) -> list[_Happening]:
    """Tell all states that the job went through, as far as they are known."""
    story: list[_Happening] = []
    for attempt in attempts:
        if attempt.outcome == "completed" or attempt.outcome is None:
            continue
        began, ended = attempt.started_at or look.began_at, attempt.ended_at or look.at
        why = {"outcome": attempt.outcome, "error_class": attempt.error_class, "error": attempt.error}
        story.append(_state("processing", attempt.attempt, began, {}))
        after: State = attempt.outcome if attempt.outcome in ("failed", "cancelled") else "pending"  # type: ignore[assignment]
        if attempt.attempt < look.attempt or (look.state == "pending" and after != "pending"):
            story.append(_state(after, attempt.attempt, ended, why))
    error = {"error_class": look.error_class, "error": look.error} if look.error_class else {}
    if look.state in ENDED and look.attempt > 0 and (not story or story[-1].moves["attempt"] < look.attempt):
        story.append(_state("processing", look.attempt, look.began_at, {}))
    # A job that waits again has done so since its last attempt ended.
    ends = [attempt.ended_at for attempt in attempts if attempt.ended_at is not None]
    at = max([look.at, *(moment.at for moment in story), *(ends if look.state == "pending" else [])])
    story.append(_state(look.state, look.attempt, at, error))
    return story


def _state(state: State, attempt: int, at: datetime, more: dict[str, Any]) -> _Happening:
    data = {"state": state, "attempt": attempt, "at": at.isoformat(), **more}
    return _Happening(at, "state", data, {"attempt": attempt, "state": state})


def _progress(look: Look, seen: Position) -> Iterator[_Happening]:
    if look.progress_at is not None and (at_us := _microseconds(look.progress_at)) > seen.progress_us:
        data = {"done": look.done, "total": look.total, "note": look.note, "at": look.progress_at.isoformat()}
        yield _Happening(look.progress_at, "progress", data, {"progress_us": at_us})


def _line(line: LogLine) -> _Happening:
    data = {
        "id": line.id,
        "attempt": line.attempt,
        "at": line.at.isoformat(),
        "level": line.level,
        "message": line.message,
    }
    return _Happening(line.at, "log", data, {"log_id": line.id})


def _mark(happening: _Happening) -> tuple[int, State]:
    return happening.moves["attempt"], happening.moves["state"]


def _ending(look: Look) -> dict[str, Any]:
    return {
        "state": look.state,
        "error_class": look.error_class,
        "error": look.error,
        "result": read_json(look.result_json),
    }


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
