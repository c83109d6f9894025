"""Windows over pages, in the words of an older system: start, stop, status.

window      status
none yet    idle
open        running
elapsed     completed
stopped     idle, with a message that says so
failed      failed, with the reason
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dure.apps.notion.config import EVERY_S_MAX, FOR_S_MAX, NotionSettings, load
from dure.apps.notion.jobs import RETRIES, TICK
from dure.apps.notion.keys import PREFIX, key_of, page_of
from dure.apps.notion.store import Store
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound
from dure.lang import knows, say
from dure.schedule.model import Window
from dure.schedule.windows import Windows

Status = Literal["idle", "running", "completed", "failed"]
_STATUS: Mapping[str, Status] = {"open": "running", "elapsed": "completed", "stopped": "idle", "failed": "failed"}
OPEN_MAX = 10_000
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStatus:
    """How a page stands."""

    page_id: str
    status: Status
    message: str
    last_run_at: datetime | None
    window: Window | None
    """The open one, or the last."""

    @property
    def is_running(self) -> bool:
        """Whether a window is open over it."""
        return self.status == "running"


class Pages:
    """The windows over pages.

    Example: `await Pages(database, Windows(database, settings)).start("acme", page_id, actor="kim")`.
    """

    def __init__(self, database: Database, windows: Windows, settings: NotionSettings | None = None) -> None:
        self._database = database
        self._windows = windows
        self._settings = settings or load()

    @property
    def tenant(self) -> str:
        """Who is meant by a request that names no tenant."""
        return self._settings.tenant

    async def start(
        self, tenant_id: str, page_id: str, *, actor: str, every_s: int | None = None, for_s: int | None = None
    ) -> Window:
        """Open a window over a page; `Conflict` when one is open."""
        page = page_of(page_id)
        every_s, for_s = every_s or self._settings.every_s, for_s or self._settings.for_s
        _require("interval_seconds", every_s, EVERY_S_MAX)
        _require("duration_minutes", for_s, FOR_S_MAX)
        return await self._windows.start(
            tenant_id,
            key_of(page),
            handler=TICK,
            params={"page_id": page},
            every_s=every_s,
            for_s=for_s,
            options={"max_retries": RETRIES},
            actor=actor,
        )

    async def stop(self, tenant_id: str, page_id: str, *, actor: str) -> Window:
        """Close the window over a page; `Conflict` when none is open."""
        key = key_of(page_of(page_id))
        try:
            return await self._windows.stop(tenant_id, key, actor=actor)
        except NotFound:
            raise Conflict("window_not_open", key=key) from None

    async def status(self, tenant_id: str, page_id: str, *, lang: str | None = None) -> PageStatus:
        """Answer how a page stands; one that no window was opened over is idle."""
        page = page_of(page_id)
        try:
            window = await self._windows.get(tenant_id, key_of(page))
        except NotFound:
            message = say("notion.status.never", lang)
            return PageStatus(page_id=page, status="idle", message=message, last_run_at=None, window=None)
        return PageStatus(
            page_id=page,
            status=_STATUS[window.state],
            message=await self._message(tenant_id, page, window, lang),
            last_run_at=window.last_tick_at,
            window=window,
        )

    async def running(self, tenant_id: str) -> list[str]:
        """Answer the pages over which a window is open, the first one started first."""
        pages: list[str] = []
        cursor: str | None = None
        while len(pages) < OPEN_MAX:
            found = await self._windows.list(tenant_id, open_only=True, limit=PAGE_SIZE, cursor=cursor)
            pages += [window.key.removeprefix(PREFIX) for window in found.items if window.key.startswith(PREFIX)]
            if (cursor := found.next_cursor) is None:
                break
        return pages[::-1]

    async def _message(self, tenant_id: str, page: str, window: Window, lang: str | None) -> str:
        if window.state == "failed":
            return say("notion.status.failed", lang, reason=_reason(window.reason, lang))
        store = Store(self._database, tenant_id)
        done, skipped = await store.window_counts(page, window.started_at)
        parts = [say(f"notion.status.{window.state}", lang, count=done)]
        if skipped:
            parts.append(say("notion.status.skipped", lang, count=skipped))
        if window.is_open:
            trouble = (await store.page(page)).trouble
            if trouble is not None:
                parts.append(reason_text(trouble, lang))
            elif self._settings.key is None:
                parts.append(say("notion.status.no_key", lang))
        return ", ".join(parts)


def reason_text(reason: Mapping[str, Any] | None, lang: str | None = None) -> str:
    """Answer a stored reason as a sentence. Example: `reason_text({"code": "ticked"}) == "a person ticked it"`."""
    if not reason:
        return ""
    key, params = f"notion.reasons.{reason['code']}", reason.get("params") or {}
    try:
        return say(key, lang, **params) if knows(key) else str(params.get("text") or reason["code"])
    except KeyError:
        return str(reason["code"])


def _reason(reason: Mapping[str, Any] | None, lang: str | None) -> str:
    """Answer why a window failed: its reason is flat, and its code begins with this app's name."""
    if not reason:
        return ""
    code = str(reason["code"]).removeprefix("notion_")
    return reason_text(
        {"code": code, "params": {name: value for name, value in reason.items() if name != "code"}}, lang
    )


def _require(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise Invalid(field=field, reason="out_of_range", min=1, max=most)
