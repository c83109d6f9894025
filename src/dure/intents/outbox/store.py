"""Messages as rows: put in once, read, decided about by a person when nobody saw what became of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.intents.model import Outgoing
from dure.queue.client import enqueue_on
from dure.queue.cursors import LAST_ID, id_from_cursor, is_id, to_cursor
from dure.queue.model import NewJob
from dure.queue.texts import clean_text
from dure.queue.views import Page

State = Literal["planned", "sending", "sent", "failed", "unknown", "cancelled"]
SEND_JOB = "dure.outbox.send"
SAME_S = 30 * 86_400.0
"""So long the same message to the same person is one message."""
PAGE_MAX = 1_000
BODY_CHARS_MAX = 20_000

_PUT = load("dure.intents.outbox", "message_put")
_JOB = load("dure.intents.outbox", "message_job")
_READ = load("dure.intents.outbox", "messages_read")
_DECIDE = load("dure.intents.outbox", "message_decide")


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as people see it."""

    id: str
    tenant_id: str
    request_id: str | None
    target: str | None
    channel: str
    to: str
    subject: str
    body: str
    state: State
    job_id: str | None
    tries: int
    error: str | None
    created_at: datetime
    sending_at: datetime | None
    sent_at: datetime | None
    decided_by: str | None


async def put(
    tx: Connection,
    tenant_id: str,
    outgoing: Outgoing,
    *,
    request_id: str | None = None,
    target: str | None = None,
    same_s: float = SAME_S,
) -> tuple[str, bool]:
    """Put a message in, with the job that sends it, in the caller's transaction; answer its id and whether it is new.

    Example: `await put(tx, "acme", Outgoing(channel="sms", to="+821000000000", body="…"))`.
    """
    clean_text(outgoing.to, "to", chars_min=1, chars_max=500)
    clean_text(outgoing.body, "body", chars_min=1, chars_max=BODY_CHARS_MAX)
    clean_text(outgoing.subject, "subject", chars_max=500)
    values = {
        "tenant": tenant_id, "request": request_id, "target": target, "channel": outgoing.channel, "to": outgoing.to,
        "subject": outgoing.subject, "body": outgoing.body, "dedupe": outgoing.dedupe, "same_s": same_s,
    }  # fmt: skip
    row = await (await tx.execute(_PUT, values)).fetchone()
    assert row is not None
    message_id, is_new = row
    if is_new:
        params = {"message_id": message_id, "channel": outgoing.channel}
        (job,) = await enqueue_on(tx, tenant_id, [NewJob(handler=SEND_JOB, params=params)])
        await tx.execute(_JOB, {"id": message_id, "job": job.id})
    return message_id, is_new


class Outbox:
    """The messages of a database. Example: `await outbox.list("acme", state="unknown")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str | None, message_id: str) -> Message:
        """Answer a message."""
        async with self._database.system_tx() as tx:
            return await _one(tx, tenant_id, message_id)

    async def list(
        self,
        tenant_id: str | None,
        *,
        state: State | None = None,
        request_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Answer messages, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        if request_id is not None and not is_id(request_id):
            raise Invalid(field="request_id", reason="wrong_format", expected="0198a0c2-…")
        async with self._database.system_tx() as tx:
            found = await _read(
                tx, tenant_id, state=state, request=request_id, before=id_from_cursor(cursor), limit=limit + 1
            )
        return Page(tuple(found[:limit]), to_cursor(found[limit - 1].id) if len(found) > limit else None)

    async def cancel(self, tenant_id: str | None, message_id: str, *, actor: str) -> Message:
        """Take back a message that was not sent yet."""
        return await self._decide(tenant_id, message_id, "cancelled", ["planned", "failed"], actor)

    async def was_sent(self, tenant_id: str | None, message_id: str, *, actor: str) -> Message:
        """Say of a message of which nobody knew that it went out."""
        return await self._decide(tenant_id, message_id, "sent", ["unknown"], actor)

    async def again(self, tenant_id: str | None, message_id: str, *, actor: str) -> Message:
        """Send a message again that failed, or of which a person knows that it did not go out."""
        async with self._database.system_tx() as tx:
            await self._decide_on(tx, tenant_id, message_id, "planned", ["unknown", "failed"], actor)
            found = await _one(tx, tenant_id, message_id)
            params = {"message_id": found.id, "channel": found.channel}
            (job,) = await enqueue_on(tx, found.tenant_id, [NewJob(handler=SEND_JOB, params=params)])
            await tx.execute(_JOB, {"id": found.id, "job": job.id})
            return await _one(tx, tenant_id, message_id)

    async def _decide(
        self, tenant_id: str | None, message_id: str, state: State, wanted: Sequence[State], actor: str
    ) -> Message:
        async with self._database.system_tx() as tx:
            await self._decide_on(tx, tenant_id, message_id, state, wanted, actor)
            return await _one(tx, tenant_id, message_id)

    async def _decide_on(
        self,
        tx: Connection,
        tenant_id: str | None,
        message_id: str,
        state: State,
        wanted: Sequence[State],
        actor: str,
    ) -> None:
        found = await _one(tx, tenant_id, message_id)
        values = {"id": found.id, "tenant": tenant_id, "state": state, "wanted": list(wanted), "actor": actor}
        if await (await tx.execute(_DECIDE, values)).fetchone() is None:
            raise Conflict("message_state", state=found.state, expected=", ".join(wanted))


async def _one(tx: Connection, tenant_id: str | None, message_id: str) -> Message:
    found = await _read(tx, tenant_id, id=message_id, limit=1) if is_id(message_id) else []
    if not found:
        raise NotFound("message", message_id)
    return found[0]


async def _read(tx: Connection, tenant_id: str | None, *, limit: int, **wanted: Any) -> list[Message]:
    values = {
        "tenant": tenant_id,
        "before": LAST_ID,
        "id": None,
        "request": None,
        "state": None,
        "limit": limit,
        **wanted,
    }
    return [Message(*row) for row in await (await tx.execute(_READ, values)).fetchall()]
