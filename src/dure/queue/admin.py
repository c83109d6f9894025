"""Queues, handlers and workers, for those who look after them.

What is changed is noted in `dure.event` with who did it.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, LiteralString

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import NotFound
from dure.queue.cursors import bad_cursor, from_cursor, to_cursor
from dure.queue.views import HandlerView, Page, Place, QueueView, WorkerView

PAGE_MAX = 1_000
QUEUES_MAX = 1_000
LAST_WORKER = 2**63 - 1

_QUEUES = load("dure.queue", "queues_list")
_DEPTHS = load("dure.queue", "queues_depths")
_QUEUE_PAUSE = load("dure.queue", "queue_pause")
_QUEUE_RESUME = load("dure.queue", "queue_resume")
_HANDLERS = load("dure.queue", "handlers_list")
_HANDLER_PAUSE = load("dure.queue", "handler_pause")
_HANDLER_RESUME = load("dure.queue", "handler_resume")
_WORKERS = load("dure.queue", "workers_list")
_WAKE = load("dure.queue", "wake")
_RECORD = load("dure.queue", "record")


class Queues:
    """The queues of a database. Example: `await Queues(database).pause("mail", actor="ops")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, tenant_id: str | None = None) -> list[QueueView]:
        """Answer every queue with what stands in it, of one tenant, or of all."""
        async with _reading(self._database, tenant_id) as tx:
            names = await (await tx.execute(_QUEUES, {"limit": QUEUES_MAX})).fetchall()
            counts = await _counts(tx)
        return [QueueView(queue, at, by, counts.get(queue, {})) for queue, at, by in names]

    async def pause(self, queue: str, *, actor: str) -> QueueView:
        """Let no job of the queue start, of any tenant.

        Those that run go on. Pausing twice changes nothing.
        """
        return await self._set(_QUEUE_PAUSE, "pause", queue, actor)

    async def resume(self, queue: str, *, actor: str) -> QueueView:
        """Let the queue's jobs start again."""
        return await self._set(_QUEUE_RESUME, "resume", queue, actor)

    async def _set(self, statement: LiteralString, verb: str, queue: str, actor: str) -> QueueView:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(statement, {"queue": queue, "actor": actor})).fetchone()
            if row is None:
                raise NotFound("queue", queue)
            await _record(tx, actor, verb, f"queue:{queue}")
            await tx.execute(_WAKE)
            return QueueView(row[0], row[1], row[2], (await _counts(tx)).get(queue, {}))


class Handlers:
    """The handlers that the database knows. Example: `await Handlers(database).get("mail.send")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[HandlerView]:
        """Answer handlers by name."""
        limit = max(1, min(limit, PAGE_MAX))
        after = "" if cursor is None else from_cursor(cursor)
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_HANDLERS, {"after": after, "handler": None, "limit": limit + 1})).fetchall()
        items = tuple(HandlerView(*row) for row in rows[:limit])
        return Page(items, to_cursor(items[-1].handler) if len(rows) > limit else None)

    async def get(self, handler: str) -> HandlerView:
        """Answer one handler, or raise `NotFound`."""
        async with self._database.system_tx() as tx:
            return await _handler(tx, handler)

    async def pause(self, handler: str, *, actor: str) -> HandlerView:
        """Let no job of the handler start, of any tenant.

        Those that run go on. Pausing twice changes nothing.
        """
        return await self._set(_HANDLER_PAUSE, "pause", handler, actor)

    async def resume(self, handler: str, *, actor: str) -> HandlerView:
        """Let the handler's jobs start again."""
        return await self._set(_HANDLER_RESUME, "resume", handler, actor)

    async def _set(self, statement: LiteralString, verb: str, handler: str, actor: str) -> HandlerView:
        async with self._database.system_tx() as tx:
            if await (await tx.execute(statement, {"handler": handler, "actor": actor})).fetchone() is None:
                raise NotFound("handler", handler)
            await _record(tx, actor, verb, f"handler:{handler}")
            await tx.execute(_WAKE)
            return await _handler(tx, handler)


class Workers:
    """The workers that registered themselves. Example: `await Workers(database).list(alive=True)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, alive: bool = False, limit: int = 100, cursor: str | None = None) -> Page[WorkerView]:
        """Answer workers, newest first; only those whose lease holds if `alive`."""
        limit = max(1, min(limit, PAGE_MAX))
        values = {"before": _worker_before(cursor), "alive": alive, "limit": limit + 1}
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_WORKERS, values)).fetchall()
        items = tuple(_worker(row) for row in rows[:limit])
        return Page(items, to_cursor(str(items[-1].worker_id)) if len(rows) > limit else None)


def _reading(database: Database, tenant_id: str | None) -> AbstractAsyncContextManager[Connection]:
    return database.system_tx() if tenant_id is None else database.tenant_tx(tenant_id)


async def _counts(tx: Connection) -> dict[str, dict[Place, int]]:
    counts: dict[str, dict[Place, int]] = {}
    for queue, place, jobs in await (await tx.execute(_DEPTHS)).fetchall():
        counts.setdefault(queue, {})[place] = jobs
    return counts


async def _handler(tx: Connection, handler: str) -> HandlerView:
    row = await (await tx.execute(_HANDLERS, {"after": "", "handler": handler, "limit": 1})).fetchone()
    if row is None:
        raise NotFound("handler", handler)
    return HandlerView(*row)


async def _record(tx: Connection, actor: str, verb: str, subject: str) -> None:
    values = {"actor": actor, "verb": verb, "subject": subject, "detail": json.dumps({}), "tenant_id": None}
    await tx.execute(_RECORD, values)


def _worker(row: Sequence[Any]) -> WorkerView:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row]
    return WorkerView(*values)


def _worker_before(cursor: str | None) -> int:
    if cursor is None:
        return LAST_WORKER
    place = from_cursor(cursor)
    if not (place.isascii() and place.isdigit() and int(place) <= LAST_WORKER):
        raise bad_cursor()
    return int(place)
