"""A2A 1.0: cards, the catalog of agents, and both bindings, plain HTTP and JSON-RPC.

The door is that of every other route: without a key it is 401, without the scope 403, as problem documents. What is
wrong behind it is told as A2A has it. There are two addresses: `/a2a/v1` for whichever agent can, and
`/a2a/agents/{id}/v1` for one. A client may name its tenant as A2A does, in the path or in the request, or as elsewhere.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from dure.apps.ecosystem.a2a import config
from dure.apps.ecosystem.a2a.cards import A2A_TYPE, CARD_PATH, CATALOG_PATH, CATALOG_TYPE, Cards, Reader, etag
from dure.apps.ecosystem.a2a.errors import A2aError, a2a_error
from dure.apps.ecosystem.a2a.messages import Plain, Turn, task_of
from dure.apps.ecosystem.a2a.requests import GetCard, GetTask, ListTasks, SendMessage, TaskId, read
from dure.apps.ecosystem.a2a.service import Caller, Face
from dure.errors import DureError, Refused
from dure.http import sse
from dure.http.auth import Submitter, Tenant, Viewer, choose_tenant
from dure.http.bodies import loads, require_json
from dure.http.openapi import problems
from dure.http.problems import Unreadable, WrongMediaType
from dure.http.routes import Given
from dure.http.services import Services
from dure.queue.views import Principal

VERSION_HEADER = "A2A-Version"
VERSION = "1.0"
ASSUMED_VERSION = "0.3"
"""What a client speaks that does not say so."""
LOOK_S = 1.0
"""How often somebody looks whether a client that waits is still there."""
PUSH_METHODS = frozenset(
    f"{verb}TaskPushNotificationConfig{'s' if verb == 'List' else ''}" for verb in ("Create", "Get", "List", "Delete")
)
CACHED = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Language, Dure-Tenant"}

Stream = AsyncIterator[Plain]
Answer = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Asker:
    """A request, and what is known of it before it is read."""

    request: Request
    services: Services
    settings: config.A2aSettings
    principal: Principal
    tenant: str | None

    @property
    def lang(self) -> str:
        """The language of the request."""
        return str(self.request.state.lang)

    @property
    def face(self) -> Face:
        """What a client may do."""
        return Face(self.services.database, self.services.tasks, self.services.jobs)

    @property
    def cards(self) -> Cards:
        """What a client may know."""
        return Cards(self.services.database, self.settings.name)

    def caller(self, named: str | None = None) -> Caller:
        """Answer who asks; `named` is the tenant as the request has it. Raises when versions do not fit."""
        _require_version(self.request)
        return Caller(
            tenant_id=self.tenant_id(named),
            actor=self.principal.actor,
            is_agent=self.principal.scope == "agent",
            card_agent=self.request.path_params.get("agent_id"),
            lang=self.lang,
        )

    def tenant_id(self, named: str | None = None) -> str:
        """Answer whose tasks and agents these are."""
        given = (("tenant", self.tenant), ("tenant", self.request.path_params.get("tenant")), ("tenant", named))
        chosen = {name for _, name in given if name is not None}
        if len(chosen) > 1:
            raise Refused("other_tenant", field="tenant")
        return choose_tenant(self.principal, *given) or self.settings.tenant

    def reader(self, tenant_id: str) -> Reader:
        """Answer for whom a card is written; it names the tenant where neither the key nor the settings do."""
        known = self.principal.tenant_id is not None or tenant_id == self.settings.tenant
        return Reader(_base_url(self.request, self.services), None if known else tenant_id, self.lang)

    def require_submitter(self) -> None:
        """Refuse who may only look."""
        if not (self.principal.may("operator") or self.principal.scope == "agent"):
            raise Refused("scope_missing", scope="operator")


def _asker(request: Request, services: Given, who: Viewer, tenant: Tenant) -> Asker:
    return Asker(request, services, config.load(), who, tenant)


def _sender(request: Request, services: Given, who: Submitter, tenant: Tenant) -> Asker:
    return Asker(request, services, config.load(), who, tenant)


Anyone = Annotated[Asker, Depends(_asker)]
Sender = Annotated[Asker, Depends(_sender)]


def _told(answer: Answer) -> Answer:
    """Let a route tell what is wrong as A2A does over plain HTTP."""

    @wraps(answer)
    async def tell(asker: Asker) -> Response:
        try:
            return await answer(asker)
        except DureError as error:
            known = _known(error, asker.lang)
            return JSONResponse(known.over_http(asker.lang), known.spelling.http_status, media_type=A2A_TYPE)

    return tell


@_told
async def send(asker: Sender) -> Response:
    """Send a message: it becomes a task, which is answered when it rests, or at once with `returnImmediately`."""
    asked = read(SendMessage, await _body(asker.request))
    return _json({"task": await _sent(asker, asked)})


@_told
async def stream(asker: Sender) -> Response:
    """Send a message and follow its task as server-sent events until it rests."""
    asked = read(SendMessage, await _body(asker.request))
    return await _streamed(asker, await _begun(asker, asked))


@_told
async def show(asker: Anyone) -> Response:
    """Show a task with its artifacts and messages."""
    asked = read(GetTask, {**asker.request.query_params, "id": asker.request.path_params["id"]})
    return _json(await _shown(asker, asked))


@_told
async def find(asker: Anyone) -> Response:
    """Find tasks, the one that changed last first; of the 20,000 newest."""
    return _json(await _found(asker, read(ListTasks, dict(asker.request.query_params))))


@_told
async def cancel(asker: Sender) -> Response:
    """Cancel a task: one that waits at once, one in hand as soon as its agent lets it go."""
    await _body(asker.request)
    return _json(await _cancelled(asker, read(TaskId, {"id": asker.request.path_params["id"]})))


@_told
async def subscribe(asker: Anyone) -> Response:
    """Follow a task as server-sent events until it rests: first the task as it is, so that nothing is missed."""
    asked = read(TaskId, {"id": asker.request.path_params["id"]})
    return await _streamed(asker, await _followed(asker, asked))


@_told
async def extended_card(asker: Anyone) -> Response:
    """Show the whole card to who has a key."""
    return _json(await _card(asker, GetCard()))


@_told
async def push(asker: Anyone) -> Response:
    """Say that tasks cannot be pushed: they are followed or looked at."""
    asker.caller()
    raise A2aError("PUSH_NOTIFICATION_NOT_SUPPORTED")


async def rpc(asker: Anyone) -> Response:
    """Do one call of JSON-RPC: `SendMessage`, `SendStreamingMessage`, `GetTask`, `ListTasks`, `CancelTask`,
    `SubscribeToTask`, `GetExtendedAgentCard`.
    """
    request_id: object = None
    try:
        call = await _body(asker.request, what="JSON_PARSE")
        request_id = _id_of(call)
        method, params = _method_of(call)
        if method in ("SendMessage", "SendStreamingMessage", "CancelTask"):
            asker.require_submitter()
        return await _called(asker, method, params, request_id)
    except Refused as error:
        if error.reason == "scope_missing":
            # The door's own answer, whichever binding.
            raise
        return _rpc_error(error, asker, request_id)
    except DureError as error:
        return _rpc_error(error, asker, request_id)


async def _called(asker: Asker, method: str, params: Any, request_id: object) -> Response:
    wrap = _wrapping(request_id)
    match method:
        case "SendMessage":
            result: Plain = {"task": await _sent(asker, read(SendMessage, params))}
        case "SendStreamingMessage":
            return await _streamed(asker, await _begun(asker, read(SendMessage, params)), wrap)
        case "SubscribeToTask":
            return await _streamed(asker, await _followed(asker, read(TaskId, params)), wrap)
        case "GetTask":
            result = await _shown(asker, read(GetTask, params))
        case "ListTasks":
            result = await _found(asker, read(ListTasks, params))
        case "CancelTask":
            result = await _cancelled(asker, read(TaskId, params))
        case "GetExtendedAgentCard":
            result = await _card(asker, read(GetCard, params))
        case _:
            asker.caller()
            raise A2aError("PUSH_NOTIFICATION_NOT_SUPPORTED" if method in PUSH_METHODS else "METHOD_NOT_FOUND")
    return JSONResponse(wrap(result))


async def _sent(asker: Asker, asked: SendMessage) -> Plain:
    caller = asker.caller(asked.tenant)
    turns = await asker.face.send(caller, asked)
    if not asked.configuration.return_immediately:
        turns = await _settled(asker, caller, turns)
    return task_of(turns, history_length=asked.configuration.history_length)


async def _begun(asker: Asker, asked: SendMessage) -> Stream:
    caller = asker.caller(asked.tenant)
    turns = await asker.face.send(caller, asked)
    return asker.face.follow(caller, turns, history_length=asked.configuration.history_length)


async def _followed(asker: Asker, asked: TaskId) -> Stream:
    caller = asker.caller(asked.tenant)
    turns = await asker.face.turns(caller, asked.id)
    if turns[-1].is_over:
        raise A2aError("UNSUPPORTED_OPERATION", reason=turns[-1].a2a_state)
    return asker.face.follow(caller, turns)


async def _shown(asker: Asker, asked: GetTask) -> Plain:
    turns = await asker.face.turns(asker.caller(asked.tenant), asked.id)
    return task_of(turns, history_length=asked.history_length)


async def _found(asker: Asker, asked: ListTasks) -> Plain:
    page = await asker.face.find(asker.caller(asked.tenant), asked)
    tasks = [
        task_of(turns, history_length=asked.history_length, include_artifacts=asked.include_artifacts)
        for turns in page.tasks
    ]
    return {"tasks": tasks, "nextPageToken": page.next_token, "pageSize": asked.page_size, "totalSize": page.total}


async def _cancelled(asker: Asker, asked: TaskId) -> Plain:
    return task_of(await asker.face.cancel(asker.caller(asked.tenant), asked.id))


async def _card(asker: Asker, asked: GetCard) -> Plain:
    tenant_id = asker.caller(asked.tenant).tenant_id
    agent_id = asker.request.path_params.get("agent_id")
    if agent_id is None:
        return await asker.cards.of_all(tenant_id, asker.reader(tenant_id))
    return await asker.cards.of_agent(tenant_id, agent_id, asker.reader(tenant_id))


async def _settled(asker: Asker, caller: Caller, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Wait until a task rests; not longer than is set, nor than the client and the server are there."""
    waiting = asyncio.create_task(asker.face.settled(caller, turns))
    stopping = asyncio.create_task(asker.services.stopping.wait())
    try:
        async with asyncio.timeout(asker.settings.wait_s):
            while not waiting.done() and not stopping.done() and not await asker.request.is_disconnected():
                await asyncio.wait({waiting, stopping}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
    except TimeoutError:
        pass
    finally:
        waiting.cancel()
        stopping.cancel()
        await asyncio.wait({waiting, stopping})
    return await asker.face.turns(caller, turns[0].task_id)


async def _streamed(asker: Asker, events: Stream, wrap: Callable[[Plain], Plain] = lambda event: event) -> Response:
    def write(event: Plain) -> bytes:
        return f"data: {json.dumps(wrap(event), ensure_ascii=False, separators=(',', ':'))}\n\n".encode()

    return sse.respond(events, asker.services.stopping, write=write)


def _wrapping(request_id: object) -> Callable[[Plain], Plain]:
    return lambda result: {"jsonrpc": "2.0", "id": request_id, "result": result}


async def _body(request: Request, what: str = "INVALID_REQUEST") -> Any:
    body = await request.body()
    if not body:
        return {}
    require_json(request.headers.get("content-type"))
    try:
        return loads(body)
    except Unreadable:
        raise A2aError("JSON_PARSE" if what == "JSON_PARSE" else "INVALID_REQUEST") from None


def _id_of(call: Any) -> object:
    request_id = call.get("id") if isinstance(call, dict) else None
    return request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None


def _method_of(call: Any) -> tuple[str, Any]:
    match call:
        case {"jsonrpc": "2.0", "method": str(method), **rest} if _id_of(call) == rest.get("id"):
            return method, rest.get("params", {})
        case _:
            raise A2aError("INVALID_REQUEST")


def _known(error: DureError, lang: str) -> A2aError:
    return A2aError("CONTENT_TYPE_NOT_SUPPORTED") if isinstance(error, WrongMediaType) else a2a_error(error, lang)


def _rpc_error(error: DureError, asker: Asker, request_id: object) -> Response:
    return JSONResponse(_known(error, asker.lang).over_rpc(request_id, asker.lang))


def _json(content: Plain) -> Response:
    return JSONResponse(content, media_type=A2A_TYPE)


def _require_version(request: Request) -> None:
    given = request.headers.get(VERSION_HEADER) or request.query_params.get(VERSION_HEADER) or ASSUMED_VERSION
    if ".".join(given.split(".")[:2]) != VERSION:
        raise A2aError("VERSION_NOT_SUPPORTED", given=given)


def _base_url(request: Request, services: Services) -> str:
    return services.settings.public_url or str(request.base_url).rstrip("/")


def _card_answer(request: Request, content: Plain, media_type: str) -> Response:
    tag = etag(content)
    headers = {**CACHED, "ETag": tag}
    if tag in (part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return JSONResponse(content, headers=headers, media_type=media_type)


router = APIRouter(tags=["a2a"], responses=problems(401, 403, 422, 500, 503))
CARD_RESPONSES: dict[int | str, dict[str, Any]] = {304: {"description": "It is as it was."}}


@router.get(CARD_PATH, operation_id="a2aCard", responses=CARD_RESPONSES)
async def well_known_card(request: Request, services: Given, tenant: Tenant) -> Response:
    """Show the card of this server: its skills are what its agents can do. Without a key only where it is allowed,
    and then without them.
    """
    settings = config.load()
    principal: Principal | None = request.state.principal
    if principal is None:
        bare = Cards(services.database, settings.name).bare(
            Reader(_base_url(request, services), None, request.state.lang)
        )
        return _card_answer(request, bare, "application/json")
    asker = Asker(request, services, settings, principal, tenant)
    tenant_id = asker.tenant_id()
    return _card_answer(request, await asker.cards.of_all(tenant_id, asker.reader(tenant_id)), "application/json")


@router.get(CATALOG_PATH, operation_id="aiCatalog", responses=CARD_RESPONSES)
async def catalog(asker: Anyone) -> Response:
    """List the cards of this server and of each agent, as an AI Catalog."""
    tenant_id = asker.tenant_id()
    return _card_answer(asker.request, await asker.cards.catalog(tenant_id, asker.reader(tenant_id)), CATALOG_TYPE)


@router.get(
    "/a2a/agents/{agent_id:path}/agent-card.json",
    operation_id="a2aAgentCard",
    responses={**CARD_RESPONSES, **problems(404)},
    openapi_extra={"parameters": [{"name": "agent_id", "in": "path", "required": True, "schema": {"type": "string"}}]},
)
async def agent_card(asker: Anyone) -> Response:
    """Show the card of one agent."""
    tenant_id, agent_id = asker.tenant_id(), asker.request.path_params["agent_id"]
    content = await asker.cards.of_agent(tenant_id, agent_id, asker.reader(tenant_id))
    return _card_answer(asker.request, content, "application/json")


ROUTES: tuple[tuple[str, str, Answer, str, bool], ...] = (
    ("POST", "/rpc", rpc, "a2aRpc", True),
    ("POST", "/message:send", send, "a2aSendMessage", True),
    ("POST", "/message:stream", stream, "a2aSendStreamingMessage", True),
    ("GET", "/tasks", find, "a2aListTasks", True),
    ("POST", "/tasks/{id}:cancel", cancel, "a2aCancelTask", True),
    ("POST", "/tasks/{id}:subscribe", subscribe, "a2aSubscribeToTask", True),
    # The specification has both methods for it, in different places.
    ("GET", "/tasks/{id}:subscribe", subscribe, "a2aSubscribeToTaskByGet", False),
    ("GET", "/tasks/{id}", show, "a2aGetTask", True),
    ("GET", "/extendedAgentCard", extended_card, "a2aGetExtendedAgentCard", True),
    ("POST", "/tasks/{id}/pushNotificationConfigs", push, "a2aCreatePush", False),
    ("GET", "/tasks/{id}/pushNotificationConfigs", push, "a2aListPush", False),
    ("GET", "/tasks/{id}/pushNotificationConfigs/{config_id}", push, "a2aGetPush", False),
    ("DELETE", "/tasks/{id}/pushNotificationConfigs/{config_id}", push, "a2aDeletePush", False),
)
"""Method, path, what answers it, its name, and whether the document tells of it."""
A2A_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "An error of A2A, as its specification has it."},
    404: {"description": "There is no such task."},
}
SENDS = {"a2aRpc", "a2aSendMessage", "a2aSendStreamingMessage"}
QUERIES = {
    "a2aListTasks": (
        "contextId",
        "status",
        "pageSize",
        "pageToken",
        "historyLength",
        "statusTimestampAfter",
        "includeArtifacts",
    ),
    "a2aGetTask": ("historyLength",),
}


