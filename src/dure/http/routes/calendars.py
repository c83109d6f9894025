"""`/v1/calendars`: when schedules that name them do not fire. Calendars are of one tenant."""

from typing import Annotated

from fastapi import APIRouter, Path

from dure.http.auth import Operator, Person, Tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.calendar_schemas import CalendarIn, CalendarOut
from dure.http.openapi import problems
from dure.http.paging import PageOut
from dure.http.routes import Given
from dure.schedule.checking import NAME_CHARS_MAX

router = APIRouter(
    prefix="/v1/calendars", tags=["schedules"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
Name = Annotated[str, Path(description="The calendar's name.", max_length=NAME_CHARS_MAX, examples=["holidays"])]


@router.get("", operation_id="listCalendars")
async def find(services: Given, _who: Person, tenant: Tenant) -> PageOut[CalendarOut]:
    """List the calendars of a tenant, by name."""
    return PageOut(items=[CalendarOut.of(one) for one in await services.calendars.list(require_tenant(tenant))])


@router.get("/{name}", operation_id="getCalendar", responses=problems(404))
async def show(services: Given, _who: Person, tenant: Tenant, name: Name) -> CalendarOut:
    """Show a calendar."""
    return CalendarOut.of(await services.calendars.get(require_tenant(tenant), name))


@router.put("/{name}", operation_id="putCalendar", responses=problems(400, 413, 415))
async def put(services: Given, who: Operator, tenant: Tenant, name: Name, body: CalendarIn) -> CalendarOut:
    """Write a calendar, a new one or over the one that is there; its schedules follow it from their next fire on."""
    owner = require_tenant(tenant)
    return CalendarOut.of(await services.calendars.put(owner, name, body.model_dump(), actor=who.actor))


@router.delete("/{name}", status_code=204, operation_id="deleteCalendar", responses=problems(404, 409))
async def delete(services: Given, who: Operator, tenant: Tenant, name: Name) -> None:
    """Delete a calendar that no schedule names."""
    await services.calendars.delete(require_tenant(tenant), name, actor=who.actor)
