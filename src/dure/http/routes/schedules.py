"""`/v1/schedules`: make and change them, see what they fire, look after their past.

A schedule is found by its id, or by its name; a name is of one tenant, so whoever asks for all must say which.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.db.pool import Connection
from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant
from dure.http.backfill_schemas import BackfillIn, BackfillOut, BackfillPreviewOut
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.revisions import IF_MATCH, TAGGED, IfMatch, expected_revision, tag_of
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey, Responses
from dure.http.schedule_schemas import (
    AppliedAllOut,
    AppliedOut,
    ApplyIn,
    CheckedOut,
    CheckIn,
    FireOut,
    MovedOut,
    NextFireOut,
    NextOut,
    RunNowIn,
    ScheduleCreate,
    ScheduleEdit,
    ScheduleOut,
    SnoozeIn,
)
from dure.queue.cursors import is_id
from dure.queue.idempotency import Answer, Once
from dure.schedule.ahead import look_ahead, moment_in
from dure.schedule.files import apply as apply_file
from dure.schedule.model import Outcome, Schedule
from dure.schedule.rules import zone_of
from dure.schedule.service import NEXT_MAX
from dure.schedule.versions import versions

router = APIRouter(
    prefix="/v1/schedules", tags=["schedules"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

Ref = Annotated[str, Path(description="The schedule's name or id.", max_length=200, examples=["nightly"])]
Zone = Annotated[str | None, Query(max_length=100, description="Your own zone.", examples=["Europe/Berlin"])]
Count = Annotated[int, Query(ge=1, le=NEXT_MAX, description="How many fires.")]
CHANGING = problems(400, 404, 409, 413, 415)


@router.get("", operation_id="listSchedules")
async def find(
    request: Request, services: Given, _who: Person, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[ScheduleOut]:
    """List the schedules, newest first."""
    page = await services.schedules.list(tenant, limit=limit, cursor=cursor)
    return PageOut(items=[ScheduleOut.of(one, request.state.lang) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="createSchedule",
    response_model=ScheduleOut,
    responses={**TAGGED[201], **problems(400, 404, 409, 413, 415)},
)
async def create(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    body: ScheduleCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a schedule."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    once = await _once(request, idempotency_key)

    async def work(tx: Connection) -> Answer:
        made = await services.schedules.create_on(tx, owner, body.to_new(), actor=who.actor)
        return Answer(201, ScheduleOut.of(made, request.state.lang).model_dump(mode="json"))

    answer = await services.idempotency.run(owner, once, work, system=True)
    where = {"Location": f"/v1/schedules/{answer.body['id']}", "ETag": tag_of(answer.body["revision"])}
    return _answered(answer, where)


@router.post("/check", operation_id="checkSchedules", responses=problems(400, 413, 415))
async def check(services: Given, who: Operator, tenant: Tenant, body: CheckIn | None = None) -> CheckedOut:
    """Compute the next fire of every schedule anew; answer those that an upgrade has moved."""
    repair = (body or CheckIn()).repair
    moved = await services.schedules.check(tenant, repair=repair, actor=who.actor)
    return CheckedOut(versions=versions(), repaired=repair, items=[MovedOut.of(one) for one in moved])


@router.post("/apply", operation_id="applySchedules", responses=CHANGING)
async def apply(services: Given, who: Operator, tenant: Tenant, body: ApplyIn) -> AppliedAllOut:
    """Make schedules be as they are written, all or none; what is so already is left alone."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    done = await apply_file(
        services.database,
        services.schedules,
        owner,
        [one.to_new() for one in body.schedules],
        actor=who.actor,
        preview=body.preview,
        prune=body.prune,
    )
    items = [AppliedOut(name=one.name, action=one.action, fields=list(one.fields)) for one in done]
    return AppliedAllOut(preview=body.preview, items=items)


