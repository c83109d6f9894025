"""What happens to one run, as a stream that can be resumed: nothing is missed and nothing comes twice.

An event's id is a position: the last event that was told, how the run stood, and how many changes were done. Whoever
comes back with it gets what lies behind it. Of progress only the latest counts. Between two looks nothing is held.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from dure.errors import Invalid, Unavailable
from dure.runs.model import RUN_OVER, Run
from dure.runs.reading import EVENTS_MAX, RunEvent, RunReader, progress_of

POLL_S = 0.5
AWAY_MAX_S = 60.0
"""How long the database may be away before a watch gives up."""
PAUSED = "paused"
"""How a run stands whose application rests."""

_POSITION = re.compile(r"(?P<event>\d{1,18})\.(?P<standing>[a-z]{0,12})\.(?P<done>\d{1,18})(?P<over>e?)")


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell of a run: an id to go on from, a kind, and data."""

    id: str
    kind: Literal["event", "state", "progress", "end"]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a run's story has been told. Example: `Position.parse("42.applying.1000").done == 1000`."""

    event: int = 0
    standing: str = ""
    done: int = 0
    over: bool = False

    @classmethod
    def parse(cls, text: str | None) -> "Position":
        """Read an event's id; None is the beginning."""
        if not text:
            return cls()
        match = _POSITION.fullmatch(text)
        if match is None:
            raise Invalid(field="Last-Event-ID", reason="wrong_format", expected="42.applying.1000")
        return cls(int(match["event"]), match["standing"], int(match["done"]), bool(match["over"]))

    def __str__(self) -> str:
        return f"{self.event}.{self.standing}.{self.done}{'e' if self.over else ''}"


async def watch(
    runs: RunReader, tenant_id: str | None, run_id: str, *, after: str | None = None, poll_s: float = POLL_S
) -> AsyncIterator[Happening]:
    """Yield what happens to a run behind the position `after`, until it is over.

    Example: `async for happening in watch(runs, "acme", run_id): print(happening.kind)`.
    """
    position = Position.parse(after)
    away_since: float | None = None
    while True:
        try:
            run = await runs.get(tenant_id, run_id)
            # Read after the run: what led to its state is among them.
            events = await runs.events(tenant_id, run_id, after=position.event)
        except Unavailable:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > AWAY_MAX_S:
                raise
            await asyncio.sleep(max(poll_s, 1.0))
            continue
        away_since = None
        for event in events:
            position = replace(position, event=event.id, over=False)
            yield Happening(str(position), "event", _event(event))
        if len(events) == EVENTS_MAX:
            continue
        for happening in _news(run, position):
            position = Position.parse(happening.id)
            yield happening
        if run.state in RUN_OVER:
            return
        await asyncio.sleep(poll_s)


def is_over(run: Run, after: str | None) -> bool:
    """Answer whether `after` is the id of the last thing that there is to tell of a run."""
    position = Position.parse(after)
    return position.over and run.state in RUN_OVER and position.standing == run.state


def standing(run: Run) -> str:
    """Answer how a run stands: its state, or that it rests. Example: `standing(run) == "paused"`."""
    return PAUSED if run.state == "applying" and run.paused_at is not None else run.state


def _news(run: Run, told: Position) -> list[Happening]:
    found: list[Happening] = []
    if standing(run) != told.standing:
        told = replace(told, standing=standing(run), over=False)
        data = {"state": run.state, "paused": run.paused_at is not None, "reason": run.reason}
        found.append(Happening(str(told), "state", data))
    progress = progress_of(run, datetime.now(UTC))
    if progress.done != told.done:
        told = replace(told, done=progress.done, over=False)
        data = {name: getattr(progress, name) for name in ("done", "total", "rate", "eta_s")}
        found.append(Happening(str(told), "progress", data))
    if run.state in RUN_OVER and not told.over:
        names = ("state", "reason", "counts", "applied", "conflicts", "failed", "skipped")
        found.append(Happening(str(replace(told, over=True)), "end", {name: getattr(run, name) for name in names}))
    return found


def _event(event: RunEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "verb": event.verb,
        "detail": dict(event.detail),
    }
