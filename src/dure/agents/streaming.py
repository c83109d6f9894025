"""Passes the messages of channels on, live, to any number of subscribers of one process.

A channel's new messages are read once, whoever listens, and kept in a ring of bounded size. A subscriber is a number,
the last message that it was given, and nothing else: while the ring reaches back to it, it is served from the ring. One
that does not read falls behind the ring's tail, costs nothing from then on, and when it reads again goes on from the
database. So the memory is bounded by the channels that are listened to, and nobody's slowness is anybody else's.

The database is told which channels are listened to, because only those are notified of. A notification is a hint: every
`poll_s` all channels are looked at in one statement, and that is all there is behind a pooler.

A hub needs no start: it begins with its first subscriber, and ends with its last.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg

from dure import logs
from dure.agents.channels import Message, read_messages
from dure.db.notify import Listener
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError, RateLimited
from dure.ids import uuid7
from dure.settings import Settings

CHANNEL = "dure_channel"
SUBSCRIBERS_MAX = 5_000
RING_MESSAGES_MAX = 1_000
RING_BYTES_MAX = 4 << 20
RINGS_BYTES_MAX = 64 << 20
"""Of all channels together; each has its share."""
READ_MAX = 500
CATCH_UP_BYTES = 128 << 10
"""What a subscriber that has fallen behind holds at a time."""
CATCH_UP_AT_ONCE = 4
"""How many of them read at a time, so that they never take the whole pool."""
LISTENING_FOR_S = 30.0
RENEW_S = 10.0
HEARTBEAT_S = 15.0
AWAY_S = 1.0
"""How long it waits for a database that is away."""
RETRY_MS = 2_000
SIGN_OF_LIFE = b": still here\n\n"
FULL_RETRY_S = 5.0

_STATE = load("dure.agents", "channels_state")
_LISTEN = load("dure.agents", "channels_listen")
_UNLISTEN = load("dure.agents", "channels_unlisten")

Key = tuple[str, str]
"""A tenant and the name of one of its channels."""


@dataclass(frozen=True)
class Told:
    """A message on its way to subscribers; written once, for all of them."""

    message: Message

    @cached_property
    def wire(self) -> bytes:
        """The server-sent event: its id is the number, to go on from."""
        data = json.dumps(document_of(self.message), ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.message.no}\nevent: message\ndata: {data}\n\n".encode()


@dataclass(eq=False)
class _Topic:
    """One channel that is listened to: its ring, and who waits."""

    key: Key
    told_at: float
    subscribers: int = 0
    revision: int | None = None
    last_no: int = 0
    reach: int = 0
    """How far the database is, as far as is known."""
    ring: dict[int, Told] = field(default_factory=dict)
    ring_bytes: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    beats: int = 0

    def tell(self) -> None:
        """Wake all who wait."""
        self.told_at = time.monotonic()
        self.news.set()
        self.news = asyncio.Event()

    def end(self) -> None:
        """Its channel was changed or deleted: subscribers come again and are looked at anew."""
        self.over = True
        self.ready.set()
        self.tell()

    def keep(self, messages: tuple[Message, ...], bytes_max: int) -> None:
        """Put messages into the ring; the oldest fall out."""
        for message in messages:
            self.ring[message.no] = Told(message)
            self.ring_bytes += message.size_bytes
            self.last_no = message.no
        while len(self.ring) > RING_MESSAGES_MAX or (self.ring_bytes > bytes_max and len(self.ring) > 1):
            self.ring_bytes -= self.ring.pop(next(iter(self.ring))).message.size_bytes


class Hub:
    """The subscribers of one process.

    Example: `async for told in Hub(database, settings).watch("acme", "builds.done", after=7): print(told.message)`.
    """

    def __init__(self, database: Database, settings: Settings, *, stopping: asyncio.Event | None = None) -> None:
        self._database = database
        self._settings = settings
        self._stopping = stopping or asyncio.Event()
        self._id = uuid7()
        self._topics: dict[Key, _Topic] = {}
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._catching_up = asyncio.Semaphore(CATCH_UP_AT_ONCE)
        self._told: dict[Key, int] = {}
        self._tell_at = 0.0
        self._log = logs.get("channels")

    @property
    def subscribers(self) -> int:
        """How many subscriptions are open."""
        return sum(topic.subscribers for topic in self._topics.values())

    @property
    def kept_bytes(self) -> int:
        """How much of messages the rings hold."""
        return sum(topic.ring_bytes for topic in self._topics.values())

    async def watch(
        self, tenant_id: str, channel: str, *, after: int | None = None, revision: int | None = None
    ) -> AsyncIterator[Told]:
        """Yield the messages behind a number (None: from now on), each as it comes, until the channel is changed.

        Who may listen was asked before, of the channel at that revision: `Channels.require_subscriber`.
        """
        async with aclosing(self._follow((tenant_id, channel), after, revision)) as events:
            async for told in events:
                if told is not None:
                    yield told

    async def stream(
        self, tenant_id: str, channel: str, *, after: int | None = None, revision: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the same as server-sent events, with a sign of life now and then; ends when the process is to stop.

        Not by way of a task for each event, as other streams do it: that alone would double what a subscriber costs.
        """
        yield f"retry: {RETRY_MS}\n\n".encode()
        with suppress(DureError):
            async with aclosing(self._follow((tenant_id, channel), after, revision)) as events:
                async for told in events:
                    yield SIGN_OF_LIFE if told is None else told.wire

    async def _follow(self, key: Key, after: int | None, revision: int | None) -> AsyncGenerator[Told | None, None]:
        topic = self._join(key)
        try:
            await topic.ready.wait()
            if revision is not None and topic.revision != revision:
                return
            after = topic.last_no if after is None else after
            while not topic.over:
                if (told := topic.ring.get(after + 1)) is not None:
                    after += 1
                    yield told
                elif after >= topic.last_no:
                    beats = topic.beats
                    await topic.news.wait()
                    if topic.beats > beats:
                        yield None
                else:
                    # Fallen behind, or just come. What is not kept any more is passed over.
                    reached = topic.last_no
                    for message in await self._catch_up(topic.key, after):
                        reached = message.no
                        yield topic.ring.get(message.no) or Told(message)
                        if topic.over:
                            return
                    after = reached
        finally:
            self._leave(topic)

    async def stop(self) -> None:
        """End all subscriptions; may be called twice."""
        self._end_all()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    def _end_all(self) -> None:
        for topic in self._topics.values():
            topic.end()
        self._topics.clear()

    def require_room(self) -> None:
        """Refuse one more subscriber than a process takes (`RateLimited`)."""
        if self.subscribers >= SUBSCRIBERS_MAX:
            raise RateLimited(retry_after_s=FULL_RETRY_S)

    def _join(self, key: Key) -> _Topic:
        self.require_room()
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = _Topic(key, time.monotonic())
            self._wake.set()
        topic.subscribers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="dure.channels")
        return topic

    def _leave(self, topic: _Topic) -> None:
        topic.subscribers -= 1
        if topic.subscribers == 0 and self._topics.get(topic.key) is topic:
            del self._topics[topic.key]
            self._wake.set()

    async def _catch_up(self, key: Key, after: int) -> tuple[Message, ...]:
        async with self._catching_up:
            return await read_messages(self._database, *key, after, limit=READ_MAX, bytes_max=CATCH_UP_BYTES)

    async def _run(self) -> None:
        # Who comes while the last one's traces are removed is found by the second look.
        while self._topics:
            listener = Listener(self._database, self._heard, channels=(CHANNEL,), enabled=self._settings.notify)
            stop = asyncio.create_task(self._stopping.wait())
            stop.add_done_callback(lambda _: self._wake.set())
            try:
                await self._serve(listener)
            finally:
                stop.cancel()
                await listener.stop()
                with suppress(DureError, psycopg.Error, OSError):
                    await self._tell_listening()

    async def _serve(self, listener: Listener) -> None:
        look_at = 0.0
        while self._topics:
            try:
                if time.monotonic() >= look_at or not all(topic.ready.is_set() for topic in self._topics.values()):
                    await listener.start()
                    await self._look()
                    look_at = time.monotonic() + self._settings.poll_s
                await self._read()
            except (DureError, psycopg.Error, OSError) as error:
                self._log.warning("channels.late", reason=str(error) or type(error).__name__)
                look_at = time.monotonic() + AWAY_S
                await asyncio.sleep(AWAY_S)
            if not self._dirty:
                await self._rest(look_at)
            if self._stopping.is_set():
                self._end_all()

    async def _rest(self, until: float) -> None:
        """Wait for a hint, and let those hear a sign of life that heard nothing for long."""
        now = time.monotonic()
        for topic in self._topics.values():
            if now - topic.told_at >= HEARTBEAT_S:
                topic.beats += 1
                topic.tell()
        beat_at = min((topic.told_at + HEARTBEAT_S for topic in self._topics.values()), default=now)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(min(until, beat_at) - now, 0.0)):
                await self._wake.wait()
        self._wake.clear()

    async def _look(self) -> None:
        """Say what is listened to, and only then see how far each channel is: what comes later is notified of."""
        counts = {key: topic.subscribers for key, topic in self._topics.items()}
        if counts != self._told or time.monotonic() >= self._tell_at:
            await self._tell_listening()
        values = _columns(self._topics)
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_STATE, values)).fetchall()
        found = {(tenant_id, name): (last_no, revision) for tenant_id, name, last_no, revision in rows}
        for key in values["keys"]:
            self._compare(key, *found.get(key, (0, -1)))

    def _compare(self, key: Key, last_no: int, revision: int) -> None:
        topic = self._topics.get(key)
        if topic is None:
            return
        if topic.revision is None and revision >= 0:
            topic.revision, topic.last_no, topic.reach = revision, last_no, last_no
            topic.ready.set()
        elif topic.revision != revision:
            del self._topics[key]
            topic.end()
        elif last_no > topic.last_no:
            topic.reach = last_no
            self._dirty.add(key)

    async def _read(self) -> None:
        """Read what is new on the channels that something was heard of."""
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            topic = self._topics.get(key)
            if topic is None or not topic.ready.is_set():
                continue
            messages = await read_messages(
                self._database, *key, topic.last_no, limit=READ_MAX, bytes_max=RING_BYTES_MAX
            )
            if messages:
                topic.keep(messages, min(RING_BYTES_MAX, RINGS_BYTES_MAX // len(self._topics)))
                if len(messages) == READ_MAX or topic.last_no < topic.reach:
                    self._dirty.add(key)
            else:
                topic.last_no = max(topic.last_no, topic.reach)
            topic.tell()

    async def _tell_listening(self) -> None:
        counts = {key: topic.subscribers for key, topic in self._topics.items()}
        values = {**_columns(counts), "hub_id": self._id, "counts": list(counts.values()), "for_s": LISTENING_FOR_S}
        async with self._database.system_tx() as tx:
            await tx.execute(_UNLISTEN, values)
            if counts:
                await tx.execute(_LISTEN, values)
        self._told, self._tell_at = counts, time.monotonic() + RENEW_S

    def _heard(self, _channel: str, payload: str) -> None:
        tenant_id, _, channel = payload.partition("/")
        if not payload:
            # Listening again, after a while in which something may have been missed.
            self._dirty.update(self._topics)
        elif (tenant_id, channel) in self._topics:
            self._dirty.add((tenant_id, channel))
        else:
            return
        self._wake.set()


def document_of(message: Message) -> dict[str, Any]:
    """Answer a message as JSON has it."""
    return {
        "no": message.no,
        "at": message.at.isoformat(),
        "from_agent": message.from_agent,
        "to_agent": message.to_agent,
        "kind": message.kind,
        "body": message.body,
        "task_id": message.task_id,
        "size_bytes": message.size_bytes,
    }


def _columns(keys: Collection[Key]) -> dict[str, Any]:
    chosen = list(keys)
    return {"keys": chosen, "tenants": [key[0] for key in chosen], "channels": [key[1] for key in chosen]}
