"""The job that sends a message.

    planned ──► "sending", committed ──► the call ──► "sent", committed with the job

The first commit comes before the call, so that after a crash it is known that there may have been one. Where the
receiver knows repeats the call is made again; where it does not, the message is `unknown` until a person says: it is
never sent twice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from dure.db.sql import load
from dure.intents.outbox import channels
from dure.intents.outbox.config import load as load_outbox
from dure.intents.outbox.store import SEND_JOB, Message, Outbox
from dure.queue.context import Context
from dure.queue.registry import Rate, handler
from dure.queue.retry import Final
from dure.settings import load as load_settings

QUEUE = "intents"
MAX_RETRIES = 10
TIMEOUT_S = 120.0

_BEGIN = load("dure.intents.outbox", "message_begin")
_END = load("dure.intents.outbox", "message_end")


class SendParams(BaseModel):
    """Which message, and over which channel it goes: limits go by that."""

    message_id: str
    channel: str


def handlers() -> list[Callable[..., Any]]:
    """Answer the handlers of the outbox, for a worker's registry."""
    rate = Rate(load_outbox().per_minute, per_s=60)

    @handler(SEND_JOB, queue=QUEUE, max_retries=MAX_RETRIES, timeout_s=TIMEOUT_S, key="channel", rate_per_key=rate)
    async def send(params: SendParams, ctx: Context) -> dict[str, str]:
        """Send one message of the outbox."""
        async with ctx.database.system_tx() as tx:
            values = {"id": params.message_id, "tenant": ctx.tenant_id}
            row = await (await tx.execute(_BEGIN, values)).fetchone()
        message = await Outbox(ctx.database).get(ctx.tenant_id, params.message_id)
        if row is None:
            # Sent, or taken back, meanwhile.
            return {"state": message.state}
        try:
            url = channels.url_of(load_outbox(), params.channel)
        except Final as error:
            await _end(ctx, message, "failed", str(error))
            raise
        if row[5] == "sending" and not channels.knows_repeats(url):
            await _end(ctx, message, "unknown", "the worker died while it was sending this")
            raise Final("nobody knows whether this message went out: say so with `dure intents outbox`")
        await _call(url, message, ctx)
        tx = await ctx.tx()
        await tx.execute(_END, {"id": message.id, "state": "sent", "error": None})
        return {"state": "sent"}

    return [send]


async def _call(url: str, message: Message, ctx: Context) -> None:
    try:
        await channels.send(url, replace(message), load_settings())
    except Exception as error:
        if isinstance(error, channels.NobodyKnows):
            await _end(ctx, message, "unknown", str(error))
            raise
        last = isinstance(error, Final) or ctx.job.retry_count >= ctx.job.max_retries
        # It was not taken: what is tried again begins as one that is planned.
        await _end(ctx, message, "failed" if last else "planned", str(error))
        raise


async def _end(ctx: Context, message: Message, state: str, error: str) -> None:
    async with ctx.database.system_tx() as tx:
        await tx.execute(_END, {"id": message.id, "state": state, "error": error[:2_000]})
