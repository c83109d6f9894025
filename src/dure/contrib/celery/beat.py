"""Schedules of django-celery-beat, turned into Dure's: first shown, then made.

Read by plain SQL, so that neither Django nor its settings are needed. Nothing of Celery's is changed: stop `celery
beat` when the imported schedules take over, or both will fire.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import psycopg

from dure.contrib.celery.turning import Refused, Row, Turned, turned
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DureError, NotFound
from dure.lang import say
from dure.schedule.model import NewSchedule, Schedule
from dure.schedule.service import Schedules, upcoming
from dure.settings import Settings

TASKS_MAX = 10_000
FIRES_SHOWN = 3
Outcome = Literal["new", "same", "taken", "refused"]

_THERE = load("dure.contrib.celery", "beat_is_there")
_TASKS = load("dure.contrib.celery", "beat_tasks")
SAME = ("rule", "zone", "handler", "params", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One periodic task, and what becomes of it."""

    name: str
    task: str
    outcome: Outcome
    """`same`: imported before and alike; `taken`: another schedule has the name, and is left as it is."""
    wanted: NewSchedule | None = None
    error: DureError | None = None
    code: str | None = None
    """Why it is refused, as a key of `[celery.beat]`, unless it is an `error`."""
    params: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    """What of it is left behind: `queue`, `priority`, `expire_seconds`, `headers`."""
    theirs: tuple[datetime, ...] = ()
    """When Celery fires next."""
    ours: tuple[datetime, ...] = ()
    """When Dure would, in a schedule that is not paused."""

    def why(self, lang: str | None = None) -> str:
        """Answer in a sentence what becomes of it. Example: `item.why("ko")`."""
        if self.error is not None:
            return self.error.text(lang)
        return say(f"celery.beat.{self.code or self.outcome}", lang, **(self.params or {}))


class BeatImport:
    """The periodic tasks of a database, as schedules of a tenant.

    Example: `await BeatImport(database, settings, "shop").preview()`.
    """

    def __init__(
        self, database: Database, settings: Settings, tenant_id: str, *, handlers: Mapping[str, str] | None = None
    ) -> None:
        self._database = database
        self._schedules = Schedules(database, settings)
        self._tenant_id = tenant_id
        self._handlers = handlers or {}
        """Which handler runs which task, where that is not `celery.` and its name in small letters."""

    async def preview(self) -> list[Item]:
        """Answer what `apply` would do, by doing it and taking it back."""
        return await self._import("preview", keep=False)

    async def apply(self, *, actor: str) -> list[Item]:
        """Make the schedules that are new; as often as one likes."""
        return await self._import(actor, keep=True)

    async def _import(self, actor: str, *, keep: bool) -> list[Item]:
        rows, now = await self._rows()
        async with self._database.system_tx() as tx:
            return [await self._one(tx, row, now, actor, keep=keep) for row in rows]

    async def _rows(self) -> tuple[list[Row], datetime]:
        # As the role that logged in: the tables are its own, and the engine's roles know nothing of them.
        async with self._database.owner_tx() as tx:
            there, now = await (await tx.execute(_THERE)).fetchone() or (False, None)
            if not there:
                raise NotFound("table", "django_celery_beat_periodictask")
            cursor = await tx.execute(_TASKS, {"limit": TASKS_MAX})
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()], now

    async def _one(self, tx: Connection, row: Row, now: datetime, actor: str, *, keep: bool) -> Item:
        about: dict[str, Any] = {"name": row["name"], "task": row["task"]}
        try:
            found = turned(row, now, self._handlers, FIRES_SHOWN)
        except Refused as refused:
            return Item(**about, outcome="refused", code=refused.code, params=refused.params)
        about |= {"wanted": found.wanted, "notes": found.notes, "theirs": found.fires}
        try:
            made, outcome = await self._made(tx, found, actor, keep=keep)
        except DureError as error:
            return Item(**about, outcome="refused", error=error)
        return Item(**about, outcome=outcome, ours=tuple(islice(upcoming(made, now), len(found.fires))))

    async def _made(self, tx: Connection, found: Turned, actor: str, *, keep: bool) -> tuple[Schedule, Outcome]:
        wanted = found.wanted
        known = await self._known(wanted.name)
        if known is not None:
            return known, "same" if _alike(known, wanted) else "taken"
        async with tx.transaction() as inner:
            made = await self._schedules.create_on(tx, self._tenant_id, wanted, actor=actor)
            if not keep:
                raise psycopg.Rollback(inner)
        return made, "new"

    async def _known(self, name: str) -> Schedule | None:
        try:
            return await self._schedules.get(self._tenant_id, name)
        except NotFound:
            return None


def _alike(known: Schedule, wanted: NewSchedule) -> bool:
    """Answer whether a schedule is what would be made; where an interval is counted from does not matter."""
    for name in SAME:
        mine, other = getattr(known, name), getattr(wanted, name)
        if name == "rule" and mine.get("kind") == other.get("kind") == "interval":
            mine, other = mine["every_s"], other["every_s"]
        if name == "rule" and isinstance(mine, dict) and mine.get("kind") == other.get("kind") == "once":
            mine, other = datetime.fromisoformat(mine["at"]), datetime.fromisoformat(other["at"])
        if mine != other:
            return False
    return True


def counted(items: Sequence[Item]) -> dict[Outcome, int]:
    """Answer how many of which outcome there are. Example: `counted(items)["new"]`."""
    counts: dict[Outcome, int] = {"new": 0, "same": 0, "taken": 0, "refused": 0}
    for item in items:
        counts[item.outcome] += 1
    return counts
