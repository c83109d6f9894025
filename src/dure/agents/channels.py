"""Channels: named streams of messages, kept for some days, with who may publish and who may subscribe.

A channel's numbers are dense and in the order of commits, because each is given out under the lock of the channel's
row. So a reader keeps one number, the last that it saw, and misses nothing. A jump in the numbers says that what lay
between was past its age.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, get_args

from dure import logs
from dure.agents import audit
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound, Refused
from dure.queue.cursors import from_cursor, is_id, to_cursor
from dure.queue.payload import encode
from dure.queue.texts import clean_text, read_json
from dure.queue.views import Page, Principal, Scope

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
"""Use `fullmatch`. Of a channel, and of a message's kind."""
TYPE = re.compile(r"[a-z][a-z0-9_]{0,49}")
AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")
ACCESS = re.compile(rf"\*|(?:{'|'.join(get_args(Scope))})|agent:{AGENT.pattern}|class:{NAME.pattern}")
ACCESS_EXAMPLE = "*, operator, agent:worker-7, class:executor"
ACCESS_MAX = 100
DESCRIPTION_CHARS_MAX = 2_000
KEEP_DAYS = 7
KEEP_DAYS_MAX = 90
MESSAGE_BYTES_MAX = 65_536
BATCH_MAX = 1_000
PAGE_MAX = 1_000
PAGE_BYTES = 1_048_576
"""A page ends when it has so many, even if it was to have more messages."""
NO_MAX = 2**53 - 1
BUILT_IN = ("agents.", "system.", "tasks.")
"""How the names of channels begin that every tenant has, as soon as somebody publishes there."""
KEEP_AT_ONCE = 20
"""How many batches of the log one call of `tend` chains, so that it ends."""