@router.get(
    "/{ref}", operation_id="getSchedule", response_model=ScheduleOut, responses={**TAGGED[200], **problems(404)}
)
async def show(request: Request, services: Given, _who: Person, tenant: Tenant, ref: Ref) -> Response:
    """Show a schedule, how it stands, and when it fires next."""
    return _shown(request, await services.schedules.get(_owner(tenant, ref), ref))


@router.patch(
    "/{ref}",
    operation_id="editSchedule",
    response_model=ScheduleOut,
    responses={**TAGGED[200], **IF_MATCH, **CHANGING},
)
async def edit(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    ref: Ref,
    body: ScheduleEdit,
    if_match: IfMatch = None,
) -> Response:
    """Change some fields of a schedule; it holds at once."""
    owner, schedules = _owner(tenant, ref), services.schedules
    async with expected_revision(if_match, lambda: schedules.get(owner, ref)) as revision:
        return _shown(request, await schedules.edit(owner, ref, body.changes(), actor=who.actor, revision=revision))


@router.delete("/{ref}", status_code=204, operation_id="deleteSchedule", responses={**IF_MATCH, **problems(404)})
async def delete(services: Given, who: Operator, tenant: Tenant, ref: Ref, if_match: IfMatch = None) -> None:
    """Delete a schedule; its history stays, under its id, and its name is free again."""
    owner, schedules = _owner(tenant, ref), services.schedules
    async with expected_revision(if_match, lambda: schedules.get(owner, ref)) as revision:
        await schedules.delete(owner, ref, actor=who.actor, revision=revision)


@router.get("/{ref}/next", operation_id="nextFires", responses=problems(404))
async def following(
    request: Request, services: Given, _who: Person, tenant: Tenant, ref: Ref, count: Count = 10, zone: Zone = None
) -> NextOut:
    """List the next fires by the clocks of its zone and of yours, with those that its calendar blocks."""
    yours = None if zone is None else zone_of(zone)
    schedule, fires = await look_ahead(services.database, _owner(tenant, ref), ref, count=count)
    own, lang = zone_of(schedule.zone), request.state.lang
    return NextOut(
        schedule_id=schedule.id,
        zone=schedule.zone,
        state=schedule.state,
        items=[NextFireOut.of(fire, own, yours, lang) for fire in fires],
    )


