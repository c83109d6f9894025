"""Server-sent events: a stream survives a lost connection, because an event's id is where to go on from.

While nothing happens a comment is sent now and then, so that proxies keep the connection and a client that
has left is noticed. The stream ends when its events end, when the client leaves, or when the server stops; a
client whose stream the server ended comes back by itself, with `Last-Event-ID`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from fastapi.responses import StreamingResponse

from dure.errors import DureError

HEARTBEAT_S = 15.0
RETRY_MS = 2_000
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


E = TypeVar("E")


class ServerEvent(Protocol):
    """What can be sent: an id to go on from, a kind, and data."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> Mapping[str, Any]: ...  # noqa: D102


def respond(
    events: AsyncIterator[E],
    stopping: asyncio.Event,
    *,
    heartbeat_s: float = HEARTBEAT_S,
    write: Callable[[E], bytes] | None = None,
) -> StreamingResponse:
    """Answer a stream of events, each written by `write`, or as `render` does it.

    Example: `return respond(jobs.watch(tenant, job_id), services.stopping)`.
    """
    stream = _stream(events, stopping, heartbeat_s, write or render)
    return StreamingResponse(stream, headers=HEADERS, media_type="text/event-stream")


def render(event: ServerEvent) -> bytes:
    """Write one event. Example: `render(JobEvent("1r.0.0", "state", {"state": "processing"}))`."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"), default=str)
    # JSON has no line breaks of its own, so one line of data holds it.
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()


async def _stream(
    events: AsyncIterator[Any], stopping: asyncio.Event, heartbeat_s: float, write: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    stop: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
    coming: asyncio.Future[Any] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming, stop}, timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if coming in done:
                event, coming = await coming, None
                yield write(event)
            elif stop in done:
                return
            else:
                yield b": still here\n\n"
    except (StopAsyncIteration, DureError):
        # The events are over, or cannot be had now: the client comes back and hears why.
        return
    finally:
        for task in (stop, coming):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration, DureError):
                    await task
