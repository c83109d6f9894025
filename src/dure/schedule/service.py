"""Schedules, for those who make and look after them.

Whatever is changed holds at once: the next fire is computed and stored in the same transaction, with an event that says
who did it. How a schedule fires is in `ticker`.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import psycopg

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.ids import is_tenant_id
from dure.queue.cursors import bad_cursor, from_cursor, id_from_cursor, is_id, to_cursor
from dure.queue.views import Page
from dure.schedule.checking import new_id, require_calendar, require_target, stored
from dure.schedule.clocks import TICK
from dure.schedule.documents import read_moment
from dure.schedule.due import Entry, passed
from dure.schedule.model import Fire, Moved, NewSchedule, Outcome, Schedule, why
from dure.schedule.rows import (
    Step,
    advance,
    fire_of,
    job_of,
    lock_schedule,
    make_jobs,
    now_of,
    read_schedule,
    read_schedules,
    record,
    timing_of,
    write_fires,
)
from dure.settings import Settings

PAGE_MAX = 1_000
NEXT_MAX = 1_000
SOON = timedelta(milliseconds=1)
"""Within so long fires by hand give way to each other."""
EDITABLE = frozenset(
    {
        "name", "rule", "zone", "handler", "operation", "params", "mode", "catch_up", "catch_up_max", "overlap",
        "jitter_s", "calendar", "starts_at", "ends_at", "options",
    }
)  # fmt: skip
TIMES = ("rule", "zone", "jitter_s", "starts_at", "ends_at")
"""What the next fire follows from."""

_INSERT = load("dure.schedule", "schedule_insert")
_UPDATE = load("dure.schedule", "schedule_update")
_STAND = load("dure.schedule", "schedule_stand")
_DELETE = load("dure.schedule", "schedule_delete")
_FIRES = load("dure.schedule", "fires_read")


class Schedules:
    """The schedules of a database.

    Example: `await Schedules(database, settings).create("acme", NewSchedule(…), actor="kim")`.
    """

    def __init__(self, database: Database, settings: Settings, operations: Container[str] = ()) -> None:
        self._database = database
        self._settings = settings
        self._operations = operations

    async def create(self, tenant_id: str, wanted: NewSchedule, *, actor: str) -> Schedule:
        """Make a schedule; `Conflict` when its name is taken."""
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        async with self._database.system_tx() as tx:
            return await self.create_on(tx, tenant_id, wanted, actor=actor)

    async def create_on(self, tx: Connection, tenant_id: str, wanted: NewSchedule, *, actor: str) -> Schedule:
        """Make a schedule in a transaction of the system, which the caller commits."""
        now = await now_of(tx)
        columns = stored(wanted, now)
        await require_target(tx, wanted, self._operations)
        await require_calendar(tx, tenant_id, wanted.calendar)
        values = {
            **columns, "id": await new_id(tx), "tenant_id": tenant_id, "author": actor, "paused": wanted.paused,
            "next_fire_at": None, "window_id": None,
        }  # fmt: skip
        row = await (await tx.execute(_INSERT, values)).fetchone()
        if row is None:
            raise Conflict("schedule_exists", field="name", name=wanted.name)
        made = await read_schedule(tx, str(row[0]))
        next_at = timing_of(made).following(now)
        if next_at is None:
            raise Invalid(field="rule", reason="never_fires")
        await advance(tx, [Step(made.id, next_at)])
        await record(tx, tenant_id, actor, "schedule.create", f"schedule:{made.id}", name=made.name)
        return replace(made, next_fire_at=next_at)

    async def edit(
        self, tenant_id: str | None, ref: str, changes: Mapping[str, Any], *, actor: str, revision: int | None = None
    ) -> Schedule:
        """Change some fields of a schedule; it holds at once. `Conflict` when `revision` is not the present one."""
        for name in changes:
            if name not in EDITABLE:
                raise Invalid(field=name, reason="unknown_field")
        async with self._database.system_tx() as tx:
            found, now = await lock_schedule(tx, tenant_id, ref)
            _require_revision(found, revision)
            return await self.edit_on(tx, found, changes, now, actor=actor)

    async def edit_on(
        self, tx: Connection, found: Schedule, changes: Mapping[str, Any], now: datetime, *, actor: str
    ) -> Schedule:
        """Change a schedule that the caller's transaction holds."""
        wanted = _with_changes(found, changes)
        columns = stored(wanted, now)
        await require_target(tx, wanted, self._operations)
        await require_calendar(tx, found.tenant_id, wanted.calendar)
        try:
            await tx.execute(_UPDATE, {**columns, "id": found.id, "next_fire_at": found.next_fire_at})
        except psycopg.errors.UniqueViolation:
            raise Conflict("schedule_exists", field="name", name=wanted.name) from None
        edited = await read_schedule(tx, found.id)
        if found.disabled_at is not None or any(getattr(edited, name) != getattr(found, name) for name in TIMES):
            await _pass(tx, found, now, "edited")
            next_at = timing_of(edited).following(now)
            if next_at is None:
                raise Invalid(field="rule", reason="never_fires")
            await advance(tx, [Step(found.id, next_at)])
        await record(tx, found.tenant_id, actor, "schedule.edit", f"schedule:{found.id}", fields=sorted(changes))
        return await read_schedule(tx, found.id)

    async def get(self, tenant_id: str | None, ref: str) -> Schedule:
        """Answer a schedule by its name or id."""
        async with self._database.system_tx() as tx:
            return (await find_schedule(tx, tenant_id, ref))[0]

    async def list(self, tenant_id: str | None, *, limit: int = 50, cursor: str | None = None) -> Page[Schedule]:
        """Answer schedules, newest first; those of windows are not among them."""
        limit = max(1, min(limit, PAGE_MAX))
        before = None if cursor is None else id_from_cursor(cursor)
        async with self._database.system_tx() as tx:
            items = await read_schedules(tx, tenant_id=tenant_id, before=before, limit=limit + 1)
        return Page(tuple(items[:limit]), to_cursor(items[limit - 1].id) if len(items) > limit else None)

    async def next(self, tenant_id: str | None, ref: str, *, count: int = 10) -> Sequence[datetime]:
        """Answer the next fires; a paused schedule's too, as if it were resumed now."""
        async with self._database.system_tx() as tx:
            found, now = await find_schedule(tx, tenant_id, ref)
        return list(islice(upcoming(found, now), max(1, min(count, NEXT_MAX))))

    async def history(
        self,
        tenant_id: str | None,
        ref: str,
        *,
        outcome: Outcome | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Fire]:
        """Answer what a schedule fired and what it did not, newest first; of a deleted one by its id."""
        limit = max(1, min(limit, PAGE_MAX))
        before = None if cursor is None else _time_of(cursor)
        async with self._database.system_tx() as tx:
            found, _ = await find_schedule(tx, tenant_id, ref, deleted=True)
            values = {"id": found.id, "before": before, "outcome": outcome, "limit": limit + 1}
            items = [fire_of(row) for row in await (await tx.execute(_FIRES, values)).fetchall()]
        more = to_cursor(items[limit - 1].fire_at.isoformat()) if len(items) > limit else None
        return Page(tuple(items[:limit]), more)

    async def pause(self, tenant_id: str | None, ref: str, *, actor: str) -> Schedule:
        """Let a schedule fire no more until it is resumed. Pausing twice changes nothing."""
        async with self._database.system_tx() as tx:
            found, _ = await lock_schedule(tx, tenant_id, ref)
            if found.paused_at is not None:
                return found
            return await self._stand(tx, found, actor, "pause", paused=True, next_at=found.next_fire_at)

    async def resume(self, tenant_id: str | None, ref: str, *, actor: str) -> Schedule:
        """Let a schedule that is paused, snoozed or disabled fire again; what it passed by is noted, not made."""
        async with self._database.system_tx() as tx:
            found, now = await lock_schedule(tx, tenant_id, ref)
            if found.state in ("active", "over"):
                return found
            await _pass(tx, found, now, found.state)
            next_at = timing_of(found).following(now)
            return await self._stand(tx, found, actor, "resume", paused=False, next_at=next_at)

    async def snooze(self, tenant_id: str | None, ref: str, *, until: datetime, actor: str) -> Schedule:
        """Let a schedule pass by its fires until some time, that time included; then it goes on by itself."""
        async with self._database.system_tx() as tx:
            found, now = await lock_schedule(tx, tenant_id, ref)
            if read_moment(until, "until") <= now:
                raise Invalid(field="until", reason="in_the_past")
            if found.state not in ("active", "snoozed"):
                raise Conflict("schedule_state", state=found.state, expected="active, snoozed")
            return await self._stand(
                tx, found, actor, "snooze", paused=False, next_at=found.next_fire_at, snoozed_until=until
            )

    async def delete(self, tenant_id: str | None, ref: str, *, actor: str, revision: int | None = None) -> None:
        """Remove a schedule; its history stays, and its name is free again."""
        async with self._database.system_tx() as tx:
            found, now = await lock_schedule(tx, tenant_id, ref)
            _require_revision(found, revision)
            await self.delete_on(tx, found, now, actor=actor)

    async def delete_on(self, tx: Connection, found: Schedule, now: datetime, *, actor: str) -> None:
        """Remove a schedule that the caller's transaction holds."""
        await _pass(tx, found, now, "deleted")
        await tx.execute(_DELETE, {"id": found.id})
        await record(tx, found.tenant_id, actor, "schedule.delete", f"schedule:{found.id}", name=found.name)

    async def run(
        self, tenant_id: str | None, ref: str, *, actor: str, params: Mapping[str, Any] | None = None
    ) -> Fire:
        """Fire now, by hand: while it is paused too, and beside a job that runs. The next fire stays as it is."""
        async with self._database.system_tx() as tx:
            return await self.run_on(tx, tenant_id, ref, actor=actor, params=params)

    async def run_on(
        self,
        tx: Connection,
        tenant_id: str | None,
        ref: str,
        *,
        actor: str,
        params: Mapping[str, Any] | None = None,
    ) -> Fire:
        """Fire now, in a transaction of the system, which the caller commits."""
        found, now = await lock_schedule(tx, tenant_id, ref)
        # A moment is of one fire; that of the one that is due now stays free for it.
        newest = await _newest_fire(tx, found.id, before=now + SOON)
        at = now if newest is None else max(now, newest.fire_at + TICK)
        at += TICK if at == found.next_fire_at else timedelta(0)
        given = None if params is None else {**found.params, **params}
        (job_id,) = await make_jobs(tx, [(found, job_of(found, at, given))])
        await write_fires(tx, [(found, Entry(at, "made"), job_id)], cause="manual", actor=actor)
        await advance(tx, [Step(found.id, found.next_fire_at, at, (job_id,))])
        await record(tx, found.tenant_id, actor, "schedule.run", f"schedule:{found.id}", job_id=job_id)
        made = await _newest_fire(tx, found.id, before=at + TICK)
        assert made is not None
        return made

    async def check(
        self, tenant_id: str | None = None, *, repair: bool = False, actor: str = "check"
    ) -> Sequence[Moved]:
        """Compute the next fire of every schedule anew; answer those for which another one is stored, as after an
        upgrade of the time-zone data. With `repair` what is computed is stored.
        """
        moved: list[Moved] = []
        before: str | None = None
        while True:
            async with self._database.system_tx() as tx:
                page = await read_schedules(tx, tenant_id=tenant_id, before=before, limit=PAGE_MAX)
                moved += [found for one in page if (found := _moved(one, await now_of(tx))) is not None]
            if len(page) < PAGE_MAX:
                break
            before = page[-1].id
        for one in moved if repair else ():
            await self._repair(one.schedule, actor)
        return moved

    async def _repair(self, schedule: Schedule, actor: str) -> None:
        async with self._database.system_tx() as tx:
            found, now = await lock_schedule(tx, schedule.tenant_id, schedule.id)
            now_moved = _moved(found, now)
            if now_moved is not None:
                await advance(tx, [Step(found.id, now_moved.expected_at)])
                await record(tx, found.tenant_id, actor, "schedule.repair", f"schedule:{found.id}")

    async def _stand(
        self,
        tx: Connection,
        found: Schedule,
        actor: str,
        verb: str,
        *,
        paused: bool,
        next_at: datetime | None,
        snoozed_until: datetime | None = None,
    ) -> Schedule:
        values = {
            "id": found.id, "actor": actor, "paused": paused, "snoozed_until": snoozed_until, "next_fire_at": next_at,
        }  # fmt: skip
        await tx.execute(_STAND, values)
        await record(tx, found.tenant_id, actor, f"schedule.{verb}", f"schedule:{found.id}", until=snoozed_until)
        return await read_schedule(tx, found.id)


