"""`/v1/windows`: work that is done every so often for a while, and then by itself no more."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.http.auth import Operator, Person, Tenant, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.routes.jobs import Responses
from dure.http.window_schemas import WindowOut, WindowStart, WindowStop
from dure.schedule.windows import KEY_CHARS_MAX

router = APIRouter(
    prefix="/v1/windows", tags=["windows"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
Key = Annotated[str, Path(description="What the window is about.", max_length=KEY_CHARS_MAX, examples=["inbox"])]
LOCATION: Responses = {
    201: {"headers": {"Location": {"description": "Where the window is.", "schema": {"type": "string"}}}}
}


@router.get("", operation_id="listWindows")
async def find(
    request: Request,
    services: Given,
    _who: Person,
    tenant: Tenant,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are open.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[WindowOut]:
    """List the windows, newest first."""
    page = await services.windows.list(tenant, open_only=open_only, limit=limit, cursor=cursor)
    return PageOut(items=[WindowOut.of(one, request.state.lang) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="startWindow",
    response_model=WindowOut,
    responses={**LOCATION, **problems(400, 409, 413, 415)},
)
async def start(request: Request, services: Given, who: Operator, tenant: Tenant, body: WindowStart) -> Response:
    """Open a window: the first tick now, none at its end or after; 409 when one of its key is open."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    window = await services.windows.start(
        owner,
        body.key,
        handler=body.handler,
        params=body.params,
        every_s=body.every_s,
        for_s=body.for_s,
        options=body.options,
        actor=who.actor,
    )
    shown = WindowOut.of(window, request.state.lang).model_dump(mode="json")
    return JSONResponse(shown, 201, {"Location": f"/v1/windows/{quote(window.key, safe='')}"})


@router.get("/{key}", operation_id="getWindow", responses=problems(404))
async def show(request: Request, services: Given, _who: Person, tenant: Tenant, key: Key) -> WindowOut:
    """Show the open window of a key, or the last one."""
    return WindowOut.of(await services.windows.get(require_tenant(tenant), key), request.state.lang)


@router.post("/{key}/stop", operation_id="stopWindow", responses=problems(400, 404, 409, 413, 415))
async def stop(
    request: Request, services: Given, who: Operator, tenant: Tenant, key: Key, body: WindowStop | None = None
) -> WindowOut:
    """Close an open window now; the tick in hand is asked to stop. 409 when none is open."""
    reason = (body or WindowStop()).reason
    window = await services.windows.stop(require_tenant(tenant), key, actor=who.actor, reason=reason)
    return WindowOut.of(window, request.state.lang)
