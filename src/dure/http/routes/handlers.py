"""`/v1/handlers`: which kinds of work there are, and pausing them."""

from typing import Annotated

from fastapi import APIRouter, Path

from dure.http.auth import SystemOperator, Viewer
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.schemas import HandlerOut

router = APIRouter(
    prefix="/v1/handlers",
    tags=["handlers"],
    route_class=StrictRoute,
    responses=problems(401, 403, 422, 500, 503),
)
Name = Annotated[str, Path(alias="handler", max_length=200, examples=["dure.demo.echo"])]


@router.get("", operation_id="listHandlers")
async def find(services: Given, _who: Viewer, limit: Limit = 100, cursor: Cursor = None) -> PageOut[HandlerOut]:
    """List the handlers by name."""
    return PageOut[HandlerOut].model_validate(await services.handlers.list(limit=limit, cursor=cursor))


@router.get("/{handler}", operation_id="getHandler", responses=problems(404))
async def show(services: Given, _who: Viewer, name: Name) -> HandlerOut:
    """Show a handler and what its parameters must be."""
    return HandlerOut.model_validate(await services.handlers.get(name))


@router.post("/{handler}/pause", operation_id="pauseHandler", responses=problems(404))
async def pause(services: Given, who: SystemOperator, name: Name) -> HandlerOut:
    """Let no job of this handler start, of any tenant; those that run go on."""
    return HandlerOut.model_validate(await services.handlers.pause(name, actor=who.actor))


@router.post("/{handler}/resume", operation_id="resumeHandler", responses=problems(404))
async def resume(services: Given, who: SystemOperator, name: Name) -> HandlerOut:
    """Let jobs of this handler start again."""
    return HandlerOut.model_validate(await services.handlers.resume(name, actor=who.actor))