_READ_CHANNELS = load("dure.agents", "channels_read")
_CREATE = load("dure.agents", "channel_create")
_EDIT = load("dure.agents", "channel_edit")
_DELETE = load("dure.agents", "channel_delete")
_READ = load("dure.agents", "messages_read")
_PUBLISH = load("dure.agents", "message_publish")
_PUBLISHERS = load("dure.agents", "channel_publishers")
_BEGIN = load("dure.agents", "channels_begin")
_CALLER = load("dure.agents", "channel_caller")
_KEEP = load("dure.agents", "channels_keep")
_RECORD = load("dure.queue", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel as it stands. `messages` and `bytes` were ever published; `subscribers` listen now."""

    name: str
    type: str
    description: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    keep_days: int
    built_in: bool
    messages: int
    bytes: int
    subscribers: int
    last_message_at: datetime | None
    revision: int
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel that is wanted; nobody may publish or subscribe who is not named.

    Example: `NewChannel("builds.done", publish=("class:executor",), subscribe=("viewer", "agent:planner"))`.
    """

    name: str
    type: str = "custom"
    description: str = ""
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    keep_days: int = KEEP_DAYS


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is kept."""

    no: int
    at: datetime
    from_agent: str | None
    to_agent: str | None
    kind: str
    body: Mapping[str, Any]
    task_id: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that is to be published. Example: `NewMessage({"state": "done"}, kind="result", to="planner")`."""

    body: Mapping[str, Any]
    kind: str = "message"
    to: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who publishes or subscribes: a key's scope, and the agent that it speaks for, if any.

    Example: `Caller("worker-7", "agent", agent_id="worker-7", class_="executor").within(["class:executor"])`.
    """

    actor: str
    scope: Scope | None = None
    agent_id: str | None = None
    class_: str | None = None

    def within(self, access: Sequence[str]) -> bool:
        """Answer whether an access list names this one. An administrator, who may change the list, always is."""
        if self.scope == "admin":
            return True
        known = {"*", f"agent:{self.agent_id}", f"class:{self.class_}"}
        if self.scope is not None:
            principal = Principal(self.actor, self.scope)
            known |= {scope for scope in get_args(Scope) if principal.may(scope)}
        return not known.isdisjoint(access)


_CHANNEL = tuple(field.name for field in fields(Channel))
_CHANGEABLE = ("type", "description", "publish", "subscribe", "keep_days")


class Channels:
    """The channels of a database. Example: `await Channels(database).publish("acme", "builds.done", {}, caller=me)`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, tenant_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Channel]:
        """Answer the channels of a tenant, by name."""
        limit = max(1, min(limit, PAGE_MAX))
        after = "" if cursor is None else from_cursor(cursor)
        found = await self._channels(tenant_id, after=after, limit=limit + 1)
        return Page(found[:limit], to_cursor(found[limit - 1].name) if len(found) > limit else None)

    async def get(self, tenant_id: str, name: str) -> Channel:
        """Answer a channel, or `NotFound`."""
        found = await self._channels(tenant_id, name=name, limit=1)
        if not found:
            raise NotFound("channel", name)
        return found[0]

    async def create(self, tenant_id: str, wanted: NewChannel, *, actor: str) -> Channel:
        """Make a channel; `Conflict` if there is one of the name. One that was deleted goes on counting."""
        if NAME.fullmatch(wanted.name) is None:
            raise Invalid(field="name", reason="wrong_format", expected="builds.done")
        values = _checked({name: getattr(wanted, name) for name in _CHANGEABLE})
        async with self._database.system_tx() as tx:
            values |= {"tenant_id": tenant_id, "name": wanted.name, "actor": actor}
            if await (await tx.execute(_CREATE, values)).fetchone() is None:
                raise Conflict("already_exists", field="name")
            await _record(tx, tenant_id, actor, "channel.create", wanted.name)
        return await self.get(tenant_id, wanted.name)

    async def edit(
        self, tenant_id: str, name: str, changes: Mapping[str, Any], *, actor: str, revision: int | None = None
    ) -> Channel:
        """Change what is named; open subscriptions begin anew, so that a new list holds at once."""
        for field in changes:
            if field not in _CHANGEABLE:
                raise Invalid(field=field, reason="unknown_field")
        values = dict.fromkeys(_CHANGEABLE) | _checked(changes)
        values |= {"tenant_id": tenant_id, "name": name, "revision": revision}
        async with self._database.system_tx() as tx:
            if await (await tx.execute(_EDIT, values)).fetchone() is None:
                raise await self._why_not(tenant_id, name, revision)
            await _record(tx, tenant_id, actor, "channel.edit", name)
        return await self.get(tenant_id, name)

    async def delete(self, tenant_id: str, name: str, *, actor: str, revision: int | None = None) -> None:
        """Remove a channel and its messages; a built-in one stays (`Refused`)."""
        values = {"tenant_id": tenant_id, "name": name, "revision": revision}
        async with self._database.system_tx() as tx:
            if await (await tx.execute(_DELETE, values)).fetchone() is None:
                raise await self._why_not(tenant_id, name, revision)
            await _record(tx, tenant_id, actor, "channel.delete", name)

    async def publish(
        self,
        tenant_id: str,
        channel: str,
        body: Mapping[str, Any],
        *,
        caller: Caller,
        kind: str = "message",
        to: str | None = None,
        task_id: str | None = None,
    ) -> int:
        """Publish a message and answer its number. `Refused` unless the channel's list names the caller."""
        (no,) = await self.publish_many(tenant_id, channel, [NewMessage(body, kind, to, task_id)], caller=caller)
        return no

    async def publish_many(
        self, tenant_id: str, channel: str, messages: Sequence[NewMessage], *, caller: Caller
    ) -> Sequence[int]:
        """Publish messages together, all or none; answer their numbers, which follow one another."""
        if not 1 <= len(messages) <= BATCH_MAX:
            raise Invalid(field="messages", reason="out_of_range", min=1, max=BATCH_MAX)
        documents = [_document(message, caller.agent_id or caller.actor) for message in messages]
        values = {"tenant_id": tenant_id, "channel": channel, "messages": f"[{','.join(documents)}]"}
        async with self._database.system_tx() as tx:
            if not caller.within(await _publishers(tx, values)):
                raise Refused("channel_publish", name=channel)
            row = await (await tx.execute(_PUBLISH, values)).fetchone()
        assert row is not None
        return range(row[0] - len(messages) + 1, row[0] + 1)

    async def read(
        self, tenant_id: str, channel: str, *, caller: Caller, after: int = 0, limit: int = 100
    ) -> tuple[Message, ...]:
        """Answer the messages behind a number, oldest first. `Refused` unless the channel's list names the caller."""
        await self.require_subscriber(tenant_id, channel, caller=caller, after=after)
        return await self.messages(tenant_id, channel, after=after, limit=limit)

    async def messages(self, tenant_id: str, channel: str, *, after: int = 0, limit: int = 100) -> tuple[Message, ...]:
        """Answer the same without asking who reads: for whoever has asked (`require_subscriber`)."""
        return await read_messages(self._database, tenant_id, channel, after, limit=max(1, min(limit, PAGE_MAX)))

    async def require_subscriber(self, tenant_id: str, channel: str, *, caller: Caller, after: int = 0) -> Channel:
        """Answer the channel if this caller may read it from there on."""
        known = await self.get(tenant_id, channel)
        if not caller.within(known.subscribe):
            raise Refused("channel_subscribe", name=channel)
        if after > known.messages:
            # From another database, or from a backup's future: it would wait for ever.
            raise Invalid(field="after", reason="too_big", max=known.messages)
        return known

    async def caller(self, tenant_id: str, who: Principal, agent_id: str | None) -> Caller:
        """Answer who speaks: a key for itself, or for an agent that registered with it.

        Without any key, as on loopback, an operator speaks for agents that registered without one.
        """
        if agent_id is None:
            return Caller(who.actor, who.scope)
        async with self._database.tenant_tx(tenant_id) as tx:
            row = await (await tx.execute(_CALLER, {"tenant_id": tenant_id, "agent_id": agent_id})).fetchone()
        if row is None:
            raise NotFound("agent", agent_id)
        class_, own_key = row
        if own_key != who.key_id or not (who.scope == "agent" or who.may("operator")):
            raise Refused("other_agent", agent=agent_id)
        return Caller(who.actor, who.scope, agent_id, class_)

    async def _channels(
        self, tenant_id: str, *, name: str | None = None, after: str = "", limit: int
    ) -> tuple[Channel, ...]:
        values = {"tenant_id": tenant_id, "name": name, "after": after, "limit": limit}
        async with self._database.tenant_tx(tenant_id) as tx:
            rows = await (await tx.execute(_READ_CHANNELS, values)).fetchall()
        return tuple(_channel_of(row) for row in rows)

    async def _why_not(self, tenant_id: str, name: str, revision: int | None) -> Exception:
        present = await self.get(tenant_id, name)
        if revision is not None and present.revision != revision:
            return Conflict("other_revision", given=revision, present=present.revision)
        return Refused("channel_built_in", name=name)


