"""A2A 1.0: cards, the catalog of agents, and both bindings, plain HTTP and JSON-RPC.

The door is that of every other route: without a key it is 401, without the scope 403, as problem documents. What is
wrong behind it is told as A2A has it. What stands here under `/a2a/v1` stands under `/a2a/agents/{id}/v1` too, for one
agent; see `dure.http.a2a_paths`.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from dure.apps.ecosystem.a2a.cards import A2A_TYPE, CARD_PATH, CATALOG_PATH, CATALOG_TYPE, Cards, Reader
from dure.apps.ecosystem.a2a.errors import A2aError
from dure.apps.ecosystem.a2a.messages import Plain, Turn, task_of
from dure.apps.ecosystem.a2a.requests import GetCard, GetTask, ListTasks, SendMessage, TaskId, read
from dure.apps.ecosystem.a2a.service import Caller
from dure.errors import DureError, Refused
from dure.http.a2a_asking import (
    VERSION_HEADER,
    Anyone,
    Asker,
    Sender,
    Stream,
    answered,
    asker_of,
    base_url,
    body_of,
    call_id,
    call_of,
    card_answer,
    rpc_error,
    settings_of,
    streamed,
    told,
)
from dure.http.a2a_paths import ROOT
from dure.http.openapi import problems
from dure.http.routes import Given
from dure.queue.views import Principal

LOOK_S = 1.0
"""How often somebody looks whether a client that waits is still there."""
PUSH_METHODS = frozenset(
    f"{verb}TaskPushNotificationConfig{'s' if verb == 'List' else ''}" for verb in ("Create", "Get", "List", "Delete")
)
SENDING = frozenset({"SendMessage", "SendStreamingMessage", "CancelTask"})
AS_IT_WAS: dict[int | str, dict[str, Any]] = {304: {"description": "It is as it was."}}
ERROR = {
    "description": "An error of A2A, as its specification has it; by JSON-RPC it comes with the status 200.",
    "content": {A2A_TYPE: {"schema": {"type": "object", "required": ["error"]}}},
}


def _described(*query: str, path: tuple[str, ...] = (), body: bool = False) -> Plain:
    """Tell the document of what is read by hand, so that what is wrong is told as A2A does."""
    parameters: list[Plain] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in query]
    parameters.append({"name": VERSION_HEADER, "in": "header", "schema": {"type": "string"}, "example": "1.0"})
    content = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
    return {"parameters": parameters, **({"requestBody": content} if body else {})}


router = APIRouter(tags=["a2a"], responses=problems(401, 403, 422, 500, 503))
v1 = APIRouter(prefix=ROOT, responses={400: ERROR, 404: ERROR}, default_response_class=JSONResponse)


@router.get(CARD_PATH, operation_id="serverCard", responses=AS_IT_WAS)
async def well_known_card(request: Request, services: Given) -> Response:
    """Show the card of this server: its skills are what its agents can do. Without a key only where it is allowed,
    and then without them.
    """
    principal: Principal | None = request.state.principal
    if principal is None:
        reader = Reader(base_url(request, services), None, request.state.lang)
        return card_answer(request, Cards(services.database, settings_of(request).name).bare(reader))
    asker = await asker_of(request, services, principal)
    tenant_id = asker.tenant_id()
    return card_answer(request, await asker.cards.of_all(tenant_id, asker.reader(tenant_id)))


@router.get(CATALOG_PATH, operation_id="aiCatalog", responses=AS_IT_WAS)
async def catalog(asker: Anyone) -> Response:
    """List the cards of this server and of each agent, as an AI Catalog."""
    tenant_id = asker.tenant_id()
    return card_answer(asker.request, await asker.cards.catalog(tenant_id, asker.reader(tenant_id)), CATALOG_TYPE)


@router.get(
    "/a2a/agents/{agent_id:path}/agent-card.json",
    operation_id="agentCard",
    responses={**AS_IT_WAS, **problems(404)},
)
async def agent_card(asker: Anyone, agent_id: str) -> Response:
    """Show the card of one agent."""
    tenant_id = asker.tenant_id()
    return card_answer(asker.request, await asker.cards.of_agent(tenant_id, agent_id, asker.reader(tenant_id)))


@v1.post("/message:send", operation_id="a2aSendMessage", openapi_extra=_described(body=True))
@told
async def send(asker: Sender) -> Response:
    """Send a message: it becomes a task, which is answered when it rests, or at once with `returnImmediately`."""
    return answered({"task": await _sent(asker, read(SendMessage, await body_of(asker.request)))})


@v1.post(
    "/message:stream",
    operation_id="a2aSendStreamingMessage",
    response_class=StreamingResponse,
    openapi_extra=_described(body=True),
)
@told
async def stream(asker: Sender) -> Response:
    """Send a message and follow its task as server-sent events until it rests."""
    return streamed(asker, await _begun(asker, read(SendMessage, await body_of(asker.request))))


@v1.get(
    "/tasks",
    operation_id="a2aListTasks",
    openapi_extra=_described(
        "contextId", "status", "pageSize", "pageToken", "historyLength", "statusTimestampAfter", "includeArtifacts"
    ),
)
@told
async def find(asker: Anyone) -> Response:
    """Find tasks, the one that changed last first; of the 20,000 newest."""
    return answered(await _found(asker, read(ListTasks, dict(asker.request.query_params))))


@v1.post("/tasks/{id}:cancel", operation_id="a2aCancelTask", openapi_extra=_described(path=("id",)))
@told
async def cancel(asker: Sender) -> Response:
    """Cancel a task: one that waits at once, one in hand as soon as its agent lets it go."""
    await body_of(asker.request)
    return answered(await _cancelled(asker, read(TaskId, {"id": asker.request.path_params["id"]})))


# The specification has both methods for it, in different places.
@v1.get("/tasks/{id}:subscribe", include_in_schema=False)
@v1.post(
    "/tasks/{id}:subscribe",
    operation_id="a2aSubscribeToTask",
    response_class=StreamingResponse,
    openapi_extra=_described(path=("id",)),
)
@told
async def subscribe(asker: Anyone) -> Response:
    """Follow a task as server-sent events until it rests: first the task as it is, so that nothing is missed."""
    return streamed(asker, await _followed(asker, read(TaskId, {"id": asker.request.path_params["id"]})))


@v1.get("/tasks/{id}", operation_id="a2aGetTask", openapi_extra=_described("historyLength", path=("id",)))
@told
async def show(asker: Anyone) -> Response:
    """Show a task with its artifacts and messages."""
    asked = read(GetTask, {**asker.request.query_params, "id": asker.request.path_params["id"]})
    return answered(await _shown(asker, asked))


@v1.get("/extendedAgentCard", operation_id="a2aGetExtendedAgentCard", openapi_extra=_described())
@told
async def extended_card(asker: Anyone) -> Response:
    """Show the whole card to who has a key."""
    return answered(await _card(asker, GetCard()))


@v1.api_route(
    "/tasks/{id}/pushNotificationConfigs{rest:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False
)
@told
async def push(asker: Anyone) -> Response:
    """Say that tasks are not pushed: they are followed or looked at."""
    asker.caller()
    raise A2aError("PUSH_NOTIFICATION_NOT_SUPPORTED")


@v1.post("/rpc", operation_id="a2aRpc", openapi_extra=_described(body=True))
async def rpc(asker: Anyone) -> Response:
    """Do one call of JSON-RPC: `SendMessage`, `SendStreamingMessage`, `GetTask`, `ListTasks`, `CancelTask`,
    `SubscribeToTask`, `GetExtendedAgentCard`.
    """
    request_id: str | int | None = None
    try:
        call = await body_of(asker.request, "JSON_PARSE")
        request_id = call_id(call)
        method, params = call_of(call)
        if method in SENDING:
            asker.require_submitter()
        return await _called(asker, method, params, request_id)
    except DureError as error:
        if isinstance(error, Refused) and error.reason == "scope_missing":
            # The door's own answer, whichever binding.
            raise
        return rpc_error(error, asker, request_id)


async def _called(asker: Asker, method: str, params: Any, request_id: str | int | None) -> Response:
    def wrap(result: Plain) -> Plain:
        return {"jsonrpc": "2.0", "id": request_id, "result": result}

    match method:
        case "SendMessage":
            result: Plain = {"task": await _sent(asker, read(SendMessage, params))}
        case "SendStreamingMessage":
            return streamed(asker, await _begun(asker, read(SendMessage, params)), wrap)
        case "SubscribeToTask":
            return streamed(asker, await _followed(asker, read(TaskId, params)), wrap)
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
    if asker.agent_id is None:
        return await asker.cards.of_all(tenant_id, asker.reader(tenant_id))
    return await asker.cards.of_agent(tenant_id, asker.agent_id, asker.reader(tenant_id))


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


router.include_router(v1)
