"""`/v1/intents/requests`: what was asked for, how it stands, and deciding about it; `/v1/intents/execute`."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.errors import Invalid
from dure.http.auth import Operator, Tenant, Viewer, requires
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import WAIT_S_MAX, ExecuteIn, NoteIn, RequestOut, TargetOut
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.services import Services
from dure.http.waiting import ClientGone, while_there
from dure.intents.requests import OPEN
from dure.intents.rows import Request as Asked
from dure.queue.views import Principal

router = APIRouter(
    prefix="/v1/intents", tags=["intents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

POLL_MIN_S, POLL_MAX_S = 0.05, 0.5
RequestId = Annotated[
    str, Path(description="The request's id, or its job's.", max_length=200, json_schema_extra={"format": "uuid"})
]
State = Literal[
    "waiting", "rejected", "pending", "processing", "completed", "partial", "failed", "cancelled", "quarantined"
]
Outcome = Literal["done", "skipped", "conflict", "failed", "open"]
Key = Annotated[str | None, Query(max_length=200, description="Only of this intent.")]
Approver = Annotated[Principal, Depends(requires("approver"))]
CHANGING = problems(400, 404, 409, 413, 415)


@router.get("/requests", operation_id="listIntentRequests")
async def find(
    request: Request,
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    key: Key = None,
    state: State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[RequestOut]:
    """List requests, newest first."""
    page = await services.intents.list(tenant, key=key, state=state, limit=limit, cursor=cursor)
    return PageOut(items=[_out(services, request, one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/requests/{request_id}", operation_id="getIntentRequest", responses=problems(404))
async def show(request: Request, services: Given, _who: Viewer, tenant: Tenant, request_id: RequestId) -> RequestOut:
    """Show a request, how it stands and what came of it."""
    return _out(services, request, await services.intents.get(tenant, request_id))


@router.get("/requests/{request_id}/targets", operation_id="listIntentTargets", responses=problems(404))
async def targets(
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    request_id: RequestId,
    outcome: Outcome | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOut[TargetOut]:
    """List whom a request was for, one by one, and what became of each."""
    page = await services.intents.targets(tenant, request_id, outcome=outcome, limit=limit, cursor=cursor)
    return PageOut(items=[TargetOut.of(one) for one in page.items], next_cursor=page.next_cursor)


@router.post("/requests/{request_id}/approve", status_code=202, operation_id="approveIntent", responses=CHANGING)
async def approve(
    request: Request,
    services: Given,
    who: Approver,
    tenant: Tenant,
    request_id: RequestId,
    body: NoteIn | None = None,
) -> RequestOut:
    """Say yes to a request that waits: it begins. Twice is once."""
    note = (body or NoteIn()).note
    return _out(services, request, await services.intents.approve(tenant, request_id, who, note=note))


@router.post("/requests/{request_id}/reject", operation_id="rejectIntent", responses=CHANGING)
async def reject(
    request: Request,
    services: Given,
    who: Approver,
    tenant: Tenant,
    request_id: RequestId,
    body: NoteIn | None = None,
) -> RequestOut:
    """Say no to a request that waits."""
    note = (body or NoteIn()).note
    return _out(services, request, await services.intents.reject(tenant, request_id, who, note=note))


@router.post("/requests/{request_id}/cancel", status_code=202, operation_id="cancelIntent", responses=CHANGING)
async def cancel(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    request_id: RequestId,
    body: NoteIn | None = None,
) -> RequestOut:
    """Take a request back, with all its targets; what is done stays done."""
    reason = (body or NoteIn()).note
    return _out(services, request, await services.intents.cancel(tenant, request_id, who, reason=reason))


@router.post("/requests/{request_id}/retry", status_code=202, operation_id="retryIntent", responses=CHANGING)
async def retry(request: Request, services: Given, who: Operator, tenant: Tenant, request_id: RequestId) -> RequestOut:
    """Try again what failed: of a request with targets only those, as a request of its own."""
    return _out(services, request, await services.intents.retry(tenant, request_id, who))


@router.post(
    "/execute",
    operation_id="executeIntent",
    response_model=RequestOut,
    responses={202: {"model": RequestOut, "description": "It goes on: ask again, or come back."}, **CHANGING},
)
async def execute(request: Request, services: Given, who: Operator, tenant: Tenant, body: ExecuteIn) -> Response:
    """Approve a request, if it waits for that, and wait for its end. Again is the same request, never a second one."""
    if not 0 <= body.wait_s <= WAIT_S_MAX:
        raise Invalid(field="wait_s", reason="out_of_range", min=0, max=WAIT_S_MAX)
    found = await services.intents.get(tenant, body.task_id)
    if found.decision in ("waiting", "rejected"):
        found = await services.intents.approve(tenant, found.id, who)
    try:
        ended = await while_there(request, services.stopping, _ended(services, found, body.wait_s), None)
    except ClientGone:
        ended = None
    shown = ended or await services.intents.get(tenant, found.id)
    status = 202 if shown.state in OPEN else 200
    return JSONResponse(
        _out(services, request, shown).model_dump(mode="json"),
        status,
        {"Location": f"/v1/intents/requests/{shown.id}"},
    )


async def _ended(services: Services, found: Asked, wait_s: float) -> Asked | None:
    pause_s = POLL_MIN_S
    try:
        async with asyncio.timeout(wait_s):
            while True:
                now = await services.intents.get(found.tenant_id, found.id)
                if now.state not in OPEN:
                    return now
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, POLL_MAX_S)
    except TimeoutError:
        return None


def _out(services: Services, request: Request, found: Asked) -> RequestOut:
    return RequestOut.of(found, services.intents.catalogue, request.state.lang)
