"""Requests that wait: for as long as the client is there, and the server goes on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")


async def while_there(request: Request, stopping: asyncio.Event, work: Coroutine[Any, Any, T], otherwise: T) -> T:
    """Wait for some work, and answer it; when the server stops first, answer `otherwise` at once.

    A client that goes away stops the work, and raises `ClientGone`. When both happen in one moment the work is done:
    then the exception has its answer.
    Example: `await while_there(request, services.stopping, agents.claim(…), ())`.
    """
    working = asyncio.ensure_future(work)
    going = asyncio.create_task(_gone(request))
    stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({working, going, stop}, return_when=asyncio.FIRST_COMPLETED)
        if going.done() and working.done() and not working.cancelled() and working.exception() is None:
            raise ClientGone(working.result())
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
        if going.done():
            raise ClientGone(None)
        return otherwise if working.cancelled() else working.result()
    finally:
        for task in (working, going, stop):
            task.cancel()
        await asyncio.gather(working, going, stop, return_exceptions=True)


class ClientGone(Exception):
    """Nobody waits for the answer any more; `answer` is what was done for them all the same, if anything."""

    def __init__(self, answer: Any) -> None:
        super().__init__("the client has gone away")
        self.answer = answer


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
