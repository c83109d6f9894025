"""Notion's API as this app needs it, through `notion-client`: every call takes its turn, every error has a meaning.

Reading is tried again here after a hiccup. A change never is: whether it was made is not known, and only reading tells.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from dure.apps.notion.config import NotionSettings
from dure.apps.notion.errors import Busy, Denied, Down, Gone, Missing, NotionError, Rejected
from dure.apps.notion.pace import Pace
from dure.apps.notion.texts import Block
from dure.db.pool import Database

if TYPE_CHECKING:
    from notion_client import AsyncClient

VERSION = "2025-09-03"
PAGE_SIZE = 100
PAUSES_S = (0.25, 0.75)
"""Before reading is tried again."""
PAUSED_STATUSES = frozenset({429, 529})
DENIED_STATUSES = frozenset({401, 403})
PASSING_STATUSES = frozenset({408, 409, 425})
TEXT_CHARS_MAX = 500


class Notion:
    """Notion, for as long as a block of code needs it. Example: `async with reached(settings, database) as notion:`."""

    def __init__(self, client: "AsyncClient", pace: Pace) -> None:
        self._client = client
        self._pace = pace

    async def block(self, block_id: str) -> Mapping[str, Any]:
        """Answer a block as it is now."""
        return await self._read(lambda: self._client.blocks.retrieve(block_id))

    async def children(self, block_id: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the blocks directly below a block or page, all of them, in their order."""
        cursor: str | None = ""
        while cursor is not None:
            found = await self._page(block_id, {"start_cursor": cursor} if cursor else {})
            for block in found["results"]:
                yield block
            cursor = (found.get("next_cursor") or None) if found.get("has_more") else None

    async def append(self, block_id: str, blocks: Sequence[Block]) -> None:
        """Write blocks below a block, behind those that are there. After an error look whether it was done."""
        await self._call(lambda: self._client.blocks.children.append(block_id, children=list(blocks)))

    async def tick(self, block_id: str) -> None:
        """Tick the box of a to-do."""
        await self._call(lambda: self._client.blocks.update(block_id, to_do={"checked": True}))

    async def _page(self, block_id: str, cursor: Mapping[str, str]) -> Mapping[str, Any]:
        return await self._read(lambda: self._client.blocks.children.list(block_id, page_size=PAGE_SIZE, **cursor))

    async def _read(self, call: Callable[[], Any]) -> Mapping[str, Any]:
        for pause_s in PAUSES_S:
            try:
                return await self._call(call)
            except Down:
                await asyncio.sleep(pause_s)
        return await self._call(call)

    async def _call(self, call: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        from notion_client.errors import HTTPResponseError, RequestTimeoutError

        while True:
            await self._pace.turn()
            try:
                return await call()
            except HTTPResponseError as error:
                if error.status not in PAUSED_STATUSES:
                    raise _meaning(error.status, str(error)) from None
                pause_s = await self._pace.pause(_retry_after_s(error.headers))
                if error.status != 429:
                    # An overloaded server may have begun; one that counts requests has not.
                    raise Busy(pause_s) from None
            except RequestTimeoutError as error:
                raise Down(str(error)) from None
            except (httpx.RequestError, ValueError) as error:
                raise Down(f"{type(error).__name__}: {error}"[:TEXT_CHARS_MAX]) from None


@asynccontextmanager
async def reached(settings: NotionSettings, database: Database) -> AsyncIterator[Notion | None]:
    """Answer Notion for a block of code, or None when there is no key for it.

    Example: `async with reached(load(), database) as notion: print(await notion.block(page_id))`.
    """
    if settings.key is None:
        yield None
        return
    try:
        from notion_client import AsyncClient
    except ModuleNotFoundError:
        raise Missing("pip install 'dure[notion]'") from None
    client = AsyncClient(
        client=httpx.AsyncClient(verify=_trusted()),
        auth=settings.key.get_secret_value(),
        base_url=settings.base_url,
        timeout_ms=int(settings.call_timeout_s * 1000),
        notion_version=VERSION,
        retry=False,
        logger=_silent(),
        log_level=logging.CRITICAL,
    )
    try:
        yield Notion(client, Pace(database, settings.requests_per_s))
    finally:
        await client.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    # Reading all certificates takes longer than everything else that a job of this app does.
    return httpx.create_ssl_context()


def _silent() -> logging.Logger:
    # Their own writes each failure to stderr, past the mask of our logs.
    logger = logging.getLogger("dure.notion.client")
    logger.propagate = False
    return logger


def _meaning(status: int, text: str) -> NotionError:
    said = f"{status}: {text}"[:TEXT_CHARS_MAX]
    if status in DENIED_STATUSES:
        return Denied(said)
    if status == 404:
        return Gone(said)
    if status in PASSING_STATUSES or status >= 500:
        return Down(said)
    return Rejected(said)


def _retry_after_s(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    try:
        return float(given)
    except ValueError:
        pass
    try:
        # Two dates of the same server, so that our own clock has no part in it.
        return (parsedate_to_datetime(given) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (ValueError, TypeError, KeyError):
        return None
