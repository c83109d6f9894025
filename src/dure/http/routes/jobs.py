"""`/v1/jobs`: ask for jobs, find them, follow them, stop them, start them again."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime

from dure.db.pool import Connection
from dure.errors import Invalid
from dure.http import sse
from dure.http.auth import Operator, Submitter, Tenant, Viewer, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given, JobId
from dure.http.schemas import (
    AttemptOut,
    BulkCreate,
    BulkOut,
    CancelIn,
    EnqueuedOut,
    JobCreate,
    JobCreatedOut,
    JobDetailOut,
    JobOut,
    LogLineOut,
    ProgressOut,
    WhyOut,
)
from dure.queue.idempotency import Answer, Once
from dure.queue.model import NewJob, State
from dure.queue.views import JobFilter
from dure.queue.watch import is_over

router = APIRouter(
    prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A repeat within 24 hours is answered as the first time.",
        max_length=255,
    ),
]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The last event that was received.")]
Responses = dict[int | str, dict[str, Any]]
LOG_ID_MAX = 2**53 - 1
CREATED: Responses = {200: {"model": JobCreatedOut, "description": "An earlier job holds the unique key."}}


@router.post(
    "",
    status_code=201,
    operation_id="createJob",
    response_model=JobCreatedOut,
    responses={**CREATED, **problems(400, 409, 413, 415)},
)
async def create(
    request: Request,
    services: Given,
    who: Submitter,
    tenant: Tenant,
    body: JobCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for a job."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    once = await _once(request, idempotency_key)

    async def work(tx: Connection) -> Answer:
        (made,) = await services.jobs.enqueue(owner, [body.to_new()], tx=tx)
        job = JobOut.model_validate(await services.jobs.get(owner, made.id, tx=tx))
        return Answer(201 if made.created else 200, {**job.model_dump(mode="json"), "created": made.created})

    return _answer(await services.idempotency.run(owner, once, work), "/v1/jobs/{id}")


@router.post(
    "/bulk",
    status_code=201,
    operation_id="createJobs",
    response_model=BulkOut,
    responses=problems(400, 409, 413, 415),
)
async def create_many(
    request: Request,
    services: Given,
    who: Submitter,
    tenant: Tenant,
    body: BulkCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for many jobs, all or none; they may depend on each other by `ref`."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    if len(body.jobs) > services.settings.bulk_max:
        raise Invalid(field="jobs", reason="too_many", count=len(body.jobs), max=services.settings.bulk_max)
    once = await _once(request, idempotency_key)
    wanted: list[NewJob] = [job.to_new(job.ref) for job in body.jobs]

    async def work(tx: Connection) -> Answer:
        made = await services.jobs.enqueue(owner, wanted, tx=tx)
        return Answer(201, {"jobs": [EnqueuedOut.model_validate(job).model_dump() for job in made]})

    return _answer(await services.idempotency.run(owner, once, work), None)


@router.get("", operation_id="listJobs")
async def find(
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: State | None = None,
    handler: Annotated[str | None, Query(max_length=200)] = None,
    queue: Annotated[str | None, Query(max_length=100)] = None,
    tag: Annotated[str | None, Query(max_length=500)] = None,
    parent_id: Annotated[str | None, Query(max_length=36)] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
) -> PageOut[JobOut]:
    """Find jobs, newest first.

    A page looks at 200,000 jobs at most, so it may be short while there is a cursor.
    """
    where = JobFilter(
        state=state,
        handler=handler,
        queue=queue,
        tag=tag,
        parent_id=parent_id,
        created_after=created_after,
        created_before=created_before,
    )
    page = await services.jobs.list(tenant, where, limit=limit, cursor=cursor)
    return PageOut[JobOut].model_validate(page)


@router.get("/{job_id}", operation_id="getJob", responses=problems(404))
async def show(request: Request, services: Given, _who: Viewer, tenant: Tenant, job_id: JobId) -> JobDetailOut:
    """Show a job with its progress, the counts of its attempts and children, and why it does not run."""
    jobs = services.jobs
    job = await jobs.get(tenant, job_id)
    progress, why = await jobs.progress(tenant, job_id), await jobs.why(tenant, job_id)
    return JobDetailOut(
        **JobOut.model_validate(job).model_dump(),
        progress=None if progress is None else ProgressOut.model_validate(progress),
        attempts=len(await jobs.attempts(tenant, job_id)),
        children=await jobs.children(tenant, job_id),
        why=WhyOut(code=why.code, text=why.text(request.state.lang), params=dict(why.params)),
    )


@router.post("/{job_id}/cancel", status_code=202, operation_id="cancelJob", responses=problems(400, 404, 409, 413, 415))
async def cancel(services: Given, who: Operator, tenant: Tenant, job_id: JobId, body: CancelIn | None = None) -> JobOut:
    """Cancel a job and its open descendants.

    A waiting one is cancelled at once, a running one is asked to stop.
    """
    reason = (body or CancelIn()).reason
    return JobOut.model_validate(await services.jobs.cancel(tenant, job_id, reason=reason, actor=who.actor))


@router.post("/{job_id}/retry", status_code=202, operation_id="retryJob", responses=problems(404, 409))
async def retry(services: Given, who: Operator, tenant: Tenant, job_id: JobId) -> JobOut:
    """Give a failed, cancelled or quarantined job a new life under its old id."""
    return JobOut.model_validate(await services.jobs.retry(tenant, job_id, actor=who.actor))


@router.get("/{job_id}/logs", operation_id="listJobLogs", responses=problems(404))
async def logs(
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    job_id: JobId,
    after: Annotated[int, Query(ge=0, le=LOG_ID_MAX, description="The last line already read.")] = 0,
    limit: Limit = 500,
) -> PageOut[LogLineOut]:
    """Read the lines that the handler wrote, oldest first; `next_cursor` is the next page's `after`."""
    lines = await services.jobs.logs(tenant, job_id, after=after, limit=limit)
    cursor = str(lines[-1].id) if len(lines) == limit else None
    return PageOut(items=[LogLineOut.model_validate(line) for line in lines], next_cursor=cursor)


@router.get("/{job_id}/attempts", operation_id="listJobAttempts", responses=problems(404))
async def attempts(services: Given, _who: Viewer, tenant: Tenant, job_id: JobId) -> PageOut[AttemptOut]:
    """List every start of the job and how it ended, oldest first; the present one too."""
    found = await services.jobs.attempts(tenant, job_id)
    return PageOut(items=[AttemptOut.model_validate(attempt) for attempt in found])


@router.get(
    "/{job_id}/events",
    operation_id="watchJob",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events `state`, `progress`, `log`, and at last `end`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "The events behind `Last-Event-ID` are over: do not come back."},
        **problems(404),
    },
)
async def events(
    services: Given, _who: Viewer, tenant: Tenant, job_id: JobId, last_event_id: LastEventId = None
) -> Response:
    """Follow a job as server-sent events until it has ended.

    Come back with `Last-Event-ID` and nothing is missed.
    """
    job = await services.jobs.get(tenant, job_id)
    if is_over(job.state, job.attempt, last_event_id):
        return Response(status_code=204)
    return sse.respond(services.jobs.watch(tenant, job_id, after=last_event_id), services.stopping)


async def _once(request: Request, key: str | None) -> Once | None:
    return None if key is None else Once.of(key, f"{request.method} {request.url.path}", await request.body())


def _answer(answer: Answer, location: str | None) -> Response:
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    body: dict[str, Any] = answer.body
    if location is not None:
        headers["Location"] = location.format(id=body["id"])
    return JSONResponse(body, answer.status, headers)
