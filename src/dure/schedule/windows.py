"""Windows: work that is done every so often for a while, and then by itself no more.

    open ──► elapsed     its time is over, by the database's clock
         ├─► stopped     somebody said so
         └─► failed      its work cannot go on (`fail`)

A window is a row and a schedule of its own, whose fires are the window's ticks. What closed it is written once and
never over: a tick that ends later changes nothing about it.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, DureError, Invalid, NotFound
from dure.ids import is_tenant_id
from dure.queue.cursors import id_from_cursor, to_cursor
from dure.queue.views import Page
from dure.schedule.checking import new_id, require_handler, require_number, require_options, to_json
from dure.schedule.due import Entry
from dure.schedule.model import Window, WindowState, why
from dure.schedule.rows import (
    WINDOWS,
    Step,
    advance,
    job_of,
    make_jobs,
    now_of,
    read_schedule,
    record,
    timing_of,
    window_of,
    write_fires,
)
from dure.settings import Settings

EVERY_S = 60
FOR_S = 900
EVERY_S_MAX = 86_400
FOR_S_MAX = 31_536_000
KEY_CHARS_MAX = 200
PAGE_MAX = 1_000
CLOSE_BATCH = 100

_INSERT_SCHEDULE = load("dure.schedule", "schedule_insert")
_DELETE_SCHEDULE = load("dure.schedule", "schedule_delete")
_INSERT = load("dure.schedule", "window_insert")
_LOCK = load("dure.schedule", "window_lock")
_OVER = load("dure.schedule", "windows_over")
_CLOSE = load("dure.schedule", "window_close")
_JOBS = load("dure.schedule", "window_jobs")
_CANCEL = load("dure.queue", "job_cancel")


class Windows:
    """The windows of a database.

    Example: `await Windows(database, settings).start("acme", "inbox", handler="inbox.read", actor="kim")`.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def start(
        self,
        tenant_id: str,
        key: str,
        *,
        handler: str,
        params: Mapping[str, Any] | None = None,
        every_s: int = EVERY_S,
        for_s: int = FOR_S,
        options: Mapping[str, Any] | None = None,
        actor: str,
    ) -> Window:
        """Open a window: the first tick now, the next ones every so often, none at its end or after. `Conflict` when
        one of this key is open.
        """
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        if not key or len(key) > KEY_CHARS_MAX:
            raise Invalid(field="key", reason="out_of_range", min=1, max=KEY_CHARS_MAX)
        require_number("every_s", every_s, 1, EVERY_S_MAX)
        require_number("for_s", for_s, 1, FOR_S_MAX)
        given = require_options(options or {})
        async with self._database.system_tx() as tx:
            await require_handler(tx, handler)
            await self._close_if_over(tx, tenant_id, key)
            window_id, schedule_id = await new_id(tx), await new_id(tx)
            now = await now_of(tx)
            ends_at = now + timedelta(seconds=for_s)
            schedule = {
                "id": schedule_id, "tenant_id": tenant_id, "name": f"window:{window_id}", "zone": "UTC",
                "rule": to_json({"kind": "interval", "every_s": every_s, "anchor": now.isoformat()}),
                "handler": handler, "operation": None, "params": to_json(params or {}), "mode": None,
                "catch_up": "latest", "catch_up_max": 1, "overlap": "skip",
                "jitter_s": 0, "calendar": None, "starts_at": now, "ends_at": ends_at, "options": to_json(given),
                "next_fire_at": None, "paused": False, "window_id": window_id, "author": actor,
            }  # fmt: skip
            await tx.execute(_INSERT_SCHEDULE, schedule)
            values = {
                "id": window_id, "tenant_id": tenant_id, "key": key, "schedule_id": schedule_id, "every_s": every_s,
                "started_at": now, "ends_at": ends_at, "author": actor,
            }  # fmt: skip
            if await (await tx.execute(_INSERT, values)).fetchone() is None:
                raise Conflict("window_open", key=key)
            await _first_tick(tx, schedule_id)
            await record(tx, tenant_id, actor, "window.start", f"window:{window_id}", key=key, ends_at=ends_at)
            return await self._read(tx, tenant_id, key)

    async def stop(self, tenant_id: str, key: str, *, actor: str, reason: str = "") -> Window:
        """Close an open window now; the tick in hand is asked to stop. `Conflict` when none is open."""
        return await self._end(tenant_id, key, "stopped", actor, why("stopped", actor=actor, text=reason or "-"))

    async def fail(self, tenant_id: str, key: str, *, actor: str, reason: Mapping[str, Any]) -> Window:
        """Close an open window because its work cannot go on; `reason` has a `code`."""
        return await self._end(tenant_id, key, "failed", actor, reason)

    async def get(self, tenant_id: str, key: str) -> Window:
        """Answer the open window of a key, or the last one; `NotFound` when there was none."""
        async with self._database.tenant_tx(tenant_id) as tx:
            return await self._read(tx, tenant_id, key)

    async def list(
        self, tenant_id: str | None, *, open_only: bool = False, limit: int = 50, cursor: str | None = None
    ) -> Page[Window]:
        """Answer windows, newest first; `tenant_id=None` means those of all."""
        limit = max(1, min(limit, PAGE_MAX))
        values = {
            "tenant_id": tenant_id, "key": None, "id": None, "open_only": open_only, "limit": limit + 1,
            "before": None if cursor is None else id_from_cursor(cursor),
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            items = [window_of(row) for row in await (await tx.execute(WINDOWS, values)).fetchall()]
        return Page(tuple(items[:limit]), to_cursor(items[limit - 1].id) if len(items) > limit else None)

    async def _end(self, tenant_id: str, key: str, state: WindowState, actor: str, reason: Mapping[str, Any]) -> Window:
        async with self._database.system_tx() as tx:
            over = await self._close_if_over(tx, tenant_id, key)
            row = await (await tx.execute(_LOCK, {"tenant_id": tenant_id, "key": key})).fetchone()
            if row is not None:
                await _close(tx, row[0], row[1], state, actor, reason)
                await record(tx, tenant_id, actor, f"window.{state}", f"window:{row[0]}", key=key, reason=dict(reason))
                return await self._read(tx, tenant_id, key)
        raise Conflict("window_not_open", key=key) if over else await self._not_open(tenant_id, key)

    async def _not_open(self, tenant_id: str, key: str) -> DureError:
        try:
            await self.get(tenant_id, key)
        except NotFound as error:
            return error
        return Conflict("window_not_open", key=key)

    async def _close_if_over(self, tx: Connection, tenant_id: str, key: str) -> bool:
        row = await (await tx.execute(_LOCK, {"tenant_id": tenant_id, "key": key})).fetchone()
        if row is None or not row[2]:
            return False
        await _close(tx, row[0], row[1], "elapsed", None, None)
        return True

    async def _read(self, tx: Connection, tenant_id: str, key: str) -> Window:
        values = {"tenant_id": tenant_id, "key": key, "id": None, "open_only": False, "before": None, "limit": 1}
        row = await (await tx.execute(WINDOWS, values)).fetchone()
        if row is None:
            raise NotFound("window", key)
        return window_of(row)


async def close_those_over(database: Database) -> int:
    """Close the windows whose time is over; answer how many. A tick that has not started will not."""
    closed = 0
    while True:
        async with database.system_tx() as tx:
            rows = await (await tx.execute(_OVER, {"limit": CLOSE_BATCH})).fetchall()
            for window_id, schedule_id, tenant_id in rows:
                await _close(tx, window_id, schedule_id, "elapsed", None, None)
                await record(tx, tenant_id, "ticker", "window.elapsed", f"window:{window_id}")
        closed += len(rows)
        if len(rows) < CLOSE_BATCH:
            return closed


async def _first_tick(tx: Connection, schedule_id: str) -> None:
    """Make the tick of the start in the transaction that opens the window, so that there is no window without one."""
    schedule = await read_schedule(tx, schedule_id)
    assert schedule.starts_at is not None
    (job_id,) = await make_jobs(tx, [(schedule, job_of(schedule, schedule.starts_at))])
    await write_fires(tx, [(schedule, Entry(schedule.starts_at, "made"), job_id)])
    next_at = timing_of(schedule).following(schedule.starts_at)
    await advance(tx, [Step(schedule.id, next_at, schedule.starts_at, (job_id,))])


async def _close(
    tx: Connection,
    window_id: str,
    schedule_id: str,
    state: WindowState,
    actor: str | None,
    reason: Mapping[str, Any] | None,
) -> None:
    stored = None if reason is None else json.dumps(dict(reason), ensure_ascii=False, default=str)
    values = {"id": window_id, "state": state, "actor": actor, "reason": stored}
    if await (await tx.execute(_CLOSE, values)).fetchone() is None:
        return
    await tx.execute(_DELETE_SCHEDULE, {"id": schedule_id})
    for job_id, job_state in await (await tx.execute(_JOBS, {"schedule_id": schedule_id})).fetchall():
        # The tick in hand may finish what it began when the time is over, as its handler says (deadline); when somebody
        # stops the window, it is asked to stop.
        if state == "elapsed" and job_state == "processing":
            continue
        try:
            async with tx.transaction():
                await tx.execute(_CANCEL, {"id": job_id, "reason": f"the window is {state}"})
        except psycopg.Error as error:
            # It has ended in the meantime.
            if error.sqlstate != "DU001":
                raise