@router.get("/{ref}/fires", operation_id="listFires", responses=problems(404))
async def fires(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    ref: Ref,
    limit: Limit = 50,
    cursor: Cursor = None,
    outcome: Outcome | None = None,
) -> PageOut[FireOut]:
    """List what a schedule fired and what it did not, newest first; of a deleted one by its id."""
    page = await services.schedules.history(_owner(tenant, ref), ref, outcome=outcome, limit=limit, cursor=cursor)
    return PageOut(items=[FireOut.of(one, request.state.lang) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    "/{ref}/pause",
    operation_id="pauseSchedule",
    response_model=ScheduleOut,
    responses={**TAGGED[200], **problems(404)},
)
async def pause(request: Request, services: Given, who: Operator, tenant: Tenant, ref: Ref) -> Response:
    """Let it fire no more until it is resumed."""
    return _shown(request, await services.schedules.pause(_owner(tenant, ref), ref, actor=who.actor))


@router.post(
    "/{ref}/resume",
    operation_id="resumeSchedule",
    response_model=ScheduleOut,
    responses={**TAGGED[200], **problems(404)},
)
async def resume(request: Request, services: Given, who: Operator, tenant: Tenant, ref: Ref) -> Response:
    """Let it fire again, whether it was paused, snoozed or disabled; what it passed by is noted, not made."""
    return _shown(request, await services.schedules.resume(_owner(tenant, ref), ref, actor=who.actor))


@router.post(
    "/{ref}/snooze",
    operation_id="snoozeSchedule",
    response_model=ScheduleOut,
    responses={**TAGGED[200], **CHANGING},
)
async def snooze(
    request: Request, services: Given, who: Operator, tenant: Tenant, ref: Ref, body: SnoozeIn
) -> Response:
    """Let it pass by its fires until some time; then it goes on by itself."""
    owner = _owner(tenant, ref)
    return _shown(request, await services.schedules.snooze(owner, ref, until=body.until, actor=who.actor))


@router.post("/{ref}/run", status_code=202, operation_id="runSchedule", response_model=FireOut, responses=CHANGING)
async def run(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    ref: Ref,
    body: RunNowIn | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Fire now, while it is paused too, and beside a job that runs; the next fire stays as it is."""
    found = await services.schedules.get(_owner(tenant, ref), ref)
    once, params = await _once(request, idempotency_key), (body or RunNowIn()).params

    async def work(tx: Connection) -> Answer:
        made = await services.schedules.run_on(tx, found.tenant_id, found.id, actor=who.actor, params=params)
        return Answer(202, FireOut.of(made, request.state.lang).model_dump(mode="json"))

    answer = await services.idempotency.run(found.tenant_id, once, work, system=True)
    return _answered(answer, {"Location": f"/v1/jobs/{answer.body['job_id']}"})


@router.get("/{ref}/backfills", operation_id="listBackfills", responses=problems(404))
async def backfills(
    services: Given, _who: Person, tenant: Tenant, ref: Ref, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[BackfillOut]:
    """List the backfills of a schedule, newest first."""
    page = await services.backfills.list(_owner(tenant, ref), ref, limit=limit, cursor=cursor)
    return PageOut(items=[BackfillOut.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


PREVIEWED: Responses = {200: {"model": BackfillPreviewOut, "description": "With `preview`: nothing was made."}}


@router.post(
    "/{ref}/backfills",
    status_code=202,
    operation_id="createBackfill",
    response_model=BackfillOut,
    responses={**PREVIEWED, **CHANGING},
)
async def backfill(
    request: Request,
    services: Given,
    who: Operator,
    tenant: Tenant,
    ref: Ref,
    body: BackfillIn,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Do a range of its past again, or for the first time; with `preview` only answer the fires."""
    found = await services.schedules.get(_owner(tenant, ref), ref)
    zone, owner = zone_of(found.zone), found.tenant_id
    from_at, until_at = moment_in(body.from_, zone, "from"), moment_in(body.until, zone, "until")
    if body.preview:
        ahead = await services.backfills.preview(owner, found.id, from_at=from_at, until_at=until_at, which=body.which)
        return JSONResponse(BackfillPreviewOut(count=len(ahead), fires=ahead).model_dump(mode="json"))

    async def work(tx: Connection) -> Answer:
        made = await services.backfills.start_on(
            tx,
            owner,
            found.id,
            from_at=from_at,
            until_at=until_at,
            which=body.which,
            at_once=body.at_once,
            actor=who.actor,
        )
        return Answer(202, BackfillOut.model_validate(made).model_dump(mode="json"))

    answer = await services.idempotency.run(owner, await _once(request, idempotency_key), work, system=True)
    return _answered(answer, {"Location": f"/v1/backfills/{answer.body['id']}"})


def _owner(tenant: str | None, ref: str) -> str | None:
    """Answer whose schedule is meant: without a tenant, a name could be of several."""
    return tenant if is_id(ref) else require_tenant(tenant)


def _shown(request: Request, schedule: Schedule) -> Response:
    shown = ScheduleOut.of(schedule, request.state.lang).model_dump(mode="json")
    return JSONResponse(shown, headers={"ETag": tag_of(schedule.revision)})


def _answered(answer: Answer, headers: dict[str, str]) -> Response:
    replayed = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return JSONResponse(answer.body, answer.status, {**headers, **replayed})


async def _once(request: Request, key: str | None) -> Once | None:
    return None if key is None else Once.of(key, f"{request.method} {request.url.path}", await request.body())