def upcoming(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    """Yield the fires of a schedule after now, without end if it has none.

    Example: `islice(upcoming(schedule, now), 10)`.
    """
    timing = timing_of(schedule)
    floor = max(now, schedule.snoozed_until) if schedule.snoozed_until is not None else now
    at = timing.following(floor)
    while at is not None:
        yield at
        at = timing.following(at)


async def find_schedule(
    tx: Connection, tenant_id: str | None, ref: str, *, deleted: bool = False
) -> tuple[Schedule, datetime]:
    """Answer a schedule by its name or id without holding it, and the time."""
    found: list[Schedule] = []
    if is_id(ref):
        by_id = await read_schedules(tx, tenant_id=tenant_id, ids=[ref], limit=1)
        found = [one for one in by_id if deleted or one.deleted_at is None]
    if not found:
        found = await read_schedules(tx, tenant_id=tenant_id, name=ref, limit=1)
    if not found:
        raise NotFound("schedule", ref)
    return found[0], await now_of(tx)


async def _newest_fire(tx: Connection, schedule_id: str, *, before: datetime) -> Fire | None:
    values = {"id": schedule_id, "before": before, "outcome": None, "limit": 1}
    row = await (await tx.execute(_FIRES, values)).fetchone()
    return None if row is None else fire_of(row)


def _require_revision(found: Schedule, revision: int | None) -> None:
    if revision is not None and revision != found.revision:
        raise Conflict("other_revision", given=revision, present=found.revision)


async def _pass(tx: Connection, found: Schedule, now: datetime, code: str) -> None:
    """Note the fires between the stored next one and now that will not be made, in one row."""
    if found.next_fire_at is None or found.next_fire_at > now:
        return
    try:
        timing = timing_of(found)
    except Invalid:
        # A rule that nobody can read has passed by nothing that could be named.
        return
    entries = passed(timing, found.next_fire_at, now, "skipped", why(code))
    await write_fires(tx, [(found, entry, None) for entry in entries])


def _with_changes(found: Schedule, changes: Mapping[str, Any]) -> NewSchedule:
    kept: dict[str, Any] = {name: getattr(found, name) for name in EDITABLE}
    if "operation" in changes and changes["operation"] is not None and "handler" not in changes:
        kept["handler"] = None
    if "handler" in changes and changes["handler"] is not None and "operation" not in changes:
        kept["operation"] = kept["mode"] = None
    return NewSchedule(**{**kept, **changes})


def _moved(schedule: Schedule, now: datetime) -> Moved | None:
    """Answer a schedule whose next fire, not due yet, is not what its rule says now."""
    if schedule.state != "active" or schedule.next_fire_at is None or schedule.next_fire_at <= now:
        return None
    try:
        expected = timing_of(schedule).following(now)
    except Invalid:
        expected = None
    return None if expected == schedule.next_fire_at else Moved(schedule=schedule, expected_at=expected)


def _time_of(cursor: str) -> datetime:
    try:
        return datetime.fromisoformat(from_cursor(cursor))
    except ValueError:
        raise bad_cursor() from None
