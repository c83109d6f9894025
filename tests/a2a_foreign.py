"""An agent of others, made with the official SDK: a real server that does what the first word of a message says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dure.runtime.web import HttpServer, bind

HOST = "127.0.0.1"
TOKEN = "open sesame".replace(" ", "-")


class Doer(AgentExecutor):
    """Does what it is told: echo, wait, fail, reject, ask, answer, big."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.cancelled: list[str] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        text = context.get_user_input()
        self.heard.append(context.message)
        word = text.partition(" ")[0]
        if word == "answer":
            parts = [pb.Part(text="without a task")]
            await event_queue.enqueue_event(pb.Message(message_id="a1", role=pb.ROLE_AGENT, parts=parts))
            return
        if context.current_task is None:
            status = pb.TaskStatus(state=pb.TASK_STATE_SUBMITTED)
            task = pb.Task(id=context.task_id, context_id=context.context_id, status=status)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        await updater.start_work()
        self.begun.set()
        await self._end(word, text, updater)

    async def _end(self, word: str, text: str, updater: TaskUpdater) -> None:
        match word:
            case "fail":
                await updater.failed(updater.new_agent_message([pb.Part(text="it broke")]))
            case "nul":
                await updater.failed(updater.new_agent_message([pb.Part(text="it \x00 broke")]))
            case "reject":
                await updater.reject()
            case "ask":
                await updater.requires_input(updater.new_agent_message([pb.Part(text="which one?")]))
            case "big":
                await updater.add_artifact([pb.Part(text="x" * int(text.split()[1]))])
                await updater.complete()
            case _:
                if word == "wait":
                    await self.go_on.wait()
                await updater.add_artifact([pb.Part(text=f"did {text}")], name="report")
                await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        self.cancelled.append(str(context.task_id))
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


class Elsewhere:
    """The server of such an agent; `card` is what it says of itself, and may lie."""

    def __init__(self, binding: str, *, streaming: bool = True, token: str | None = None) -> None:
        self.doer = Doer()
        self.card: dict[str, Any] = {}
        self.card_reads = 0
        self.redirects_to: str | None = None
        self.busy = 0
        """So many calls more are answered with 503."""
        self.calls: list[str] = []
        self._binding, self._streaming, self._token = binding, streaming, token
        self._listener = bind(HOST, 0)
        self.port = self._listener.getsockname()[1]
        self._server: HttpServer | None = None
        self._app = self._made()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def start(self) -> None:
        listener = self._listener if self._server is None else bind(HOST, self.port)
        self._server = HttpServer(self._app, listener)
        await self._server.start()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop()

    def _made(self) -> Any:
        place = f"{self.url}/rpc" if self._binding == "JSONRPC" else f"{self.url}/rest"
        interface = {"url": place, "protocolBinding": self._binding, "protocolVersion": "1.0"}
        card = pb.AgentCard(
            name="elsewhere",
            description="does what it is told",
            version="1.0.0",
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
            skills=[pb.AgentSkill(id="do", name="do", description="does", tags=["do"])],
        )
        ParseDict({"supportedInterfaces": [interface], "capabilities": {"streaming": self._streaming}}, card)
        self.card = MessageToDict(card)
        handler = DefaultRequestHandler(self.doer, InMemoryTaskStore(), card)

        async def show(_request: Request) -> Response:
            self.card_reads += 1
            return JSONResponse(self.card)

        routes = [
            Route("/.well-known/agent-card.json", show),
            *create_jsonrpc_routes(handler, "/rpc"),
            *create_rest_routes(handler, path_prefix="/rest"),
        ]
        inner = Starlette(routes=routes)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.calls.append(f"{scope['method']} {scope['path']}")
                said = dict(scope["headers"]).get(b"authorization", b"").decode()
                if self._token is not None and said != f"Bearer {self._token}":
                    await Response(status_code=401)(scope, receive, send)
                    return
                if self.busy and scope["method"] == "POST":
                    self.busy -= 1
                    await Response(status_code=503, headers={"Retry-After": "0"})(scope, receive, send)
                    return
                if self.redirects_to is not None:
                    await RedirectResponse(self.redirects_to)(scope, receive, send)
                    return
            await inner(scope, receive, send)

        return app


@asynccontextmanager
async def elsewhere(binding: str = "JSONRPC", **given: Any) -> AsyncIterator[Elsewhere]:
    """A server of others for the block."""
    made = Elsewhere(binding, **given)
    await made.start()
    try:
        yield made
    finally:
        made.doer.go_on.set()
        await made.stop()
