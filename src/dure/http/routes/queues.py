"""`/v1/queues`: how long the lines are, and pausing them."""

from typing import Annotated

from fastapi import APIRouter, Path

from dure.http.auth import SystemOperator, Tenant, Viewer
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import PageOut
from dure.http.routes import Given
from dure.http.schemas import QueueOut

router = APIRouter(
    prefix="/v1/queues", tags=["queues"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
Name = Annotated[str, Path(alias="queue", max_length=200, examples=["default"])]


@router.get("", operation_id="listQueues")
async def find(services: Given, _who: Viewer, tenant: Tenant) -> PageOut[QueueOut]:
    """List the queues and how many open jobs stand where: the tenant's own, or everybody's."""
    return PageOut(items=[QueueOut.model_validate(queue) for queue in await services.queues.list(tenant)])


@router.post("/{queue}/pause", operation_id="pauseQueue", responses=problems(404))
async def pause(services: Given, who: SystemOperator, name: Name) -> QueueOut:
    """Let no job of this queue start, of any tenant; those that run go on."""
    return QueueOut.model_validate(await services.queues.pause(name, actor=who.actor))


@router.post("/{queue}/resume", operation_id="resumeQueue", responses=problems(404))
async def resume(services: Given, who: SystemOperator, name: Name) -> QueueOut:
    """Let jobs of this queue start again."""
    return QueueOut.model_validate(await services.queues.resume(name, actor=who.actor))
