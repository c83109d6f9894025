"""`/api/batch`: the routes of an older system for scheduled interventions. New programs use `/v1/schedules` and
`/v1/runs`; all show the same schedules and runs.

What is wrong with a request is 400 here, with the field's name, as its users' programs expect.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from dure.apps.interventions.service import RUNS_MAX, Interventions
from dure.errors import Invalid
from dure.http import problems
from dure.http.auth import Operator, Person, Tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems as answers
from dure.http.routes import Given
from dure.http.services import Services


class BadRequest(Invalid):
    """Something in a request cannot be accepted; 400 where newer routes answer 422.

    Example: `raise BadRequest(field="hour", reason="missing")`.
    """

    status = 400


class OldRoute(StrictRoute):
    """A route that answers 400 for whatever is wrong with a request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Answer the handler that goes on as usual, but for the status of what is invalid."""
        handle = super().get_route_handler()

        async def old(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise _bad(problems.invalid(error.errors())) from None
            except Invalid as error:
                raise _bad(error) from None

        return old


router = APIRouter(
    prefix="/api/batch", tags=["interventions"], route_class=OldRoute, responses=answers(400, 401, 403, 500, 503)
)
Ref = Annotated[
    str | None, Query(alias="id", max_length=200, description="The schedule's id, if the body does not name it.")
]
SCHEDULE = {"name": "일일 중재 권고사항 생성", "frequency": "daily", "hour": 9, "minute": 0, "is_active": True}
Document = Annotated[dict[str, Any], Body(examples=[SCHEDULE])]
Change = Annotated[dict[str, Any], Body(examples=[{"id": 1, "hour": 10}])]
RunDocument = Annotated[
    dict[str, Any] | None, Body(examples=[{"date": "2026-08-01", "frequency": "daily", "redo": False}])
]
Optional = Annotated[dict[str, Any] | None, Body(examples=[{"id": 1}])]


class ScheduleOut(BaseModel):
    """A schedule. What it cannot say as a frequency is null in `frequency`, `hour` and `minute`."""

    id: int
    name: str
    frequency: str | None
    hour: int | None
    minute: int | None
    is_active: bool
    schedule_id: str
    period: str
    zone: str
    state: str
    next_run_at: str | None
    last_run_at: str | None
    created_at: str
    updated_at: str


class SchedulesOut(BaseModel):
    """All schedules, the newest first."""

    schedules: list[ScheduleOut]
    count: int


class DeletedOut(BaseModel):
    """A schedule that was removed; its history stays."""

    id: int
    name: str
    deleted: bool


class RunAskedOut(BaseModel):
    """A run that was asked for; ask `/api/batch/status/?run_id=…` for its end."""

    run_id: str
    job_id: str | None
    status: str
    date: str
    period: str
    kind: str
    zone: str
    redo: bool


class SyncOut(BaseModel):
    """What was looked at, and what was changed, by the names of schedules."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]
    extra: list[str]
    repaired: list[str]
    changed: bool


@router.get("/schedule/", operation_id="interventionSchedules")
async def list_schedules(services: Given, _who: Person, tenant: Tenant) -> SchedulesOut:
    """List the schedules."""
    batch = _interventions(services)
    found = await batch.list(tenant or batch.tenant)
    return SchedulesOut(schedules=[ScheduleOut(**one) for one in found], count=len(found))


@router.post("/schedule/", status_code=201, operation_id="interventionScheduleCreate", responses=answers(409))
async def create_schedule(services: Given, who: Operator, tenant: Tenant, document: Document) -> ScheduleOut:
    """Make a schedule: every day, every Sunday, or on the first of every month, at an hour and a minute."""
    batch = _interventions(services)
    return ScheduleOut(**await batch.create(tenant or batch.tenant, document, actor=who.actor))


@router.put("/schedule/", operation_id="interventionScheduleUpdate", responses=answers(404, 409))
async def update_schedule(
    services: Given, who: Operator, tenant: Tenant, document: Change, ref: Ref = None
) -> ScheduleOut:
    """Change some fields of a schedule; it holds at once."""
    batch = _interventions(services)
    return ScheduleOut(**await batch.update(tenant or batch.tenant, document, actor=who.actor, ref=ref))


@router.delete("/schedule/", operation_id="interventionScheduleDelete", responses=answers(404))
async def delete_schedule(
    services: Given, who: Operator, tenant: Tenant, document: Optional = None, ref: Ref = None
) -> DeletedOut:
    """Remove a schedule; its history stays."""
    batch = _interventions(services)
    return DeletedOut(**await batch.delete(tenant or batch.tenant, document, actor=who.actor, ref=ref))


@router.post("/run/", status_code=202, operation_id="interventionRun", responses=answers(404))
async def run_now(services: Given, who: Operator, tenant: Tenant, document: RunDocument = None) -> RunAskedOut:
    """Write recommendations now, for yesterday or for a day that is named; no schedule is needed."""
    batch = _interventions(services)
    return RunAskedOut(**await batch.run(tenant or batch.tenant, document, actor=who.actor))


@router.get("/status/", operation_id="interventionStatus", responses=answers(404))
async def status(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=RUNS_MAX)] = 10,
    run_id: Annotated[str | None, Query(max_length=200, description="One run, with whom it failed for.")] = None,
    job_id: Annotated[str | None, Query(max_length=200, description="One job, with its error.")] = None,
) -> dict[str, Any]:
    """Tell how the last runs went, with their counts, and how the schedules stand."""
    batch = _interventions(services)
    owner = tenant or batch.tenant
    return await batch.status(owner, limit=limit, run_id=run_id, job_id=job_id, lang=request.state.lang)


@router.post("/sync/", operation_id="interventionSync")
async def sync(services: Given, who: Operator, tenant: Tenant) -> SyncOut:
    """Look whether every schedule's next time is what its rule says, and mend it where it is not."""
    batch = _interventions(services)
    return SyncOut(**await batch.sync(tenant or batch.tenant, actor=who.actor))


def _interventions(services: Services) -> Interventions:
    return Interventions(services.database, services.runs, services.schedules)


def _bad(error: Invalid) -> Invalid:
    return error if isinstance(error, BadRequest) else BadRequest.together([error, *error.others])
