"""Backfills: a range of a schedule's past, done again or for the first time, a few jobs at a time.

    preview ──► running ⇄ paused ──► done | cancelled
                   ▲                   │
                   └────── retry ──────┘     only what failed

The fires of a backfill are rows of their own, made when it is asked for: what was previewed is what is done. Their jobs
get the parameters of that time (`{fire.date}`), with the schedule as it is now.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.queue.cursors import bad_cursor, from_cursor, id_from_cursor, is_id, to_cursor
from dure.queue.views import Page
from dure.schedule.checking import require_number, require_one_of, to_json
from dure.schedule.documents import read_moment
from dure.schedule.model import BACKFILL_STATES, WHICH, Backfill, BackfillFire, BackfillState, Schedule, Which, Why
from dure.schedule.rows import (
    AWAY,
    BACKFILLS,
    backfill_of,
    calendar_of,
    job_of,
    lock_schedule,
    make_jobs,
    read_schedule,
    record,
    timing_of,
    why_not,
)
from dure.schedule.service import find_schedule

AT_ONCE_MAX = 1_000
FIRES_MAX = 100_000
PAGE_MAX = 1_000
BATCH = 20
TICK = timedelta(microseconds=1)

_INSERT = load("dure.schedule", "backfill_insert")
_INSERT_FIRES = load("dure.schedule", "backfill_fires_insert")
_FIRES = load("dure.schedule", "backfill_fires_read")
_STATE = load("dure.schedule", "backfill_state")
_RETRY = load("dure.schedule", "backfill_retry")
_CANCEL = load("dure.schedule", "backfill_cancel")
_RUNNING = load("dure.schedule", "backfills_running")
_SETTLE = load("dure.schedule", "backfill_settle")
_ROOM = load("dure.schedule", "backfill_room")
_MADE = load("dure.schedule", "backfill_made")
_DONE = load("dure.schedule", "backfill_done")
_PAST = load("dure.schedule", "fires_made")


class Backfills:
    """The backfills of a database. Example: `await Backfills(database).start("acme", "nightly", …)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def preview(
        self, tenant_id: str | None, ref: str, *, from_at: datetime, until_at: datetime, which: Which = "missing"
    ) -> list[datetime]:
        """Answer the fires that a backfill would make, from `from_at` on and before `until_at`."""
        async with self._database.system_tx() as tx:
            found, now = await find_schedule(tx, tenant_id, ref)
            return await _fires(tx, found, now, from_at, until_at, which)

    async def start(
        self,
        tenant_id: str | None,
        ref: str,
        *,
        from_at: datetime,
        until_at: datetime,
        which: Which = "missing",
        at_once: int = 1,
        actor: str,
    ) -> Backfill:
        """Begin a backfill; `Conflict` when there is nothing to do. The ticker goes on from here."""
        async with self._database.system_tx() as tx:
            return await self.start_on(
                tx, tenant_id, ref, from_at=from_at, until_at=until_at, which=which, at_once=at_once, actor=actor
            )

    async def start_on(
        self,
        tx: Connection,
        tenant_id: str | None,
        ref: str,
        *,
        from_at: datetime,
        until_at: datetime,
        which: Which,
        at_once: int,
        actor: str,
    ) -> Backfill:
        """Begin a backfill in a transaction of the system, which the caller commits."""
        require_number("at_once", at_once, 1, AT_ONCE_MAX)
        found, now = await lock_schedule(tx, tenant_id, ref)
        fires = await _fires(tx, found, now, from_at, until_at, which)
        if not fires:
            raise Conflict("nothing_to_backfill")
        values = {
            "tenant_id": found.tenant_id, "schedule_id": found.id, "from": from_at, "until": until_at, "which": which,
            "at_once": at_once, "author": actor,
        }  # fmt: skip
        row = await (await tx.execute(_INSERT, values)).fetchone()
        assert row is not None
        await tx.execute(_INSERT_FIRES, {"id": row[0], "tenant_id": found.tenant_id, "fires": fires})
        await record(tx, found.tenant_id, actor, "backfill.start", f"backfill:{row[0]}", fires=len(fires))
        return await _read(tx, found.tenant_id, str(row[0]))

    async def get(self, tenant_id: str | None, backfill_id: str) -> Backfill:
        """Answer a backfill and how far it is."""
        async with self._database.system_tx() as tx:
            return await _read(tx, tenant_id, backfill_id)

    async def list(
        self, tenant_id: str | None, ref: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Backfill]:
        """Answer the backfills of a schedule, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        before = None if cursor is None else id_from_cursor(cursor)
        async with self._database.system_tx() as tx:
            found, _ = await find_schedule(tx, tenant_id, ref, deleted=True)
            values = {"id": None, "schedule_id": found.id, "before": before, "limit": limit + 1}
            items = [backfill_of(row) for row in await (await tx.execute(BACKFILLS, values)).fetchall()]
        return Page(tuple(items[:limit]), to_cursor(items[limit - 1].id) if len(items) > limit else None)

    async def fires(
        self,
        tenant_id: str | None,
        backfill_id: str,
        *,
        state: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[BackfillFire]:
        """Answer the fires of a backfill, in order."""
        limit = max(1, min(limit, PAGE_MAX))
        try:
            after = None if cursor is None else datetime.fromisoformat(from_cursor(cursor))
        except ValueError:
            raise bad_cursor() from None
        async with self._database.system_tx() as tx:
            found = await _read(tx, tenant_id, backfill_id)
            values = {"id": found.id, "after": after, "state": state, "limit": limit + 1}
            rows = await (await tx.execute(_FIRES, values)).fetchall()
        items = [BackfillFire(fire_at=at, state=stands, job_id=job, tries=tries) for at, stands, job, tries in rows]
        more = to_cursor(items[limit - 1].fire_at.isoformat()) if len(items) > limit else None
        return Page(tuple(items[:limit]), more)

    async def pause(self, tenant_id: str | None, backfill_id: str, *, actor: str) -> Backfill:
        """Make no more jobs; those that run go on."""
        return await self._move(tenant_id, backfill_id, ["running"], "paused", actor)

    async def resume(self, tenant_id: str | None, backfill_id: str, *, actor: str) -> Backfill:
        """Go on with a backfill that rests."""
        return await self._move(tenant_id, backfill_id, ["paused"], "running", actor)

    async def cancel(self, tenant_id: str | None, backfill_id: str, *, actor: str) -> Backfill:
        """End a backfill; jobs that it has made go on."""
        return await self._move(tenant_id, backfill_id, ["running", "paused"], "cancelled", actor)

    async def retry(self, tenant_id: str | None, backfill_id: str, *, actor: str) -> Backfill:
        """Do again only what failed or was cancelled; `Conflict` when nothing was."""
        async with self._database.system_tx() as tx:
            found = await _read(tx, tenant_id, backfill_id)
            await tx.execute(_STATE, _moving(found.id, BACKFILL_STATES, "running"))
            await tx.execute(_SETTLE, {"id": found.id})
            if not await (await tx.execute(_RETRY, {"id": found.id})).fetchall():
                raise Conflict("backfill_nothing_to_retry", id=backfill_id)
            await record(tx, found.tenant_id, actor, "backfill.retry", f"backfill:{found.id}")
            return await _read(tx, tenant_id, backfill_id)

    async def _move(
        self, tenant_id: str | None, backfill_id: str, come_from: Sequence[BackfillState], to: BackfillState, actor: str
    ) -> Backfill:
        async with self._database.system_tx() as tx:
            found = await _read(tx, tenant_id, backfill_id)
            if not await (await tx.execute(_STATE, _moving(found.id, come_from, to))).fetchall():
                raise Conflict("backfill_state", state=found.state, expected=", ".join(come_from))
            if to == "cancelled":
                await tx.execute(_CANCEL, {"id": found.id})
            await record(tx, found.tenant_id, actor, f"backfill.{to}", f"backfill:{found.id}")
            return await _read(tx, tenant_id, backfill_id)


async def go_on(database: Database) -> int:
    """Let every running backfill make the jobs that it has room for; answer how many that was. For the ticker."""
    async with database.system_tx() as tx:
        rows = await (await tx.execute(_RUNNING, {"limit": BATCH})).fetchall()
        made = 0
        for backfill_id, schedule_id, at_once in rows:
            try:
                async with tx.transaction():
                    await tx.execute(_SETTLE, {"id": backfill_id})
                    made += await _make(tx, backfill_id, schedule_id, at_once)
                    await tx.execute(_DONE, {"id": backfill_id})
            except AWAY:
                raise
            except Exception as error:
                # It rests until somebody has seen to it; the others go on.
                await tx.execute(_STATE, _moving(backfill_id, ["running"], "paused", why_not(error)))
        return made


def _moving(
    backfill_id: str, come_from: Sequence[BackfillState], to: BackfillState, reason: Why | None = None
) -> dict[str, Any]:
    stored = None if reason is None else to_json(reason)
    return {"id": backfill_id, "from": list(come_from), "to": to, "reason": stored}


async def _make(tx: Connection, backfill_id: str, schedule_id: str, at_once: int) -> int:
    rows = await (await tx.execute(_ROOM, {"id": backfill_id, "at_once": at_once})).fetchall()
    if not rows:
        return 0
    schedule = await read_schedule(tx, schedule_id)
    fires = [row[0] for row in rows]
    ids = await make_jobs(tx, [(schedule, job_of(schedule, at)) for at in fires])
    await tx.execute(_MADE, {"id": backfill_id, "fires": fires, "jobs": ids})
    return len(ids)


async def _read(tx: Connection, tenant_id: str | None, backfill_id: str) -> Backfill:
    row = None
    if is_id(backfill_id):
        values = {"id": backfill_id, "schedule_id": None, "before": None, "limit": 1}
        row = await (await tx.execute(BACKFILLS, values)).fetchone()
    found = None if row is None else backfill_of(row)
    if found is None or (tenant_id is not None and found.tenant_id != tenant_id):
        raise NotFound("backfill", backfill_id)
    return found


async def _fires(
    tx: Connection, schedule: Schedule, now: datetime, from_at: datetime, until_at: datetime, which: Which
) -> list[datetime]:
    require_one_of("which", which, WHICH)
    for field, at in (("from", from_at), ("until", until_at)):
        read_moment(at, field)
    if until_at <= from_at:
        raise Invalid(field="until", reason="before_start")
    # A schedule's start does not bound its past: what it would have done before is what one may want done.
    timing = replace(timing_of(schedule), starts_at=None, ends_at=None)
    # Both ends in the past, the end itself not included.
    after, until = from_at - TICK, min(until_at - TICK, now)
    count = timing.count(after, until)
    if count > FIRES_MAX:
        raise Invalid(field="until", reason="too_many", count=count, max=FIRES_MAX)
    values = {"id": schedule.id, "from": from_at, "until": until_at}
    past: dict[datetime, str] = dict(await (await tx.execute(_PAST, values)).fetchall())
    every = timing.recent(after, until, FIRES_MAX)
    if which == "missing":
        calendar = await calendar_of(tx, schedule)
        return [at for at in every if at not in past and (calendar is None or not calendar.blocks(at, timing.zone))]
    if which == "failed":
        return sorted(at for at, state in past.items() if state in ("failed", "cancelled", "quarantined"))
    return every
