"""`/v1/backfills`: how far a backfill is, and letting it rest, go on, end, or try again what failed."""

from typing import Annotated

from fastapi import APIRouter, Path

from dure.http.auth import Operator, Person, Tenant
from dure.http.backfill_schemas import BackfillFireOut, BackfillOut
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.schedule.model import BackfillFireState

router = APIRouter(
    prefix="/v1/backfills", tags=["schedules"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
BackfillId = Annotated[
    str, Path(description="The backfill's id.", max_length=200, json_schema_extra={"format": "uuid"})
]
MOVING = problems(404, 409)


@router.get("/{backfill_id}", operation_id="getBackfill", responses=problems(404))
async def show(services: Given, _who: Person, tenant: Tenant, backfill_id: BackfillId) -> BackfillOut:
    """Show a backfill and how far it is."""
    return BackfillOut.model_validate(await services.backfills.get(tenant, backfill_id))


@router.get("/{backfill_id}/fires", operation_id="listBackfillFires", responses=problems(404))
async def fires(
    services: Given,
    _who: Person,
    tenant: Tenant,
    backfill_id: BackfillId,
    limit: Limit = 100,
    cursor: Cursor = None,
    state: BackfillFireState | None = None,
) -> PageOut[BackfillFireOut]:
    """List the fires of a backfill in their order, each with its job."""
    page = await services.backfills.fires(tenant, backfill_id, state=state, limit=limit, cursor=cursor)
    return PageOut(items=[BackfillFireOut.model_validate(one) for one in page.items], next_cursor=page.next_cursor)


@router.post("/{backfill_id}/pause", operation_id="pauseBackfill", responses=MOVING)
async def pause(services: Given, who: Operator, tenant: Tenant, backfill_id: BackfillId) -> BackfillOut:
    """Make no more jobs; those that run go on."""
    return BackfillOut.model_validate(await services.backfills.pause(tenant, backfill_id, actor=who.actor))


@router.post("/{backfill_id}/resume", operation_id="resumeBackfill", responses=MOVING)
async def resume(services: Given, who: Operator, tenant: Tenant, backfill_id: BackfillId) -> BackfillOut:
    """Go on with a backfill that rests."""
    return BackfillOut.model_validate(await services.backfills.resume(tenant, backfill_id, actor=who.actor))


@router.post("/{backfill_id}/cancel", operation_id="cancelBackfill", responses=MOVING)
async def cancel(services: Given, who: Operator, tenant: Tenant, backfill_id: BackfillId) -> BackfillOut:
    """End a backfill; jobs that it has made go on."""
    return BackfillOut.model_validate(await services.backfills.cancel(tenant, backfill_id, actor=who.actor))


@router.post("/{backfill_id}/retry", operation_id="retryBackfill", responses=MOVING)
async def retry(services: Given, who: Operator, tenant: Tenant, backfill_id: BackfillId) -> BackfillOut:
    """Do again what failed or was cancelled, and nothing else."""
    return BackfillOut.model_validate(await services.backfills.retry(tenant, backfill_id, actor=who.actor))
