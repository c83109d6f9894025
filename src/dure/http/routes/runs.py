"""`/v1/runs`: plan changes, look at them, decide about them, undo them.

Runs of SQL see the rows of all tenants. So only an admin of no single tenant may ask for one, and for the key of one
tenant there are none, whichever tenant they stand under.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from dure.db.pool import Connection
from dure.errors import Invalid, NotFound, Refused
from dure.http import sse
from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant, requires
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey, LastEventId, Responses
from dure.http.runs_schemas import (
    AnsweredOut,
    AnswersIn,
    ApplyIn,
    ApprovedOut,
    ApproveIn,
    ChangeOut,
    GuardOut,
    RetryIn,
    RollbackIn,
    RunCreate,
    RunDetailOut,
    RunEventOut,
    RunOut,
    WhyIn,
)
from dure.http.services import Services
from dure.queue.cursors import bad_cursor, from_cursor, to_cursor
from dure.queue.idempotency import Answer, Once
from dure.queue.views import Principal
from dure.runs.model import ChangeState, Kind, Run, RunState
from dure.runs.reading import SEQ_MAX, ChangeFilter, RunFilter
from dure.runs.service import SQL_OPERATION
from dure.runs.watch import is_over, watch

router = APIRouter(
    prefix="/v1/runs", tags=["runs"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

Approver = Annotated[Principal, Depends(requires("approver"))]
RunId = Annotated[str, Path(description="The run's id.", max_length=200, json_schema_extra={"format": "uuid"})]
Seq = Annotated[int, Path(description="The change's number in its plan.", ge=1, le=SEQ_MAX)]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="The ETag of what is there already.")]
LOCATION: Responses = {
    202: {"headers": {"Location": {"description": "Where the run is.", "schema": {"type": "string"}}}}
}
EVENT_STREAM = "text/event-stream"
CREATING: Responses = {**LOCATION, **problems(400, 404, 409, 413, 415)}
DECIDING = problems(400, 404, 409, 413, 415)
UNCHANGED: Responses = {304: {"description": "It is as it was."}}
EVENTS: Responses = {
    200: {
        "description": "A page of events; or, if asked for by `Accept: text/event-stream`, events `event`, `state`,"
        " `progress`, and at last `end`, as they happen.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    204: {"description": "The events behind `Last-Event-ID` are over: do not come back."},
}


@router.post("", status_code=202, operation_id="createRun", response_model=RunOut, responses=CREATING)
async def create(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    body: RunCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for a plan, of an operation or of one SQL statement; with `then: apply` it is applied when nobody objects."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    _require_one_kind(body)
    if body.sql is not None:
        _require_system_admin(who)

    async def begin(tx: Connection) -> Run:
        then_apply = body.then == "apply"
        if body.sql is not None:
            return await services.runs.plan_sql(
                owner, body.sql, author=who.actor, note=body.note, leaves=body.leaves, then_apply=then_apply, tx=tx
            )
        return await services.runs.plan(
            owner, body.operation or "", body.params, author=who.actor, note=body.note, then_apply=then_apply, tx=tx
        )

    return await _begin(request, services, owner, idempotency_key, begin)


@router.get("", operation_id="listRuns")
async def find(
    request: Request,
    services: Given,
    who: Person,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    operation: Annotated[str | None, Query(max_length=200)] = None,
    state: RunState | None = None,
    author: Annotated[str | None, Query(max_length=200)] = None,
    rollback_of: Annotated[str | None, Query(max_length=36)] = None,
) -> PageOut[RunOut]:
    """Find runs, newest first."""
    where = RunFilter(operation=operation, state=state, author=author, rollback_of=rollback_of)
    page = await services.runs.list(tenant, where, limit=limit, cursor=cursor)
    items = [RunOut.of(run, request.state.lang) for run in page.items if not _is_hidden(run, who)]
    return PageOut(items=items, next_cursor=page.next_cursor)


@router.get("/{run_id}", operation_id="getRun", response_model=RunDetailOut, responses={**UNCHANGED, **problems(404)})
async def show(
    request: Request, services: Given, who: Person, tenant: Tenant, run_id: RunId, if_none_match: IfNoneMatch = None
) -> Response:
    """Show a run with its guards, its progress, and whose approval it needs."""
    run = await _find(services, who, tenant, run_id)
    known = {one.operation: one.approval for one in await services.runs.operations()}
    # A way back needs nobody's approval, whatever its operation asks for.
    approval = known.get(run.operation, "none") if run.rollback_of is None else "none"
    detail = RunDetailOut.detailed(run, approval, request.state.lang)
    answer = JSONResponse(detail.model_dump(mode="json"))
    tag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    if if_none_match is not None and tag in (part.strip().removeprefix("W/") for part in if_none_match.split(",")):
        return Response(status_code=304, headers={"ETag": tag})
    answer.headers["ETag"] = tag
    return answer


@router.get("/{run_id}/changes", operation_id="listChanges", responses=problems(404))
async def changes(
    request: Request,
    services: Given,
    who: Person,
    tenant: Tenant,
    run_id: RunId,
    limit: Limit = 100,
    cursor: Cursor = None,
    kind: Kind | None = None,
    state: ChangeState | None = None,
    store: Annotated[str | None, Query(max_length=200)] = None,
    subject: Annotated[str | None, Query(max_length=1000)] = None,
) -> PageOut[ChangeOut]:
    """List the changes of a run in the order of its plan, each with the record before and after."""
    await _find(services, who, tenant, run_id)
    where = ChangeFilter(kind=kind, state=state, store=store, subject=subject)
    page = await services.runs.changes(tenant, run_id, where, limit=limit, cursor=cursor)
    items = [ChangeOut.of(change, request.state.lang) for change in page.items]
    return PageOut(items=items, next_cursor=page.next_cursor)


@router.get("/{run_id}/changes/{seq}", operation_id="getChange", responses=problems(404))
async def change(request: Request, services: Given, who: Person, tenant: Tenant, run_id: RunId, seq: Seq) -> ChangeOut:
    """Show one change."""
    await _find(services, who, tenant, run_id)
    return ChangeOut.of(await services.runs.change(tenant, run_id, seq), request.state.lang)


@router.get("/{run_id}/guards", operation_id="listGuards", responses=problems(404))
async def guards(request: Request, services: Given, who: Person, tenant: Tenant, run_id: RunId) -> PageOut[GuardOut]:
    """List what each guard said to the plan, with its figures."""
    run = await _find(services, who, tenant, run_id)
    return PageOut(items=[GuardOut.of(answer, request.state.lang) for answer in run.guards])


@router.get("/{run_id}/approvals", operation_id="listApprovals", responses=problems(404))
async def approvals(services: Given, who: Person, tenant: Tenant, run_id: RunId) -> PageOut[ApprovedOut]:
    """List who approved, overrode or rejected the plan."""
    await _find(services, who, tenant, run_id)
    return PageOut(items=[ApprovedOut.model_validate(one) for one in await services.runs.approvals(tenant, run_id)])


@router.get(
    "/{run_id}/events",
    operation_id="listRunEvents",
    response_model=PageOut[RunEventOut],
    responses={**EVENTS, **problems(404)},
)
async def events(
    request: Request,
    services: Given,
    who: Person,
    tenant: Tenant,
    run_id: RunId,
    limit: Limit = 100,
    cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> Response:
    """List what happened to a run, oldest first; or follow it as server-sent events until it is over."""
    run = await _find(services, who, tenant, run_id)
    if _wants_stream(request.headers):
        if is_over(run, last_event_id):
            return Response(status_code=204)
        return sse.respond(watch(services.runs, tenant, run_id, after=last_event_id), services.stopping)
    after = 0 if cursor is None else _number(cursor)
    found = await services.runs.events(tenant, run_id, after=after, limit=limit)
    more = to_cursor(str(found[-1].id)) if len(found) == limit else None
    page = PageOut[RunEventOut](items=[RunEventOut.model_validate(event) for event in found], next_cursor=more)
    return JSONResponse(page.model_dump(mode="json"))


@router.post("/{run_id}/approve", operation_id="approveRun", responses=DECIDING)
async def approve(
    request: Request, services: Given, who: Approver, tenant: Tenant, run_id: RunId, body: ApproveIn
) -> RunOut:
    """Say yes to a plan; with `override` and a reason also to one that guards refused."""
    await _find(services, who, tenant, run_id)
    run = await services.runs.approve(
        tenant, run_id, actor=who.actor, plan_hash=body.plan_hash, override=body.override, reason=body.reason
    )
    return RunOut.of(run, request.state.lang)


@router.post("/{run_id}/reject", operation_id="rejectRun", responses=DECIDING)
async def reject(
    request: Request, services: Given, who: Approver, tenant: Tenant, run_id: RunId, body: WhyIn | None = None
) -> RunOut:
    """Say no to a plan; it can never be applied."""
    await _find(services, who, tenant, run_id)
    run = await services.runs.reject(tenant, run_id, actor=who.actor, reason=(body or WhyIn()).reason)
    return RunOut.of(run, request.state.lang)


@router.post("/{run_id}/answers", operation_id="answerRun", responses=DECIDING)
async def answer(services: Given, who: Operator, tenant: Tenant, run_id: RunId, body: AnswersIn) -> AnsweredOut:
    """Answer questions of a plan: `seqs`, or all of them."""
    await _find(services, who, tenant, run_id)
    if body.all == (body.seqs is not None):
        raise Invalid(field="seqs", reason="not_both" if body.all else "missing", other="all")
    if body.seqs is not None and not all(1 <= seq <= SEQ_MAX for seq in body.seqs):
        raise Invalid(field="seqs", reason="out_of_range", min=1, max=SEQ_MAX)
    count = await services.runs.answer(tenant, run_id, actor=who.actor, accepted=body.accepted, seqs=body.seqs)
    return AnsweredOut(answered=count)


@router.post("/{run_id}/apply", status_code=202, operation_id="applyRun", responses=DECIDING)
async def apply(
    request: Request, services: Given, who: Operator, tenant: Tenant, run_id: RunId, body: ApplyIn
) -> RunOut:
    """Apply a plan, once; 403 with `approval_needed` while nobody has approved it who must."""
    await _find(services, who, tenant, run_id)
    run = await services.runs.apply(tenant, run_id, actor=who.actor, plan_hash=body.plan_hash)
    return RunOut.of(run, request.state.lang)


@router.post("/{run_id}/pause", status_code=202, operation_id="pauseRun", responses=problems(404, 409))
async def pause(request: Request, services: Given, who: Operator, tenant: Tenant, run_id: RunId) -> RunOut:
    """Let an application rest after what is in hand."""
    await _find(services, who, tenant, run_id)
    return RunOut.of(await services.runs.pause(tenant, run_id, actor=who.actor), request.state.lang)


@router.post("/{run_id}/resume", status_code=202, operation_id="resumeRun", responses=problems(404, 409))
async def resume(request: Request, services: Given, who: Operator, tenant: Tenant, run_id: RunId) -> RunOut:
    """Let a resting application go on."""
    await _find(services, who, tenant, run_id)
    return RunOut.of(await services.runs.resume(tenant, run_id, actor=who.actor), request.state.lang)


@router.post("/{run_id}/cancel", status_code=202, operation_id="cancelRun", responses=DECIDING)
async def cancel(
    request: Request, services: Given, who: Operator, tenant: Tenant, run_id: RunId, body: WhyIn | None = None
) -> RunOut:
    """End a run; what is applied stays, and can be undone."""
    await _find(services, who, tenant, run_id)
    run = await services.runs.cancel(tenant, run_id, actor=who.actor, reason=(body or WhyIn()).reason)
    return RunOut.of(run, request.state.lang)


@router.post("/{run_id}/retry", status_code=202, operation_id="retryRun", responses=DECIDING)
async def retry(
    request: Request, services: Given, who: Operator, tenant: Tenant, run_id: RunId, body: RetryIn | None = None
) -> RunOut:
    """Try again what failed and what was not done; with `conflicts` also what was in conflict."""
    await _find(services, who, tenant, run_id)
    run = await services.runs.retry(tenant, run_id, actor=who.actor, conflicts=(body or RetryIn()).conflicts)
    return RunOut.of(run, request.state.lang)


@router.post(
    "/{run_id}/rollback", status_code=202, operation_id="rollbackRun", response_model=RunOut, responses=CREATING
)
async def rollback(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    run_id: RunId,
    body: RollbackIn | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for the way back: a run of its own, planned first; with `then: apply` it is applied too."""
    source = await _find(services, who, tenant, run_id)
    wanted = body or RollbackIn()
    if not all(1 <= seq <= SEQ_MAX for seq in wanted.seqs):
        raise Invalid(field="seqs", reason="out_of_range", min=1, max=SEQ_MAX)

    async def begin(tx: Connection) -> Run:
        return await services.runs.rollback(
            tenant,
            run_id,
            author=who.actor,
            mode=wanted.mode,
            subjects=wanted.subjects,
            seqs=wanted.seqs,
            note=wanted.note,
            then_apply=wanted.then == "apply",
            tx=tx,
        )

    return await _begin(request, services, source.tenant_id, idempotency_key, begin)


