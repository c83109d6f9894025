"""`/api/v1/batch`: the routes of an older system, for windows over Notion pages. `/v1/windows` shows the same windows.

Its sentences are Korean, as its users know them, unless a request asks for another language.
"""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from dure.apps.notion.pages import Pages
from dure.http.auth import Operator, Person, Tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.routes import Given
from dure.http.services import Services
from dure.lang import pick, say
from dure.schedule.model import Window

PAGE_CHARS_MAX = 64
MINUTE_S = 60
DAY_S = 86_400
YEAR_MINUTES = 525_600
DEFAULT_LANG = "ko"

router = APIRouter(
    prefix="/api/v1/batch", tags=["notion"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

PageId = Annotated[
    str, Path(min_length=1, max_length=PAGE_CHARS_MAX, examples=["1429989f-e8ac-4eff-bc8f-57f56486db54"])
]


class StartIn(BaseModel):
    """Which page; and how often and how long, when not every minute for a quarter of an hour."""

    model_config = ConfigDict(extra="forbid")

    notion_page_id: str = Field(min_length=1, max_length=PAGE_CHARS_MAX, pattern=r"^[A-Za-z0-9-]+$")
    interval_seconds: int | None = Field(default=None, ge=1, le=DAY_S)
    duration_minutes: int | None = Field(default=None, ge=1, le=YEAR_MINUTES)


class StartedOut(BaseModel):
    """A window that was opened."""

    success: Literal[True] = True
    message: str
    notion_page_id: str
    start_time: datetime
    end_time: datetime


class StoppedOut(BaseModel):
    """A window that was closed."""

    success: Literal[True] = True
    message: str
    notion_page_id: str
    end_time: datetime


class RunningInfo(BaseModel):
    """An open window."""

    notion_page_id: str
    start_time: datetime
    end_time: datetime
    status: Literal["running"] = "running"


class StatusOut(BaseModel):
    """How a page stands."""

    success: Literal[True] = True
    notion_page_id: str
    db_status: Literal["idle", "running", "completed", "failed"]
    db_message: str
    db_last_run_at: datetime | None
    is_running: bool
    running_info: RunningInfo | None


class AllOut(BaseModel):
    """The pages over which a window is open."""

    success: Literal[True] = True
    running_batches: list[str]
    running_count: int
    scheduler_jobs: list[str]


@router.post("/start", operation_id="notionBatchStart", responses=problems(409))
async def start(request: Request, services: Given, who: Operator, tenant: Tenant, body: StartIn) -> StartedOut:
    """Work a page's to-dos, every minute for a quarter of an hour. 409 when that goes on already."""
    pages = _pages(services)
    for_s = None if body.duration_minutes is None else body.duration_minutes * MINUTE_S
    window = await pages.start(
        tenant or pages.tenant, body.notion_page_id, actor=who.actor, every_s=body.interval_seconds, for_s=for_s
    )
    return StartedOut(
        message=say("notion.started", _lang(request), span=_span(window, _lang(request))),
        notion_page_id=body.notion_page_id,
        start_time=window.started_at,
        end_time=window.ends_at,
    )


@router.post("/stop/{notion_page_id}", operation_id="notionBatchStop", responses=problems(409))
async def stop(request: Request, services: Given, who: Operator, tenant: Tenant, notion_page_id: PageId) -> StoppedOut:
    """Stop that now; the to-do in hand is let go. 409 when it does not go on."""
    pages = _pages(services)
    window = await pages.stop(tenant or pages.tenant, notion_page_id, actor=who.actor)
    return StoppedOut(
        message=say("notion.stopped", _lang(request)),
        notion_page_id=notion_page_id,
        end_time=window.closed_at or window.ends_at,
    )


@router.get("/status/{notion_page_id}", operation_id="notionBatchStatus")
async def status(request: Request, services: Given, _who: Person, tenant: Tenant, notion_page_id: PageId) -> StatusOut:
    """Tell how a page stands: idle when it was never started or was stopped, completed when its time is over."""
    pages = _pages(services)
    found = await pages.status(tenant or pages.tenant, notion_page_id, lang=_lang(request))
    window = found.window if found.is_running else None
    return StatusOut(
        notion_page_id=notion_page_id,
        db_status=found.status,
        db_message=found.message,
        db_last_run_at=found.last_run_at,
        is_running=found.is_running,
        running_info=None
        if window is None
        else RunningInfo(notion_page_id=notion_page_id, start_time=window.started_at, end_time=window.ends_at),
    )


@router.get("/status", operation_id="notionBatchStatusOfAll")
async def status_of_all(services: Given, _who: Person, tenant: Tenant) -> AllOut:
    """Tell over which pages a window is open."""
    pages = _pages(services)
    running = await pages.running(tenant or pages.tenant)
    return AllOut(
        running_batches=running, running_count=len(running), scheduler_jobs=[f"batch_{page}" for page in running]
    )


def _pages(services: Services) -> Pages:
    return Pages(services.database, services.windows)


def _lang(request: Request) -> str:
    wanted = request.headers.get("accept-language", "*").strip()
    return DEFAULT_LANG if wanted in ("", "*") else pick(wanted)


def _span(window: Window, lang: str) -> str:
    seconds = round((window.ends_at - window.started_at).total_seconds())
    if seconds % MINUTE_S == 0:
        return say("notion.minutes", lang, count=seconds // MINUTE_S)
    return say("notion.seconds", lang, count=seconds)
