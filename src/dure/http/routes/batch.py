"""`/batch`: the routes of an older system. New programs use `/v1/runs`; both show the same runs.

Its GET may change data, as its users' scripts expect; so one that would is refused when a browser sent it, since any
page could have a browser do so. POST does the same for everybody.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from dure.apps.knowledge.batch import AGENT_CHARS_MAX, HISTORY_MAX, Batches, BatchJob
from dure.apps.knowledge.config import load
from dure.errors import Refused
from dure.http.auth import Operator, Person, Tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.routes import Given
from dure.http.services import Services
from dure.queue.views import Principal

router = APIRouter(
    prefix="/batch", tags=["batch"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
BROWSER_HEADERS = ("origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user")

DryRun = Annotated[
    bool | None, Query(description="Only plan, change nothing; the default, unless `BATCH_DEDUP_DRY_RUN=false`.")
]
AgentId = Annotated[
    str | None, Query(min_length=1, max_length=AGENT_CHARS_MAX, description="One agent; without it, all of them.")
]
JobId = Annotated[str, Path(max_length=200, examples=["batch_20250101_120000_0a1b2c3d"])]


class BatchJobOut(BaseModel):
    """A deduplication, or its way back. Of a dry run the counts say what would be done."""

    model_config = ConfigDict(from_attributes=True)

    job_id: str
    run_id: str
    job_type: str
    rollback_of: str | None
    agent_id: str | None
    dry_run: bool
    status: str
    success: bool
    total_agents: int
    deleted_count: int
    moved_count: int
    updated_count: int
    created_count: int
    kept_count: int
    asked_count: int
    conflict_count: int
    error_count: int
    statistics: Mapping[str, int]
    guards: list[Mapping[str, Any]]
    rolled_back: bool
    created_by: str
    started_at: datetime
    completed_at: datetime | None
    error: str | None


class BatchChangeOut(BaseModel):
    """One change of a job, and why."""

    seq: int
    store: str
    operation: str
    state: str
    agent_id: str | None
    knowledge_id: str
    reason: str
    outcome: str | None


class BatchDetailOut(BatchJobOut):
    """A job with its changes, when it was asked for by its id."""

    changes: list[BatchChangeOut] | None = None


class BatchHistoryOut(BaseModel):
    """Jobs, newest first."""

    history: list[BatchDetailOut]
    count: int


STILL: dict[int | str, dict[str, Any]] = {
    202: {"model": BatchJobOut, "description": "It goes on; ask `/batch/history?job_id=…` for its end."}
}


@router.get("/deduplicate", operation_id="batchDeduplicateByGet", response_model=BatchJobOut, responses=STILL)
async def deduplicate_by_get(
    request: Request, services: Given, who: Operator, tenant: Tenant, dry_run: DryRun = None, agent_id: AgentId = None
) -> JSONResponse:
    """Deduplicate what agents know; see POST. Refused for a browser, unless it is a dry run."""
    dry = load().batch_dry_run if dry_run is None else dry_run
    if not dry and any(name in request.headers for name in BROWSER_HEADERS):
        raise Refused("browser_get")
    return await _deduplicate(request, services, who, tenant, dry, agent_id)


@router.post("/deduplicate", operation_id="batchDeduplicate", response_model=BatchJobOut, responses=STILL)
async def deduplicate(
    request: Request, services: Given, who: Operator, tenant: Tenant, dry_run: DryRun = None, agent_id: AgentId = None
) -> JSONResponse:
    """Deduplicate what agents know, and answer how it ended: `status` is `completed`, `refused` by a guard, `partial`,
    or `failed`, with the reason in `error`.
    """
    return await _deduplicate(request, services, who, tenant, dry_run, agent_id)


@router.get("/history", operation_id="batchHistory", responses=problems(404))
async def history(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=HISTORY_MAX)] = 10,
    job_id: Annotated[str | None, Query(max_length=200, description="One job, with its changes.")] = None,
) -> BatchHistoryOut:
    """List jobs, newest first; or show one, with its changes."""
    batches = _batches(services)
    owner = tenant or batches.tenant
    if job_id is None:
        jobs = await batches.history(owner, limit=limit, lang=request.state.lang)
        return BatchHistoryOut(history=[BatchDetailOut.model_validate(job) for job in jobs], count=len(jobs))
    job, changes = await batches.one(owner, job_id, lang=request.state.lang)
    detail = BatchDetailOut.model_validate(job)
    detail.changes = [BatchChangeOut(**change) for change in changes]
    return BatchHistoryOut(history=[detail], count=1)


@router.post(
    "/rollback/{job_id}",
    operation_id="batchRollback",
    response_model=BatchJobOut,
    responses={**STILL, **problems(404, 409)},
)
async def rollback(request: Request, services: Given, who: Operator, tenant: Tenant, job_id: JobId) -> JSONResponse:
    """Take a job back, all of it or nothing. 409 for a dry run, for one that changed nothing, for one taken back."""
    batches = _batches(services)
    owner = tenant or batches.tenant
    return _answer(await batches.rollback(owner, job_id, author=who.actor, lang=request.state.lang))


async def _deduplicate(
    request: Request, services: Services, who: Principal, tenant: str | None, dry_run: bool | None, agent_id: str | None
) -> JSONResponse:
    batches = _batches(services)
    owner = tenant or batches.tenant
    lang = request.state.lang
    return _answer(await batches.deduplicate(owner, author=who.actor, agent_id=agent_id, dry_run=dry_run, lang=lang))


def _batches(services: Services) -> Batches:
    return Batches(services.database, services.runs)


def _answer(job: BatchJob) -> JSONResponse:
    content = BatchJobOut.model_validate(job).model_dump(mode="json")
    return JSONResponse(content, 202 if job.status == "running" else 200)
