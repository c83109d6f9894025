"""Waiting for a request: who works on it, how far it is, and how it ended."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dure.cli import output
from dure.cli.runs_wait import Hands, hands
from dure.errors import TimedOut
from dure.intents.declaring import QUEUE
from dure.intents.requests import OPEN
from dure.intents.rows import Request
from dure.lang import say
from dure.runs.service import QUEUE as RUNS

if TYPE_CHECKING:
    from dure.runtime.parts import Runtime

POLL_MIN_S, POLL_MAX_S = 0.05, 0.5


@asynccontextmanager
async def helping(runtime: "Runtime") -> AsyncIterator[Hands]:
    """See that somebody works on intents and runs: where no worker does, this command does while it waits."""
    async with hands(runtime, True, (QUEUE, RUNS)) as made:
        yield made


async def follow(runtime: "Runtime", request: Request, made: Hands, *, patience_s: float | None = None) -> Request:
    """Wait until a request has ended, or waits for a person; answer how it stands then."""
    try:
        async with asyncio.timeout(patience_s):
            return await _follow(runtime, request, made)
    except asyncio.CancelledError:
        output.note(say("intents.goes_on", id=request.id))
        raise
    except TimeoutError:
        output.note(say("intents.goes_on", id=request.id))
        raise TimedOut(what=say("nouns.request"), after_s=patience_s or 0) from None


async def _follow(runtime: "Runtime", request: Request, made: Hands) -> Request:
    pause_s, told = POLL_MIN_S, ""
    while True:
        found = await runtime.intents.get(request.tenant_id, request.id)
        if found.state == "waiting" or found.state not in OPEN:
            return found
        line = await _how_far(runtime, found)
        if line != told and not output.wants_json():
            told = line
            output.note(f"{found.id}  {line}")
        await made.offer()
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.3, POLL_MAX_S)


async def _how_far(runtime: "Runtime", found: Request) -> str:
    word = say(f"intents.state_{found.state}")
    if found.job_id is None or not sys.stderr.isatty():
        return word
    children = await runtime.jobs.children(found.tenant_id, found.job_id)
    total = sum(children.values())
    ended = total - children.get("pending", 0) - children.get("processing", 0)
    return f"{word}  {ended}/{total}" if total else word
