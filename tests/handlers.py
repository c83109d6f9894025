"""Handlers that a child process or a worker's subprocess can import."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from pydantic import BaseModel

from dure.queue.context import Context, ThreadContext
from dure.queue.registry import handler
from dure.queue.results import Done, WaitForChildren
from dure.queue.retry import Final, Retryable

EFFECT = "insert into effect (job_id, attempt) values (%s, %s)"


class Sum(BaseModel):
    a: int
    b: int


@handler("apart.sum", isolate="process")
def add(params: Sum) -> dict[str, int]:
    return {"sum": params.a + params.b, "pid": os.getpid()}


@handler("apart.later", isolate="process")
async def add_later(params: Sum, ctx: Context) -> Done:
    await asyncio.sleep(0)
    ctx.log("adding")
    ctx.progress(1, 2, "half")
    return Done(f"{params.a + params.b} {ctx.idempotency_key == ctx.job.id}")


@handler("apart.fail", isolate="process")
def fail(params: dict[str, Any]) -> None:
    raise {"final": Final, "transient": Retryable, "key": KeyError}[params["how"]]("on purpose")


@handler("apart.text", isolate="process")
def text() -> str:
    return "something went wrong"


@handler("apart.kill", isolate="process")
def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@handler("apart.exit", isolate="process")
def leave() -> None:
    sys.exit("enough")


@handler("apart.stuck", isolate="process")
def stuck(params: dict[str, Any], ctx: ThreadContext) -> None:
    """Deaf to all, and so is what it starts."""
    helper = subprocess.Popen(["sleep", "60"])
    ctx.log(f"{os.getpid()} {helper.pid}")
    time.sleep(60)


@handler("apart.polite", isolate="process")
def polite(params: dict[str, Any], ctx: ThreadContext) -> None:
    ctx.log("started")
    while True:
        ctx.check_cancelled()
        time.sleep(0.01)


@handler("apart.patient", isolate="process")
async def patient(params: dict[str, Any], ctx: Context) -> None:
    ctx.log("started")
    await asyncio.sleep(60)


@handler("apart.effect", isolate="process")
def effect(params: dict[str, Any], ctx: ThreadContext) -> dict[str, Any]:
    ctx.execute(EFFECT, [ctx.job.id, ctx.attempt])
    ctx.log("written")
    if params.get("fail"):
        raise Final("after the effect")
    ctx.enqueue_sync("apart.text", delay_s=3600)
    return {"rows": ctx.execute("select count(*) from effect")[0][0]}


@handler("apart.parent", isolate="process")
async def parent(params: dict[str, Any], ctx: Context) -> WaitForChildren | dict[str, int]:
    counts = await ctx.children()
    if counts:
        return {str(state): count for state, count in counts.items()}
    for n in range(3):
        await ctx.enqueue("apart.sum", {"a": n, "b": n}, parent_id=ctx.job.id)
    return WaitForChildren()


@handler("shared.effect")
async def shared_effect(params: dict[str, Any], ctx: Context) -> None:
    await (await ctx.tx()).execute(EFFECT, [ctx.job.id, ctx.attempt])


@handler("shared.slow")
async def slow(params: dict[str, Any], ctx: Context) -> None:
    tx = await ctx.tx()
    await tx.execute(EFFECT, [ctx.job.id, ctx.attempt])
    await asyncio.sleep(params.get("s", 0.02))


@handler("shared.plain")
async def plain() -> None:
    await asyncio.sleep(0.05)


@handler("shared.killer")
async def killer() -> None:
    """Lets its neighbours start before it takes the process with it."""
    await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
