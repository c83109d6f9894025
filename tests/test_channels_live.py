"""Live subscriptions: every message once and in order, whoever is slow, whatever is lost on the way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dure.agents import streaming
from dure.agents.channels import Channels, NewChannel, NewMessage
from dure.agents.streaming import Hub
from dure.db.pool import Database
from dure.errors import RateLimited
from queueing import TENANT, one, rows, settings, until
from test_channels_messages import ADMIN, NAME

QUIET = 60.0
"""A hub that looks so seldom only hears of messages by being notified."""


class Reader:
    """One subscriber that takes what comes."""

    def __init__(self, hub: Hub, *, after: int | None = None, name: str = NAME, tenant: str = TENANT) -> None:
        self.seen: list[int] = []
        self.bodies: list[object] = []
        self.ended = False
        self._events = hub.watch(tenant, name, after=after)
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for told in self._events:
            self.seen.append(told.message.no)
            self.bodies.append(told.message.body)
        self.ended = True

    async def has(self, last: int) -> list[int]:
        await until(lambda: self.seen and self.seen[-1] >= last)
        return self.seen

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


@pytest.fixture
async def channels(database: Database) -> Channels:
    made = Channels(database)
    await made.create(TENANT, NewChannel(NAME), actor="ops")
    return made


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    made = Hub(database, settings(poll_s=QUIET))
    yield made
    await made.stop()


async def listens(hub: Hub, count: int = 1) -> None:
    await until(lambda: hub.subscribers == count and all(topic.ready.is_set() for topic in hub._topics.values()))


async def say(channels: Channels, *values: int, name: str = NAME) -> None:
    await channels.publish_many(TENANT, name, [NewMessage({"n": n}) for n in values], caller=ADMIN)


async def test_each_message_comes_once_and_in_order(channels: Channels, hub: Hub) -> None:
    await say(channels, 1, 2)
    early, late = Reader(hub, after=0), Reader(hub)
    await listens(hub, 2)
    for n in range(3, 13):
        await say(channels, n)
    assert await early.has(12) == list(range(1, 13))
    assert await late.has(12) == list(range(3, 13))
    await early.leave()
    again = Reader(hub, after=5)
    assert await again.has(12) == list(range(6, 13))


async def test_a_thousand_subscribers_cost_one_read(
    channels: Channels, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    real = streaming.read_messages

    async def counted(*args: object, **given: object) -> object:
        nonlocal reads
        reads += 1
        return await real(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(streaming, "read_messages", counted)
    readers = [Reader(hub) for _ in range(1_000)]
    await listens(hub, 1_000)
    await say(channels, 1, 2, 3)
    for reader in readers:
        assert await reader.has(3) == [1, 2, 3]
    assert reads == 1


async def test_one_that_never_reads_keeps_nothing_and_misses_nothing(
    channels: Channels, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "RING_MESSAGES_MAX", 8)
    asleep = hub.watch(TENANT, NAME)
    first = asyncio.ensure_future(anext(asleep))
    quick = Reader(hub)
    await listens(hub, 2)
    await say(channels, 1)
    assert (await first).message.no == 1
    for n in range(2, 42, 4):
        await say(channels, n, n + 1, n + 2, n + 3)
    assert await quick.has(41) == list(range(1, 42))
    (topic,) = hub._topics.values()
    assert sorted(topic.ring) == list(range(34, 42))
    # Now it reads again: what the ring has lost comes from the database.
    assert [(await anext(asleep)).message.no for _ in range(40)] == list(range(2, 42))
    await say(channels, 42)
    assert (await anext(asleep)).message.no == 42
    await asleep.aclose()  # type: ignore[attr-defined]
    assert hub.subscribers == 1


async def test_the_ring_is_bounded_in_bytes(channels: Channels, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "RING_BYTES_MAX", 100_000)
    reader = Reader(hub)
    await listens(hub)
    for _ in range(10):
        await channels.publish_many(TENANT, NAME, [NewMessage({"text": "x" * 30_000})] * 2, caller=ADMIN)
    assert await reader.has(20) == list(range(1, 21))
    assert 0 < hub.kept_bytes <= 100_000


async def test_without_notifications_it_polls(channels: Channels, database: Database) -> None:
    hub = Hub(database, settings(poll_s=0.05, notify=False))
    reader = Reader(hub)
    await listens(hub)
    await say(channels, 1, 2)
    assert await reader.has(2) == [1, 2]
    await hub.stop()


async def test_what_came_while_the_listener_was_away(
    channels: Channels, hub: Hub, admin: object, database: Database
) -> None:
    reader = Reader(hub)
    await listens(hub)
    # Silenced, as a notification is that was lost; the connection's end wakes the hub.
    await rows(database, "update dure.listening set until = '-infinity'")
    await say(channels, 1)
    assert reader.seen == []
    await rows(
        database,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'dure/listener' and datname = current_database()",
    )
    assert await reader.has(1) == [1]


async def test_only_channels_that_are_listened_to_are_notified_of(
    channels: Channels, hub: Hub, database: Database
) -> None:
    count = "select coalesce(sum(subscribers), 0)::int from dure.listening"
    reader = Reader(hub)
    await listens(hub)
    assert await one(database, count) == 1
    assert (await channels.get(TENANT, NAME)).subscribers == 1
    await reader.leave()
    await until(lambda: hub._task is not None and hub._task.done())
    assert await one(database, count) == 0
    # It begins again with the next one.
    again = Reader(hub, after=0)
    await listens(hub)
    await say(channels, 1)
    assert await again.has(1) == [1]


async def test_a_change_of_the_channel_ends_its_streams(channels: Channels, database: Database) -> None:
    hub = Hub(database, settings(poll_s=0.05))
    await channels.create(TENANT, NewChannel("other"), actor="ops")
    first, second, other = Reader(hub), Reader(hub), Reader(hub, name="other")
    await listens(hub, 3)
    await channels.edit(TENANT, NAME, {"subscribe": ["viewer"]}, actor="ops")
    await until(lambda: first.ended and second.ended)
    assert not other.ended
    await channels.delete(TENANT, "other", actor="ops")
    await until(lambda: other.ended)
    # One that was admitted by a list that does not hold any more.
    assert [told async for told in hub.watch(TENANT, NAME, after=0, revision=1)] == []
    assert [told async for told in hub.watch(TENANT, "nowhere", after=0)] == []
    await hub.stop()


async def test_two_processes_and_two_tenants(channels: Channels, hub: Hub, database: Database) -> None:
    other = Hub(database, settings(poll_s=QUIET))
    await channels.create("other", NewChannel(NAME), actor="ops")
    here, there, theirs = Reader(hub), Reader(other), Reader(other, tenant="other")
    await listens(hub)
    await listens(other, 2)
    await say(channels, 1)
    await channels.publish("other", NAME, {"secret": True}, caller=ADMIN)
    await say(channels, 2)
    assert (await here.has(2), await there.has(2)) == ([1, 2], [1, 2])
    assert await theirs.has(1) == [1]
    assert theirs.bodies == [{"secret": True}]
    assert {"secret": True} not in [*here.bodies, *there.bodies]
    assert (await channels.get(TENANT, NAME)).subscribers == 2
    await other.stop()


async def test_a_publisher_that_is_slow_to_commit_is_not_missed(
    channels: Channels, hub: Hub, database: Database
) -> None:
    reader = Reader(hub)
    await listens(hub)
    async with database.system_tx() as tx:
        await tx.execute("select dure.publish(%s, %s, '{}')", [TENANT, NAME])
        late = asyncio.create_task(say(channels, 2))
        await until(lambda: one(database, "select count(*) from pg_locks where not granted"))
        assert reader.seen == []
    await late
    assert await reader.has(2) == [1, 2]


async def test_there_is_room_for_so_many(channels: Channels, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SUBSCRIBERS_MAX", 1)
    reader = Reader(hub)
    await listens(hub)
    with pytest.raises(RateLimited):
        hub.require_room()
    await reader.leave()
    hub.require_room()


async def test_while_nothing_comes_there_is_a_sign_of_life(
    channels: Channels, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.02)
    events = hub.stream(TENANT, NAME)
    assert await anext(events) == b"retry: 2000\n\n"
    assert [await anext(events) for _ in range(3)] == [streaming.SIGN_OF_LIFE] * 3
    await say(channels, 1)
    while (event := await anext(events)) == streaming.SIGN_OF_LIFE:
        pass
    assert event.startswith(b"id: 1\nevent: message\ndata: {")
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_database_that_goes_away_and_comes_back(channels: Channels, database: Database) -> None:
    hub = Hub(database, settings(poll_s=0.05))
    reader = Reader(hub)
    await listens(hub)
    async with database.owner_tx() as tx:
        await tx.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    await say(channels, 1, 2)
    assert await reader.has(2) == [1, 2]
    await hub.stop()