def _add_binding(prefix: str, name: str, *, shown: bool) -> None:
    for method, path, answer, operation, told in ROUTES:
        whole = prefix + path
        router.add_api_route(
            whole,
            answer,
            methods=[method],
            operation_id=operation + name,
            include_in_schema=shown and told,
            response_class=StreamingResponse if answer in (stream, subscribe) else JSONResponse,
            responses=A2A_ERRORS,
            openapi_extra=_described(whole, operation),
        )


def _described(path: str, operation: str) -> Plain:
    parameters = [_parameter(name, "path") for name in ("agent_id", "id") if f"{{{name}" in path]
    parameters += [_parameter(name, "query") for name in QUERIES.get(operation, ())]
    parameters.append({"name": VERSION_HEADER, "in": "header", "schema": {"type": "string"}, "example": VERSION})
    described: Plain = {"parameters": parameters}
    if operation in SENDS:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return described


def _parameter(name: str, place: str) -> Plain:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


_add_binding("/a2a/v1", "", shown=True)
_add_binding("/a2a/agents/{agent_id:path}/v1", "OfAgent", shown=True)
_add_binding("/a2a/v1/{tenant}", "OfTenant", shown=False)
_add_binding("/a2a/agents/{agent_id:path}/v1/{tenant}", "OfAgentOfTenant", shown=False)
