"""One to-do's life, over the starts of its job.

    look again ─► ask the handler ─► (its job runs) ─► store the answer ─► look again ─► append ─► tick ─► done
                                                        │ from here on nothing is asked or written twice │

The answer and its marker are stored before anything of it goes to Notion, and that writing begins is stored before it
does. Whoever finds a to-do in that state, in this job or a later window's, reads what is beneath it and writes only
what is missing. Between two steps the to-do may change: a person's tick or removal ends it, another text begins it
afresh.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dure import faults
from dure.apps.notion.client import Notion
from dure.apps.notion.config import NotionSettings
from dure.apps.notion.crawl import is_todo, seen_of
from dure.apps.notion.store import Child, Store, Todo
from dure.apps.notion.texts import answer_of, calls_of, marker_of, text_of
from dure.errors import Invalid, UnknownHandler
from dure.queue.context import Context
from dure.queue.results import WaitForChildren

FINISH_S = 4.0
"""A stop lets what is being written come to its end for so long, so that no box stays open over its result."""
ERROR_CHARS_MAX = 500

Outcome = Mapping[str, Any]


class Work:
    """A start of a to-do's job. Example: `await Work(settings, store, notion, ctx).go(todo)`."""

    def __init__(self, settings: NotionSettings, store: Store, notion: Notion | None, ctx: Context) -> None:
        self._settings = settings
        self._store = store
        self._notion = notion
        self._ctx = ctx

    async def go(self, todo: Todo) -> Any:
        """Go as far as it goes now: to the handler's job, or from its end to the to-do's."""
        if todo.answer is None:
            child = await self._store.child(self._ctx.job.id)
            if child is None:
                return await self._ask(todo)
            if child.state != "completed":
                return await self._ended_badly(todo, child)
            marker = marker_of(self._ctx.job.id)
            if child.text_hash != todo.text_hash or not await self._store.answer(todo, answer_of(child.result), marker):
                return {"outcome": "edited"}
            todo = replace(todo, answer=answer_of(child.result), marker=marker)
        faults.hit("notion.answer_stored")
        return await self._deliver(todo)

    async def _ask(self, todo: Todo) -> Any:
        """Have the handler work the to-do as it reads now."""
        now = await self._look_again(todo)
        if now is None:
            return {"outcome": "nothing_to_do"}
        params = {"page_id": now.page_id, "block_id": now.block_id, "text": now.text, "text_hash": now.text_hash}
        deadline_at = await self._store.deadline(self._ctx.job.id)
        try:
            await self._ctx.enqueue(
                self._settings.handler,
                {**params, "attempt": now.attempts + 1},
                parent_id=self._ctx.job.id,
                deadline_at=deadline_at,
                timeout_s=self._settings.work_timeout_s,
                max_retries=0,
            )
        except (Invalid, UnknownHandler) as error:
            await self._ctx.give_up(error)
            return await self.failed(now, "work_failed", error.text())
        return WaitForChildren()

    async def _ended_badly(self, todo: Todo, child: Child) -> Any:
        match child.state:
            case "pending" | "processing":
                return WaitForChildren()
            case "cancelled":
                return {"outcome": "cancelled"}
            case _ if child.error_class == "DeadlinePassed":
                return {"outcome": "window_over"}
            case _:
                text = child.error or child.error_class or child.state
                return await self.failed(todo, "work_failed", text)

    async def _deliver(self, todo: Todo) -> Outcome:
        """Write the answer and tick the box; a stop lets this come to its end."""
        now = await self._look_again(todo)
        if now is None or now.answer is None:
            return {"outcome": "changed"}
        writing = asyncio.ensure_future(self._write(now))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=FINISH_S)
            if not writing.cancel() and (error := writing.exception()) is not None:
                self._ctx.log(str(error), "warning")
            raise

    async def _write(self, todo: Todo) -> Outcome:
        assert todo.answer is not None
        assert todo.marker is not None
        if self._notion is not None:
            there = await self._markers(self._notion, todo) if todo.write_began else frozenset()
            for marker, blocks in calls_of(todo.answer, todo.marker):
                if marker in there:
                    continue
                if not await self._store.write_begins(todo, self._ctx.job):
                    return {"outcome": "changed"}
                faults.hit("notion.write_began")
                await self._notion.append(todo.block_id, blocks)
                faults.hit("notion.appended")
            await self._notion.tick(todo.block_id)
            faults.hit("notion.ticked")
        await self._store.done(todo)
        return {"outcome": "done"}

    async def _markers(self, notion: Notion, todo: Todo) -> frozenset[str]:
        """Read which parts of the answer are beneath the to-do already."""
        return frozenset([text_of(block) async for block in notion.children(todo.block_id)])

    async def _look_again(self, todo: Todo) -> Todo | None:
        """Read the to-do as Notion shows it now; None when there is nothing left to do about it."""
        if self._notion is None:
            return todo
        began = await self._store.clock()
        block = await self._notion.block(todo.block_id)
        if not is_todo(block):
            await self._store.removed(todo.block_id)
            return None
        await self._store.seen(todo.page_id, seen_of(block, todo.position, todo.path), began)
        now = await self._store.todo(todo.block_id)
        return now if now is not None and now.is_open else None

    async def failed(self, todo: Todo, code: str, text: str) -> Outcome:
        """Count a failure of the to-do, with its reason."""
        self._ctx.log(text, "warning")
        reason = {"code": code, "params": {"text": text[:ERROR_CHARS_MAX]}}
        counted = await self._store.failed(todo, reason, self._settings.retries)
        if counted is None:
            return {"outcome": "edited"}
        status, attempts = counted
        return {"outcome": "skipped" if status == "skipped" else "failed", "attempts": attempts}