async def _find(services: Services, who: Principal, tenant: str | None, run_id: str) -> Run:
    run = await services.runs.get(tenant, run_id)
    if _is_hidden(run, who):
        raise NotFound("run", run_id)
    return run


def _is_hidden(run: Run, who: Principal) -> bool:
    return run.operation == SQL_OPERATION and who.tenant_id is not None


async def _begin(
    request: Request,
    services: Services,
    owner: str,
    key: str | None,
    begin: Callable[[Connection], Awaitable[Run]],
) -> Response:
    """Make a run once for its idempotency key, and say where it is."""
    route = f"{request.method} {request.url.path}"
    once = None if key is None else Once.of(key, route, await request.body())

    async def work(tx: Connection) -> Answer:
        return Answer(202, RunOut.of(await begin(tx), request.state.lang).model_dump(mode="json"))

    answer = await services.idempotency.run(owner, once, work, system=True)
    headers = {"Location": f"/v1/runs/{answer.body['id']}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(answer.body, answer.status, headers)


def _require_one_kind(body: RunCreate) -> None:
    if body.operation is None and body.sql is None:
        raise Invalid(field="operation", reason="missing")
    if body.sql is not None:
        for field, given in (("operation", body.operation), ("params", body.params)):
            if given is not None:
                raise Invalid(field=field, reason="not_both", other="sql")
    elif body.leaves:
        raise Invalid(field="leaves", reason="not_both", other="operation")


def _require_system_admin(who: Principal) -> None:
    if not who.may("admin"):
        raise Refused("scope_missing", scope="admin")
    if who.tenant_id is not None:
        raise Refused("system_only")


def _wants_stream(headers: Headers) -> bool:
    return any(part.partition(";")[0].strip() == EVENT_STREAM for part in headers.get("accept", "").split(","))


def _number(cursor: str) -> int:
    place = from_cursor(cursor)
    if not (place.isascii() and place.isdigit()) or int(place) > SEQ_MAX:
        raise bad_cursor()
    return int(place)
