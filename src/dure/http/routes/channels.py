"""`/v1/channels`: named streams of messages, kept and pushed live; `/v1/agents/log`: what agents said to each other."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime

from dure.agents.audit import LogFilter
from dure.agents.channels import NO_MAX, Channel
from dure.errors import Invalid
from dure.http import sse
from dure.http.auth import Admin, Person, Submitter, Tenant, Viewer, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.channel_schemas import (
    AGENT_SHAPE,
    ChannelCreate,
    ChannelEdit,
    ChannelOut,
    LogEntryOut,
    MessageIn,
    MessageOut,
    PublishedOut,
)
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.revisions import IF_MATCH, TAGGED, IfMatch, expected_revision, tag_of
from dure.http.routes import Given

router = APIRouter(
    prefix="/v1/channels", tags=["channels"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)
log_router = APIRouter(
    prefix="/v1/agents/log", tags=["agents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

Name = Annotated[str, Path(description="The channel's name.", max_length=100, examples=["agents.discovery"])]
Agent = Annotated[
    str | None,
    Query(description="The agent that reads: one of this key.", max_length=200, json_schema_extra=AGENT_SHAPE),
]
After = Annotated[int, Query(ge=0, le=NO_MAX, description="The number of the last message already read.")]
LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The last message that was received; wins over `after`.")
]


@router.get("", operation_id="listChannels")
async def find(
    services: Given, _who: Viewer, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> PageOut[ChannelOut]:
    """List the channels of a tenant, by name."""
    page = await services.channels.list(require_tenant(tenant), limit=limit, cursor=cursor)
    return PageOut[ChannelOut].model_validate(page)


@router.post(
    "",
    status_code=201,
    operation_id="createChannel",
    response_model=ChannelOut,
    responses={**TAGGED[201], **problems(400, 409, 413, 415)},
)
async def create(services: Given, who: Admin, tenant: Tenant, body: ChannelCreate) -> Response:
    """Make a channel; nobody may publish or subscribe who is not named."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    made = await services.channels.create(owner, body.to_new(), actor=who.actor)
    return _shown(made, 201, Location=f"/v1/channels/{made.name}")


@router.get("/{name}", operation_id="getChannel", response_model=ChannelOut, responses={**TAGGED[200], **problems(404)})
async def show(services: Given, _who: Viewer, tenant: Tenant, name: Name) -> Response:
    """Show a channel, and how much it is used."""
    return _shown(await services.channels.get(require_tenant(tenant), name))


@router.patch(
    "/{name}",
    operation_id="editChannel",
    response_model=ChannelOut,
    responses={**TAGGED[200], **IF_MATCH, **problems(400, 404, 409, 413, 415)},
)
async def edit(
    services: Given, who: Admin, tenant: Tenant, name: Name, body: ChannelEdit, if_match: IfMatch = None
) -> Response:
    """Change some fields of a channel; open streams end, and are looked at anew when they come back."""
    owner, channels = require_tenant(tenant), services.channels
    async with expected_revision(if_match, lambda: channels.get(owner, name)) as revision:
        return _shown(await channels.edit(owner, name, body.changes(), actor=who.actor, revision=revision))


@router.delete("/{name}", status_code=204, operation_id="deleteChannel", responses={**IF_MATCH, **problems(404)})
async def delete(services: Given, who: Admin, tenant: Tenant, name: Name, if_match: IfMatch = None) -> None:
    """Delete a channel with its messages; a built-in one stays."""
    owner, channels = require_tenant(tenant), services.channels
    async with expected_revision(if_match, lambda: channels.get(owner, name)) as revision:
        await channels.delete(owner, name, actor=who.actor, revision=revision)


@router.post("/{name}/messages", status_code=201, operation_id="publishMessage", responses=problems(400, 404, 413, 415))
async def publish(services: Given, who: Submitter, tenant: Tenant, name: Name, body: MessageIn) -> PublishedOut:
    """Publish a message; 403 unless the channel's list `publish` names the key, its agent or the agent's class."""
    owner, channels = require_tenant(tenant), services.channels
    caller = await channels.caller(owner, who, body.from_agent)
    no = await channels.publish(owner, name, body.body, caller=caller, kind=body.kind, to=body.to, task_id=body.task_id)
    return PublishedOut(channel=name, no=no)


@router.get("/{name}/messages", operation_id="listMessages", responses=problems(404))
async def messages(
    services: Given, who: Viewer, tenant: Tenant, name: Name, after: After = 0, limit: Limit = 100, agent: Agent = None
) -> PageOut[MessageOut]:
    """Read messages, oldest first; `next_cursor` is the next page's `after`, null at the end.

    A jump in the numbers says that what lay between was past its age.
    """
    owner, channels = require_tenant(tenant), services.channels
    caller = await channels.caller(owner, who, agent)
    channel = await channels.require_subscriber(owner, name, caller=caller, after=after)
    found = await channels.messages(owner, name, after=after, limit=limit)
    cursor = str(found[-1].no) if found and found[-1].no < channel.messages else None
    return PageOut(items=[MessageOut.model_validate(message) for message in found], next_cursor=cursor)


@router.get(
    "/{name}/stream",
    operation_id="streamMessages",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events `message`, each with its number as its id.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(404, 429),
    },
)
async def stream(
    services: Given,
    who: Viewer,
    tenant: Tenant,
    name: Name,
    after: Annotated[int | None, Query(ge=0, le=NO_MAX, description="The number of the last one already read.")] = None,
    agent: Agent = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow a channel as server-sent events: what comes from now on, or all behind `after`.

    Come back with `Last-Event-ID` and nothing is missed.
    """
    owner, channels = require_tenant(tenant), services.channels
    after = _position(last_event_id) if last_event_id else after
    caller = await channels.caller(owner, who, agent)
    channel = await channels.require_subscriber(owner, name, caller=caller, after=after or 0)
    services.hub.require_room()
    begin = channel.messages if after is None else after
    events = services.hub.stream(owner, name, after=begin, revision=channel.revision)
    return StreamingResponse(events, headers=sse.HEADERS, media_type="text/event-stream")


@log_router.get("", operation_id="listAgentLog")
async def log(
    services: Given,
    _who: Person,
    tenant: Tenant,
    agent: Annotated[str | None, Query(description="Who sent or received it.", max_length=300)] = None,
    task_id: Annotated[str | None, Query(max_length=36)] = None,
    trace_id: Annotated[str | None, Query(max_length=200)] = None,
    ok: bool | None = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[LogEntryOut]:
    """Read what agents said to each other, newest first; an entry is here about a second after it happened."""
    where = LogFilter(agent=agent, task_id=task_id, trace_id=trace_id, ok=ok, since=since, until=until)
    page = await services.audit.read(require_tenant(tenant), where, limit=limit, cursor=cursor)
    return PageOut[LogEntryOut].model_validate(page)


def _position(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(NO_MAX)) and int(text) <= NO_MAX):
        raise Invalid(field="Last-Event-ID", reason="wrong_format", expected="4711")
    return int(text)


def _shown(channel: Channel, status: int = 200, **headers: str) -> Response:
    shown: dict[str, Any] = ChannelOut.model_validate(channel).model_dump(mode="json")
    return JSONResponse(shown, status, {**headers, "ETag": tag_of(channel.revision)})
