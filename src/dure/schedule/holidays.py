"""Calendars in the database: by name, each of one tenant, named by the schedules that it holds back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.schedule.checking import NAME_CHARS_MAX, stored_calendar
from dure.schedule.rows import CALENDARS, record

CALENDARS_MAX = 1_000

_WRITE = load("dure.schedule", "calendar_write")
_DELETE = load("dure.schedule", "calendar_delete")
_RELEASE = load("dure.schedule", "calendar_release")


@dataclass(frozen=True, slots=True)
class NamedCalendar:
    """A calendar as it is kept: its days, weekdays and blackouts."""

    name: str
    entries: Mapping[str, Any]
    updated_at: datetime
    updated_by: str


class Calendars:
    """The calendars of a database. Example: `await Calendars(database).put("acme", "holidays", {…}, actor="kim")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tenant_id: str, name: str, entries: Mapping[str, Any], *, actor: str) -> NamedCalendar:
        """Write a calendar, new or over the one that is there; its schedules follow it from their next fire on."""
        if not name or len(name) > NAME_CHARS_MAX:
            raise Invalid(field="name", reason="out_of_range", min=1, max=NAME_CHARS_MAX)
        values = {"tenant_id": tenant_id, "name": name, "entries": stored_calendar(entries), "actor": actor}
        async with self._database.system_tx() as tx:
            await tx.execute(_WRITE, values)
            await record(tx, tenant_id, actor, "calendar.put", f"calendar:{name}")
        return await self.get(tenant_id, name)

    async def get(self, tenant_id: str, name: str) -> NamedCalendar:
        """Answer a calendar, or `NotFound`."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "name": name, "limit": 1}
            row = await (await tx.execute(CALENDARS, values)).fetchone()
        if row is None:
            raise NotFound("calendar", name)
        return NamedCalendar(*row)

    async def list(self, tenant_id: str) -> list[NamedCalendar]:
        """Answer the calendars of a tenant, by name."""
        async with self._database.tenant_tx(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "name": None, "limit": CALENDARS_MAX}
            return [NamedCalendar(*row) for row in await (await tx.execute(CALENDARS, values)).fetchall()]

    async def delete(self, tenant_id: str, name: str, *, actor: str) -> None:
        """Remove a calendar; `Conflict` while a schedule names it."""
        values = {"tenant_id": tenant_id, "name": name}
        async with self._database.system_tx() as tx:
            await tx.execute(_RELEASE, values)
            try:
                if await (await tx.execute(_DELETE, values)).fetchone() is None:
                    raise NotFound("calendar", name)
            except psycopg.errors.ForeignKeyViolation:
                raise Conflict("calendar_in_use", name=name) from None
            await record(tx, tenant_id, actor, "calendar.delete", f"calendar:{name}")
