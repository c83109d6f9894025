"""`/v1/operations`: which operations there are, what they take, and who must approve them."""

from fastapi import APIRouter

from dure.http.auth import Viewer
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import PageOut
from dure.http.routes import Given
from dure.http.runs_schemas import OperationOut

router = APIRouter(
    prefix="/v1/operations", tags=["runs"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)


@router.get("", operation_id="listOperations")
async def find(services: Given, _who: Viewer) -> PageOut[OperationOut]:
    """List the operations by name."""
    return PageOut(items=[OperationOut.model_validate(one) for one in await services.runs.operations()])