async def read_messages(
    database: Database, tenant_id: str, channel: str, after: int, *, limit: int, bytes_max: int = PAGE_BYTES
) -> tuple[Message, ...]:
    """Read the messages of a channel behind a number, without asking who reads."""
    values = {"tenant_id": tenant_id, "channel": channel, "after": after, "limit": limit, "bytes": bytes_max}
    async with database.tenant_tx(tenant_id) as tx:
        rows = await (await tx.execute(_READ, values)).fetchall()
    return tuple(_message_of(*row) for row in rows)


async def tend(database: Database) -> int:
    """Chain what came to the log, and now and then look after partitions; answer how many entries were chained.

    One small statement when there is nothing to do. Example: `await tend(database)`, about once a second.
    """
    sealed, due = await audit.seal(database, batches=KEEP_AT_ONCE)
    if due:
        async with database.system_tx() as tx:
            row = await (await tx.execute(_KEEP)).fetchone()
        if row is not None and not row[0]:
            # A backup or a long report holds one of them. It is tried again in a minute.
            logs.get("channels").info("channels.partitions_later")
    return sealed


async def _publishers(tx: Connection, values: Mapping[str, Any]) -> Sequence[str]:
    row = await (await tx.execute(_PUBLISHERS, values)).fetchone()
    if row is None and values["channel"].startswith(BUILT_IN):
        await tx.execute(_BEGIN, values)
        row = await (await tx.execute(_PUBLISHERS, values)).fetchone()
    if row is None:
        raise NotFound("channel", values["channel"])
    access: Sequence[str] = row[0]
    return access


def _message_of(no: int, at: datetime, sender: str, to: str, kind: str, body: str, task: str, size: int) -> Message:
    return Message(no, at, sender, to, kind, read_json(body), task, size)


def _channel_of(row: Sequence[Any]) -> Channel:
    known = dict(zip(_CHANNEL, row, strict=True))
    return Channel(**{**known, "publish": tuple(known["publish"]), "subscribe": tuple(known["subscribe"])})


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the columns of what is to be kept, or say what is wrong with it."""
    values = dict(changes)
    if (kind := values.get("type")) is not None and TYPE.fullmatch(kind) is None:
        raise Invalid(field="type", reason="wrong_format", expected="broadcast")
    if (text := values.get("description")) is not None:
        clean_text(text, "description", chars_max=DESCRIPTION_CHARS_MAX)
    if (days := values.get("keep_days")) is not None and not 1 <= days <= KEEP_DAYS_MAX:
        raise Invalid(field="keep_days", reason="out_of_range", min=1, max=KEEP_DAYS_MAX)
    for name in ("publish", "subscribe"):
        if (entries := values.get(name)) is not None:
            values[name] = _access(entries, name)
    return values


def _access(entries: Sequence[str], field: str) -> list[str]:
    if len(entries) > ACCESS_MAX:
        raise Invalid(field=field, reason="too_many", count=len(entries), max=ACCESS_MAX)
    for at, entry in enumerate(entries):
        if ACCESS.fullmatch(entry) is None:
            raise Invalid(field=f"{field}[{at}]", reason="wrong_format", expected=ACCESS_EXAMPLE)
    return list(dict.fromkeys(entries))


def _document(message: NewMessage, sender: str) -> str:
    if NAME.fullmatch(message.kind) is None:
        raise Invalid(field="kind", reason="wrong_format", expected="message")
    if message.to is not None and AGENT.fullmatch(message.to) is None:
        raise Invalid(field="to", reason="wrong_format", expected="worker-7")
    if message.task_id is not None and not is_id(message.task_id):
        raise Invalid(field="task_id", reason="wrong_format", expected="0198a0c2-7d3e-7a51-9c4f-2b1d8e6f0a11")
    body = encode(dict(message.body), field="body")
    if (size_bytes := len(body.encode())) > MESSAGE_BYTES_MAX:
        raise Invalid(field="body", reason="too_large", size_bytes=size_bytes, max_bytes=MESSAGE_BYTES_MAX)
    rest = {"from": sender, "kind": message.kind, "to": message.to, "task": message.task_id}
    return f'{{"body":{body},{encode(rest)[1:]}'


async def _record(tx: Connection, tenant_id: str, actor: str, verb: str, name: str) -> None:
    values = {"actor": actor, "verb": verb, "subject": f"channel:{name}", "detail": "{}", "tenant_id": tenant_id}
    await tx.execute(_RECORD, values)
