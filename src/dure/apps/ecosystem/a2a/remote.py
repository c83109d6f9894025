"""A server of others that speaks A2A: its card, and the calls that a task of ours needs, in the binding it prefers."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from dure.apps.ecosystem.a2a.cards import CARD_PATH, PROTOCOL_VERSION
from dure.apps.ecosystem.a2a.config import A2aSettings, origin_of
from dure.apps.ecosystem.a2a.messages import Plain
from dure.apps.ecosystem.a2a.wire import CARD_BYTES_MAX, EVENT_STREAM, Call, Refused, Wire, url_of
from dure.ids import is_key
from dure.queue.retry import Retryable

BINDINGS = ("HTTP+JSON", "JSONRPC")
RPC_REASONS: Mapping[int, str] = {
    -32001: "TASK_NOT_FOUND",
    -32002: "TASK_NOT_CANCELABLE",
    -32004: "UNSUPPORTED_OPERATION",
    -32601: "METHOD_NOT_FOUND",
}
RPC_INTERNAL = -32603


@dataclass(frozen=True, slots=True)
class Way:
    """How an agent is reached: where, in which binding, under which name of ours, and whether it can be followed."""

    url: httpx.URL
    binding: str
    tenant: str | None
    streams: bool


class Remote:
    """One agent of others. Example: `way = await Remote(wire, settings, "https://agents.example.com").way()`."""

    def __init__(self, wire: Wire, settings: A2aSettings, address: str) -> None:
        self._wire = wire
        self._address = address
        self._origins = frozenset(settings.origins)

    async def way(self) -> Way:
        """Read the agent's card and choose how to reach it; raises `Refused` for a card that cannot be used."""
        url = url_of(self._address)
        if not url.path.endswith(".json"):
            url = url.copy_with(raw_path=(url.path.rstrip("/") + CARD_PATH).encode())
        card = await self._wire.json(Call("GET", url, bytes_max=CARD_BYTES_MAX))
        return way_of(card, self._origins | {origin_of(url)})

    async def send(self, way: Way, message: Plain) -> Plain:
        """Send a message; answer `{"task": …}` or `{"message": …}`, at once."""
        body = {"message": message, "configuration": {"returnImmediately": True}}
        return await self._call(way, "SendMessage", "POST", "/message:send", body)

    async def task(self, way: Way, task_id: str) -> Plain:
        """Look at a task."""
        return await self._call(way, "GetTask", "GET", f"/tasks/{_quoted(task_id)}", {"id": task_id})

    async def cancel(self, way: Way, task_id: str) -> Plain:
        """Ask to cancel a task."""
        return await self._call(way, "CancelTask", "POST", f"/tasks/{_quoted(task_id)}:cancel", {"id": task_id})

    async def follow(self, way: Way, task_id: str) -> AsyncGenerator[Plain, None]:
        """Yield what happens to a task, until the other side says no more."""
        path, body = f"/tasks/{_quoted(task_id)}:subscribe", {"id": task_id}
        call = _call(way, "SubscribeToTask", "POST", path, body, EVENT_STREAM)
        async with aclosing(self._wire.events(call)) as events:
            async for event in events:
                yield _answer(way, event)

    async def _call(self, way: Way, method: str, verb: str, path: str, body: Plain) -> Plain:
        return _answer(way, await self._wire.json(_call(way, method, verb, path, body)))


def way_of(card: Any, origins: frozenset[str]) -> Way:
    """Choose the first interface of a card that we speak and that is where it may be.

    Example: `way_of(card, frozenset({"https://agents.example.com:443"})).binding == "JSONRPC"`.
    """
    found = card.get("supportedInterfaces") if isinstance(card, dict) else None
    if not isinstance(found, list) or not found:
        raise Refused("the card names no interface")
    known = [one for one in found[:20] if isinstance(one, dict) and _is_spoken(one)]
    if not known:
        raise Refused(f"the card has no interface of A2A {PROTOCOL_VERSION} over {' or '.join(BINDINGS)}")
    elsewhere = ""
    for one in known:
        url = url_of(one.get("url"))
        if origin_of(url) in origins:
            tenant = one.get("tenant")
            capabilities = card.get("capabilities")
            streams = isinstance(capabilities, dict) and capabilities.get("streaming") is True
            return Way(url, one["protocolBinding"], str(tenant)[:200] if tenant else None, streams)
        elsewhere = origin_of(url)
    raise Refused(f"the card leads to another origin: {elsewhere}")


def task_in(answer: Plain) -> Plain:
    """Check that an answer is a task; raises `Refused`. Example: `task_in({"id": "1", "status": {"state": "…"}})`."""
    match answer:
        case {"id": str(task_id), "status": {"state": str()}} if is_key(task_id):
            return answer
        case _:
            raise Refused("the answer is no task")


def _is_spoken(interface: Plain) -> bool:
    spoken = ".".join(str(interface.get("protocolVersion", "")).split(".")[:2])
    return interface.get("protocolBinding") in BINDINGS and spoken == PROTOCOL_VERSION


def _call(way: Way, method: str, verb: str, path: str, body: Plain, accept: str = "application/json") -> Call:
    if way.binding == "JSONRPC":
        params = body if way.tenant is None else {**body, "tenant": way.tenant}
        return Call("POST", way.url, {"jsonrpc": "2.0", "id": str(uuid4()), "method": method, "params": params}, accept)
    root = way.url.raw_path.decode("ascii").partition("?")[0].rstrip("/")
    tenant = "" if way.tenant is None else f"/{_quoted(way.tenant)}"
    return Call(
        verb, way.url.copy_with(raw_path=f"{root}{tenant}{path}".encode()), body if verb == "POST" else None, accept
    )


def _answer(way: Way, answer: Any) -> Plain:
    if way.binding == "JSONRPC" and isinstance(answer, dict):
        error = answer.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            if code == RPC_INTERNAL:
                raise Retryable(f"answered error {code}")
            raise Refused(f"answered error {code}", reason=RPC_REASONS.get(code, "") if isinstance(code, int) else "")
        answer = answer.get("result")
    if not isinstance(answer, dict):
        raise Refused("the answer is no object")
    return answer


def _quoted(text: str) -> str:
    return quote(text, safe="")
