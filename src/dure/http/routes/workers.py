"""`/v1/workers`: who works, and until when its lease holds.

They work for all tenants, so no single one may look.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from dure.http.auth import SystemViewer
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.schemas import WorkerOut

router = APIRouter(
    prefix="/v1/workers",
    tags=["workers"],
    route_class=StrictRoute,
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("", operation_id="listWorkers")
async def find(
    services: Given,
    _who: SystemViewer,
    alive: Annotated[bool, Query(description="Only those whose lease holds.")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOut[WorkerOut]:
    """List the workers, newest first."""
    return PageOut[WorkerOut].model_validate(await services.workers.list(alive=alive, limit=limit, cursor=cursor))
