"""The jobs of a page's window. One screen, one tick's life, and one to-do's.

notion.tick   a tick of the window: looks at the page, then takes its pending to-dos, some at a time, until none is left
notion.todo   a child of it: one to-do; its own child is a job of the user's handler (`DURE_NOTION_HANDLER`)

A to-do that fails is tried again by a later tick, and skipped after so many. What Notion itself cannot do now is no
failure of a to-do: the tick ends, and the next one goes on where it stopped.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, Field

from dure import logs
from dure.apps.notion.client import reached
from dure.apps.notion.config import NotionSettings, load
from dure.apps.notion.crawl import crawl
from dure.apps.notion.errors import Busy, Denied, Gone, Missing, NotionError, Rejected
from dure.apps.notion.keys import key_of
from dure.apps.notion.store import Store
from dure.apps.notion.work import Work
from dure.errors import Conflict, NotFound
from dure.queue.context import Context
from dure.queue.model import NewJob
from dure.queue.registry import handler
from dure.queue.results import WaitForChildren
from dure.queue.retry import Retryable
from dure.schedule.windows import Windows
from dure.settings import Settings

TICK = "notion.tick"
TODO = "notion.todo"
ACTOR = "notion"
TICK_TIMEOUT_S = 3_600.0
TODO_TIMEOUT_S = 600.0
RETRIES = 100
"""Each pause that Notion asks for is one; the window's end is the limit that counts."""
TICKS_AT_ONCE = 2
TODOS_AT_ONCE = 3
"""Over all pages, so that whoever calls Notion has few before it in line."""
CLOSING = {Gone: "gone", Denied: "denied", Rejected: "rejected", Missing: "client_missing"}
"""What Notion says of a page that the next tick would hear as well."""


class TickParams(BaseModel):
    """Which page, and for which window."""

    page_id: str = Field(min_length=1, max_length=64)
    window_id: str | None = None


class TodoParams(BaseModel):
    """Which to-do of which page."""

    page_id: str = Field(min_length=1, max_length=64)
    block_id: str = Field(min_length=1, max_length=64)


@handler(TICK, deadline="start", timeout_s=TICK_TIMEOUT_S, max_retries=RETRIES, concurrency=TICKS_AT_ONCE)
async def tick(params: TickParams, ctx: Context) -> Any:
    """Look at a page once and work its to-dos."""
    settings, store = load(), Store(ctx.database, ctx.tenant_id)
    page = await store.page(params.page_id)
    if page.synced_by != ctx.job.id:
        try:
            await _look(params, ctx, settings, store, whole=page.window_id != params.window_id)
        except Busy as error:
            raise Retryable(str(error), after_s=error.after_s) from None
        except NotionError as error:
            return await _cannot(params, ctx, store, error)
    elif page.trouble is not None:
        # A to-do met it. The others would meet it too, so they are left to the next tick.
        return await _end(params, ctx, store, page.trouble)
    counts = await store.tick_counts(params.page_id, ctx.job.id)
    ctx.progress(counts["done"] + counts["skipped"], sum(counts.values()))
    deadline_at = await store.deadline(ctx.job.id)
    taken = await store.take(await ctx.tx(), params.page_id, ctx.job.id, settings.at_once)
    if not taken:
        return counts
    await ctx.enqueue_many(
        [
            NewJob(
                handler=TODO,
                params={"page_id": params.page_id, "block_id": block_id},
                parent_id=ctx.job.id,
                deadline_at=deadline_at,
                max_retries=RETRIES,
                # One a block: a to-do that an earlier window's stop still holds is not begun a second time.
                unique_key=f"notion:{block_id}",
            )
            for block_id in taken
        ]
    )
    return WaitForChildren()


@handler(TODO, deadline="start", timeout_s=TODO_TIMEOUT_S, max_retries=RETRIES, concurrency=TODOS_AT_ONCE)
async def todo(params: TodoParams, ctx: Context) -> Any:
    """Work one to-do: have its handler answer, write the answer beneath it, tick its box."""
    settings, store = load(), Store(ctx.database, ctx.tenant_id)
    if not await store.is_wanted(ctx.job.id):
        # It was asked for at the very moment of a stop.
        return {"outcome": "window_closed"}
    found = await store.todo(params.block_id)
    if found is None or not found.is_open:
        return {"outcome": "nothing_to_do"}
    try:
        async with reached(settings, ctx.database) as notion:
            work = Work(settings, store, notion, ctx)
            try:
                return await work.go(found)
            except Rejected as error:
                return await work.failed(found, "rejected", str(error))
    except Busy as error:
        raise Retryable(str(error), after_s=error.after_s) from None
    except Gone:
        await store.removed(params.block_id)
        return {"outcome": "removed"}
    except NotionError as error:
        code = CLOSING.get(type(error), "down")
        await store.trouble(params.page_id, _reason(code, error))
        ctx.log(str(error), "warning")
        return {"outcome": code}


async def _look(params: TickParams, ctx: Context, settings: NotionSettings, store: Store, *, whole: bool) -> None:
    """Look at the page and write down what is there; without a key there is nothing to look at."""
    began = await store.clock()
    async with reached(settings, ctx.database) as notion:
        look = await crawl(notion, params.page_id, whole=whole) if notion is not None else None
    await store.synced(params.page_id, look, tick_id=ctx.job.id, window_id=params.window_id, began=began)
    if look is not None and look.cut is not None:
        ctx.log(f"the page is larger than is looked at: {look.cut}", "warning")


async def _cannot(params: TickParams, ctx: Context, store: Store, error: NotionError) -> Mapping[str, Any]:
    """Notion did not show the page: note why, and close the window if that will not pass."""
    reason = _reason(CLOSING.get(type(error), "down"), error)
    await store.trouble(params.page_id, reason)
    return await _end(params, ctx, store, reason)


async def _end(params: TickParams, ctx: Context, store: Store, reason: Mapping[str, Any]) -> Mapping[str, Any]:
    text = reason["params"]["text"]
    ctx.log(text, "warning")
    logs.get("notion").warning("notion.trouble", page_id=params.page_id, code=reason["code"], reason=text)
    if reason["code"] in CLOSING.values():
        await _close(params, ctx, reason["code"], text)
    return {"trouble": reason["code"], **await store.tick_counts(params.page_id, ctx.job.id)}


async def _close(params: TickParams, ctx: Context, code: str, text: str) -> None:
    """Close the window of this tick as failed, unless it is closed already."""
    windows, key = Windows(ctx.database, Settings(database_url=None)), key_of(params.page_id)
    with suppress(Conflict, NotFound):
        if (await windows.get(ctx.tenant_id, key)).id == params.window_id:
            await windows.fail(ctx.tenant_id, key, actor=ACTOR, reason={"code": f"notion_{code}", "text": text})


def _reason(code: str, error: Exception) -> dict[str, Any]:
    return {"code": code, "params": {"text": str(error)}}
