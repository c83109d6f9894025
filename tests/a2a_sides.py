"""Both sides of A2A in tests: our server on a real port with agents behind it, and the official SDK on the other."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import ParseDict

from dure.agents.model import Assignment, NewAgent, Session
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db.pool import Database
from dure.http.app import create_app
from dure.http.services import Services
from dure.metrics import Registry
from dure.runtime.web import HttpServer, bind
from queueing import TENANT, settings

BINDINGS = ("HTTP+JSON", "JSONRPC")
Work = Callable[["Hand"], Awaitable[Any]]


def agents_of(database: Database) -> Agents:
    return Agents(database, settings())


def tasks_of(database: Database) -> Tasks:
    return Tasks(database, settings())


async def join(database: Database, agent_id: str = "r1", **given: Any) -> Session:
    """Register an agent of the class research that can search."""
    said = {"class_": "research", "version": "1.9.0", "capabilities": ("search",), **given}
    return await agents_of(database).register(TENANT, NewAgent(agent_id=agent_id, **said))


class Hand:
    """A task in the hands of an agent of ours, as a test's function gets it."""

    def __init__(self, database: Database, epoch: int, held: Assignment, agent_id: str) -> None:
        self.held = held
        self.params = held.params
        self._place = (TENANT, agent_id, epoch, held.task_id, held.claim_id)
        self.agents = agents_of(database)

    async def note(self, text: str) -> None:
        await self.agents.note(*self._place, done=1, text=text)

    async def complete(self, result: Any) -> None:
        await self.agents.complete(*self._place, result)

    async def fail(self, error_class: str, message: str) -> None:
        await self.agents.fail(*self._place, error_class=error_class, message=message, retry=False)

    async def cancelled(self) -> None:
        await self.agents.cancelled(*self._place)


@asynccontextmanager
async def working(database: Database, work: Work, agent_id: str = "r1", **said: Any) -> AsyncIterator[None]:
    """An agent of ours that does what the function says; what it returns is the result."""
    session = await join(database, agent_id, **{"capacity": 10, "kind": "parent", **said})
    agents = agents_of(database)

    async def one(held: Assignment) -> None:
        hand = Hand(database, session.epoch, held, agent_id)
        result = await work(hand)
        if result is not None:
            await hand.complete(result)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for held in await agents.claim(TENANT, agent_id, session.epoch, most=10, wait_s=10):
                    group.create_task(one(held))

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await agents.stop()


@asynccontextmanager
async def serving(database: Database, **given: Any) -> AsyncIterator[str]:
    """Our server on a port of its own; answers its URL."""
    services = Services.of(settings(database_url=database.url, **given), database, Registry())
    server = HttpServer(create_app(services), bind("127.0.0.1", 0), stopping=services.stopping)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()
        await services.agents.stop()


@asynccontextmanager
async def official(
    base_url: str,
    binding: str,
    *,
    key: str | None = None,
    card_path: str = "/.well-known/agent-card.json",
    **chosen: Any,
) -> AsyncIterator[Any]:
    """The SDK's client for whatever the card there says, in one binding."""
    headers = {"A2A-Version": "1.0", "Dure-Tenant": TENANT, **({"Authorization": f"Bearer {key}"} if key else {})}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        card = pb.AgentCard()
        answer = await http.get(base_url + card_path)
        answer.raise_for_status()
        ParseDict(answer.json(), card)
        config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], **chosen)
        client = ClientFactory(config).create(card)
        yield client
        await client.close()


def asking(text: str = "hello", *, message_id: str | None = None, **given: Any) -> pb.SendMessageRequest:
    """A request with one text; `task_id`, `context_id`, `needs`, `data`, and `configuration` as wanted."""
    message: dict[str, Any] = {
        "messageId": message_id or str(uuid.uuid4()),
        "role": "ROLE_USER",
        "parts": [{"text": text}] if "data" not in given else [{"text": text}, {"data": given["data"]}],
    }
    for name, spelt in (("task_id", "taskId"), ("context_id", "contextId")):
        if name in given:
            message[spelt] = given[name]
    if "needs" in given:
        message["metadata"] = {"urn:dure:needs": given["needs"]}
    return ParseDict({"message": message, "configuration": given.get("configuration", {})}, pb.SendMessageRequest())


async def sent(client: Any, request: pb.SendMessageRequest) -> pb.Task:
    """Send without streaming, and answer the task."""
    (event,) = [event async for event in client.send_message(request)]
    assert event.HasField("task")
    return event.task


def state(name: str) -> int:
    return pb.TaskState.Value(f"TASK_STATE_{name}")


def texts(parts: Any) -> list[str]:
    return [part.text for part in parts if part.HasField("text")]
