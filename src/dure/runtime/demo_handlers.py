"""The handlers `dure.demo.*`, which exist with `DURE_DEMO=1` only: harmless things to try."""

import asyncio
import os
import signal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dure.queue.context import Context
from dure.queue.registry import handler
from dure.queue.results import Done
from dure.queue.retry import Final, Retryable


class Sleep(BaseModel):
    """How long to sleep."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(default=0.01, ge=0, le=86_400)


class Flaky(BaseModel):
    """How often to fail, and how."""

    model_config = ConfigDict(extra="forbid")

    fail: int = Field(default=2, ge=0, le=1_000)
    kind: Literal["transient", "final"] = Field(default="transient", alias="class")


@handler("dure.demo.echo")
async def echo(params: dict[str, Any]) -> Done:
    """Answers its parameters."""
    return Done(params)


@handler("dure.demo.sleep")
async def sleep(params: Sleep) -> None:
    """Sleeps for some seconds."""
    await asyncio.sleep(params.seconds)


@handler("dure.demo.flaky")
async def flaky(params: Flaky, ctx: Context) -> dict[str, int]:
    """Fails a number of times, then succeeds."""
    if ctx.attempt <= params.fail:
        error = Retryable if params.kind == "transient" else Final
        raise error(f"failure {ctx.attempt} of {params.fail}, on purpose")
    return {"attempts": ctx.attempt}


@handler("dure.demo.crash")
async def crash() -> None:
    """Kills its own process."""
    os.kill(os.getpid(), signal.SIGKILL)
