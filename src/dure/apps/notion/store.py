"""The to-dos of pages in the database: the only file of this app, besides its line and its faces, that runs SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import dict_row

from dure.apps.notion.crawl import Look, Seen
from dure.apps.notion.texts import hash_of
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.queue.model import Claimed

_PACKAGE = "dure.apps.notion"
_CLOCK = load(_PACKAGE, "clock")
_PAGE_READ = load(_PACKAGE, "page_read")
_PAGE_BEGIN = load(_PACKAGE, "page_begin")
_PAGE_SYNCED = load(_PACKAGE, "page_synced")
_PAGE_TROUBLE = load(_PACKAGE, "page_trouble")
_SYNC = load(_PACKAGE, "todos_sync")
_GONE = load(_PACKAGE, "todos_gone")
_TAKE = load(_PACKAGE, "todos_take")
_READ = load(_PACKAGE, "todo_read")
_REMOVED = load(_PACKAGE, "todo_removed")
_ANSWER = load(_PACKAGE, "todo_answer")
_WRITE = load(_PACKAGE, "todo_write")
_DONE = load(_PACKAGE, "todo_done")
_FAILED = load(_PACKAGE, "todo_failed")
_WANTED = load(_PACKAGE, "todo_wanted")
_CHILD = load(_PACKAGE, "child_read")
_DEADLINE = load(_PACKAGE, "deadline_read")
_TICK_COUNTS = load(_PACKAGE, "tick_counts")
_WINDOW_COUNTS = load(_PACKAGE, "window_counts")

Reason = Mapping[str, Any]
"""A code in `[notion.reasons]`, and the `params` that its sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """What is known of a page besides its to-dos."""

    window_id: str | None
    synced_by: str | None
    trouble: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """A to-do as it stands here."""

    page_id: str
    block_id: str
    position: int
    path: tuple[str, ...]
    text: str
    text_hash: str
    status: str
    attempts: int
    answer: str | None
    marker: str | None
    write_began: bool
    removed: bool

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do about it."""
        return self.status == "pending" and not self.removed


@dataclass(frozen=True, slots=True)
class Child:
    """The job of the handler that works a to-do."""

    id: str
    state: str
    result: Any
    error_class: str | None
    error: str | None
    text_hash: str | None


class Store:
    """One tenant's to-dos. Example: `await Store(database, "acme").todo(block_id)`."""

    def __init__(self, database: Database, tenant_id: str) -> None:
        self._database = database
        self._tenant_id = tenant_id

    async def page(self, page_id: str) -> PageRow:
        """Answer a page's row, made if it is not there yet."""
        async with self._database.system_tx() as tx:
            values = {"tenant": self._tenant_id, "page": page_id}
            await tx.execute(_PAGE_BEGIN, values)
            row = await (await tx.execute(_PAGE_READ, values)).fetchone()
        assert row is not None
        return PageRow(window_id=row[0], synced_by=row[1], trouble=row[2])

    async def clock(self) -> datetime:
        """Answer the database's time."""
        return (await self._one(_CLOCK))[0]  # type: ignore[no-any-return]

    async def synced(self, page_id: str, look: Look | None, *, tick_id: str, window_id: str | None, began: Any) -> None:
        """Write down what a look at a page found; `window_id` when it was a look at all of it."""
        async with self._database.system_tx() as tx:
            page = {"tenant": self._tenant_id, "page": page_id}
            if look is not None:
                await tx.execute(_SYNC, {**page, "began": began, "todos": _json(look.todos)})
            if look is not None and look.cut not in ("blocks", "todos"):
                seen = [todo.block_id for todo in look.todos]
                await tx.execute(_GONE, {**page, "seen": seen, "passed": look.passed})
            values = {**page, "tick": tick_id, "window": window_id, "cut": look.cut if look else None}
            await tx.execute(_PAGE_SYNCED, values)

    async def seen(self, page_id: str, todo: Seen, began: datetime) -> None:
        """Write down one to-do as Notion shows it now."""
        await self._run(_SYNC, page=page_id, began=began, todos=_json([todo]))

    async def removed(self, block_id: str) -> None:
        """Note that a to-do is no longer there."""
        await self._run(_REMOVED, block=block_id)

    async def trouble(self, page_id: str, reason: Reason) -> None:
        """Note what keeps Notion from answering for a page."""
        await self._run(_PAGE_TROUBLE, page=page_id, trouble=json.dumps(reason, ensure_ascii=False))

    async def take(self, tx: Connection, page_id: str, tick_id: str, most: int) -> list[str]:
        """Take the next to-dos of a page for a tick, in a transaction of the caller's; answer their ids in order."""
        values = {"tenant": self._tenant_id, "page": page_id, "tick": tick_id, "most": most}
        rows = await (await tx.execute(_TAKE, values)).fetchall()
        return [row[0] for row in sorted(rows, key=lambda row: (row[1], row[0]))]

    async def todo(self, block_id: str) -> Todo | None:
        """Answer a to-do, or None when none has this id."""
        async with self._database.system_tx() as tx, tx.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_READ, {"tenant": self._tenant_id, "block": block_id})
            row = await cursor.fetchone()
        return None if row is None else Todo(**{**row, "path": tuple(row["path"])})

    async def answer(self, todo: Todo, answer: str, marker: str) -> bool:
        """Store a result before it is written; answer whether it is still wanted."""
        given = {"answer": answer, "marker": marker, "text_hash": todo.text_hash}
        return await self._run(_ANSWER, block=todo.block_id, **given) == 1

    async def write_begins(self, todo: Todo, job: Claimed) -> bool:
        """Note that writing begins; answer whether it may, by this job."""
        return await self._run(_WRITE, block=todo.block_id, marker=todo.marker, job=job.id, claim=job.claim_id) == 1

    async def done(self, todo: Todo) -> bool:
        """Note that the result is written and the box is ticked."""
        return await self._run(_DONE, block=todo.block_id, marker=todo.marker) == 1

    async def failed(self, todo: Todo, reason: Reason, retries: int) -> tuple[str, int] | None:
        """Count a failure; answer the status that follows and the failures so far, or None when the text is another."""
        given = {"block": todo.block_id, "text_hash": todo.text_hash, "retries": retries}
        values = {**given, "tenant": self._tenant_id, "reason": json.dumps(reason, ensure_ascii=False)}
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_FAILED, values)).fetchone()
        return None if row is None else (row[0], row[1])

    async def child(self, job_id: str) -> Child | None:
        """Answer the last job that a job asked for."""
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_CHILD, {"tenant": self._tenant_id, "job": job_id})).fetchone()
        return None if row is None else Child(*row)

    async def is_wanted(self, job_id: str) -> bool:
        """Answer whether the tick that asked for a job still goes on."""
        return bool((await self._one(_WANTED, job=job_id))[0])

    async def deadline(self, job_id: str) -> datetime | None:
        """Answer until when a job may run."""
        return (await self._one(_DEADLINE, job=job_id))[0]  # type: ignore[no-any-return]

    async def tick_counts(self, page_id: str, tick_id: str) -> dict[str, int]:
        """Answer what became of the to-dos of a tick, and how many wait."""
        row = await self._one(_TICK_COUNTS, page=page_id, tick=tick_id)
        return dict(zip(("done", "skipped", "pending"), row, strict=True))

    async def window_counts(self, page_id: str, began: datetime) -> tuple[int, int]:
        """Answer how many to-dos a page's last window has worked, and how many are skipped."""
        row = await self._one(_WINDOW_COUNTS, page=page_id, began=began)
        return row[0], row[1]

    async def _one(self, statement: LiteralString, **values: Any) -> tuple[Any, ...]:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(statement, {"tenant": self._tenant_id, **values})).fetchone()
        return row if row is not None else (None,)

    async def _run(self, statement: LiteralString, **values: Any) -> int:
        async with self._database.system_tx() as tx:
            return (await tx.execute(statement, {"tenant": self._tenant_id, **values})).rowcount


def _json(todos: Sequence[Seen]) -> str:
    return json.dumps([{**asdict(todo), "text_hash": hash_of(todo.text)} for todo in todos], ensure_ascii=False)
