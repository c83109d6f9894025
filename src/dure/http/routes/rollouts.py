"""`/v1/rollouts`: the way of a class of agents from one release to another; and what its agents did."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from dure.agents.rollout_model import OVER, Rollout, RolloutState
from dure.db.pool import Connection
from dure.errors import Invalid
from dure.http import sse
from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.release_schemas import (
    PerformanceListOut,
    PerformanceOut,
    RevertIn,
    RolloutAgentOut,
    RolloutCreate,
    RolloutDetailOut,
    RolloutEventOut,
    RolloutOut,
)
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey, LastEventId, Responses
from dure.http.routes.releases import CHANGING, MADE, OfClass, answered, once_of
from dure.queue.cursors import bad_cursor, from_cursor, to_cursor
from dure.queue.idempotency import Answer

router = APIRouter(
    prefix="/v1/rollouts", tags=["rollouts"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
performance_router = APIRouter(
    prefix="/v1/agents", tags=["agents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

RolloutId = Annotated[
    str, Path(description="The rollout's id.", max_length=200, json_schema_extra={"format": "uuid"})
]  # fmt: skip
EVENT_STREAM = "text/event-stream"
EVENT_ID_MAX = 2**53 - 1
EVENTS: Responses = {
    200: {
        "description": "A page of events; or, if asked for by `Accept: text/event-stream`, events `event` as they"
        " happen, and at last `end`.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    204: {"description": "The rollout is over and has nothing behind `Last-Event-ID`: do not come back."},
}


@router.get("", operation_id="listRollouts")
async def find(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    class_: OfClass = None,
    state: RolloutState | None = None,
) -> PageOut[RolloutOut]:
    """List rollouts, newest first."""
    page = await services.rollouts.list(tenant, class_=class_, state=state, limit=limit, cursor=cursor)
    return PageOut(items=[RolloutOut.of(one, request.state.lang) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="startRollout",
    response_model=RolloutOut,
    responses={**MADE, **CHANGING},  # type: ignore[dict-item]
)
async def start(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    body: RolloutCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Begin a rollout from the current release of a class to another; one of a class at a time."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))

    async def work(tx: Connection) -> Answer:
        made = await services.rollouts.start_on(tx, owner, body.to_new(), actor=who.actor)
        return Answer(201, RolloutOut.of(made, request.state.lang).model_dump(mode="json", by_alias=True))

    answer = await services.idempotency.run(owner, await once_of(request, idempotency_key), work, system=True)
    return answered(answer, f"/v1/rollouts/{answer.body['id']}")


@router.get("/{rollout_id}", operation_id="getRollout", responses=problems(404))
async def show(
    request: Request, services: Given, _who: Person, tenant: Tenant, rollout_id: RolloutId
) -> RolloutDetailOut:
    """Show a rollout, what its gates said last, and the agents of its class in the order of their turns."""
    found = await services.rollouts.get(tenant, rollout_id)
    agents = await services.rollouts.agents(tenant, rollout_id)
    shown = RolloutOut.of(found, request.state.lang)
    plain = {name: getattr(shown, name) for name in RolloutOut.model_fields}
    return RolloutDetailOut(**plain, agents=[RolloutAgentOut.of(one) for one in agents])


@router.get(
    "/{rollout_id}/events",
    operation_id="listRolloutEvents",
    response_model=PageOut[RolloutEventOut],
    responses={**EVENTS, **problems(404)},
)
async def events(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    rollout_id: RolloutId,
    limit: Limit = 100,
    cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> Response:
    """List what happened to a rollout, oldest first; or follow it as server-sent events until it is over."""
    if _wants_stream(request):
        return await _stream(services, tenant, rollout_id, last_event_id)
    after = 0 if cursor is None else _number(cursor)
    found = await services.rollouts.events(tenant, rollout_id, after=after, limit=limit)
    more = to_cursor(str(found[-1].id)) if len(found) == limit else None
    page = PageOut[RolloutEventOut](items=[RolloutEventOut.of(event) for event in found], next_cursor=more)
    return JSONResponse(page.model_dump(mode="json"))


@router.post("/{rollout_id}/promote", operation_id="promoteRollout", responses=CHANGING)
async def promote(
    request: Request, services: Given, who: Operator, tenant: Tenant, rollout_id: RolloutId
) -> RolloutOut:
    """Make the new release the current one now, whatever the gates have said so far."""
    return _shown(request, await services.rollouts.promote(tenant, rollout_id, actor=who.actor))


@router.post("/{rollout_id}/revert", operation_id="revertRollout", responses=CHANGING)
async def revert(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    rollout_id: RolloutId,
    body: RevertIn | None = None,
) -> RolloutOut:
    """Take a rollout back now; also one that failed and was left as it was."""
    reason = (body or RevertIn()).reason
    return _shown(request, await services.rollouts.revert(tenant, rollout_id, actor=who.actor, reason=reason))


@router.post("/{rollout_id}/pause", operation_id="pauseRollout", responses=CHANGING)
async def pause(request: Request, services: Given, who: Operator, tenant: Tenant, rollout_id: RolloutId) -> RolloutOut:
    """Let a rollout rest: nobody is asked, no gate looks, no deadline comes nearer."""
    return _shown(request, await services.rollouts.pause(tenant, rollout_id, actor=who.actor))


@router.post("/{rollout_id}/resume", operation_id="resumeRollout", responses=CHANGING)
async def resume(request: Request, services: Given, who: Operator, tenant: Tenant, rollout_id: RolloutId) -> RolloutOut:
    """Let a paused rollout go on."""
    return _shown(request, await services.rollouts.resume(tenant, rollout_id, actor=who.actor))


@performance_router.get("/performance", operation_id="agentPerformance")
async def performance(
    services: Given,
    _who: Person,
    tenant: Tenant,
    class_: OfClass = None,
    agent_id: Annotated[str | None, Query(max_length=200, description="Only of this agent.")] = None,
    version: Annotated[str | None, Query(max_length=100, description="Only of this version.")] = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="An hour before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Now.")] = None,
    by: Literal["version", "agent", "minute"] = "version",
) -> PerformanceListOut:
    """Tell what the agents of a class did, or one agent: tasks, errors, lost leases, and how long tasks took."""
    found = await services.performance.of(
        require_tenant(tenant),
        class_=class_,
        agent_id=agent_id,
        version=version,
        from_at=from_,
        until_at=until,
        by=by,
    )
    return PerformanceListOut(items=[PerformanceOut.of(one) for one in found])


def _shown(request: Request, rollout: Rollout) -> RolloutOut:
    return RolloutOut.of(rollout, request.state.lang)


async def _stream(services: Given, tenant: str | None, rollout_id: str, last_event_id: str | None) -> Response:
    after = 0 if last_event_id is None else _event_id(last_event_id)
    found = await services.rollouts.get(tenant, rollout_id)
    told_all = not await services.rollouts.events(tenant, rollout_id, after=after, limit=1)
    if found.state in OVER and last_event_id is not None and told_all:
        return Response(status_code=204)
    return sse.respond(services.rollouts.watch(tenant, rollout_id, after=after), services.stopping)


def _wants_stream(request: Request) -> bool:
    accepted = request.headers.get("accept", "").split(",")
    return any(part.partition(";")[0].strip() == EVENT_STREAM for part in accepted)


def _number(cursor: str) -> int:
    place = from_cursor(cursor)
    if not (place.isascii() and place.isdigit() and int(place) <= EVENT_ID_MAX):
        raise bad_cursor()
    return int(place)


def _event_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= EVENT_ID_MAX):
        raise Invalid(field="Last-Event-ID", reason="wrong_format", expected="42")
    return int(text)
