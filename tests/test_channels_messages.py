"""Messages of a channel: who may publish and read, numbers that a cursor cannot miss, and how they go with age."""

import asyncio

import psycopg
import pytest

from dure.agents.channels import MESSAGE_BYTES_MAX, Caller, Channels, NewChannel, NewMessage, tend
from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound, Refused
from queueing import TENANT, one, rows, until
from sqlside import Clock

NAME = "builds.done"
PARTS = "select distinct relname::text from dure.message m join pg_class c on c.oid = m.tableoid order by 1"
ADMIN = Caller("ops", "admin")
AGENT = Caller("key:a", "agent", agent_id="worker-7", class_="executor")


@pytest.fixture
async def channels(database: Database) -> Channels:
    made = Channels(database)
    await made.create(TENANT, NewChannel(NAME, publish=("class:executor",), subscribe=("viewer",)), actor="ops")
    return made


async def numbers(channels: Channels, after: int = 0, limit: int = 100, name: str = NAME) -> list[int]:
    return [message.no for message in await channels.read(TENANT, name, caller=ADMIN, after=after, limit=limit)]


async def test_what_is_published_is_read_again(channels: Channels) -> None:
    body = {"state": "끝남", "n": 1.5, "deep": {"list": [None, True]}}
    assert await channels.publish(TENANT, NAME, body, caller=AGENT, kind="result", to="planner") == 1
    assert list(await channels.publish_many(TENANT, NAME, [NewMessage({"n": n}) for n in range(3)], caller=AGENT)) == [
        2,
        3,
        4,
    ]
    first, *others = await channels.read(TENANT, NAME, caller=ADMIN)
    assert (first.no, first.from_agent, first.to_agent, first.kind, first.body) == (
        1,
        "worker-7",
        "planner",
        "result",
        body,
    )
    assert [(message.no, message.body["n"]) for message in others] == [(2, 0), (3, 1), (4, 2)]
    assert [message.at for message in others] == sorted(message.at for message in others)
    known = await channels.get(TENANT, NAME)
    assert (known.messages, known.last_message_at) == (4, others[-1].at)
    assert known.bytes == first.size_bytes + sum(message.size_bytes for message in others)
    assert await numbers(channels, after=2, limit=1) == [3]


@pytest.mark.parametrize(
    ("caller", "may_publish", "may_read"),
    [
        (AGENT, True, False),
        (Caller("key:b", "agent", agent_id="worker-8", class_="research"), False, False),
        (Caller("key:c", "agent"), False, False),
        (Caller("nobody"), False, False),
        (Caller("key:v", "viewer"), False, True),
        (Caller("key:o", "operator"), False, True),
        (ADMIN, True, True),
        # Somebody's class is not somebody's name, nor a scope.
        (Caller("key:d", "agent", agent_id="executor", class_="viewer"), False, False),
    ],
)
async def test_access_is_refused_both_ways(
    channels: Channels, caller: Caller, may_publish: bool, may_read: bool
) -> None:
    for may, act, code in (
        (may_publish, lambda: channels.publish(TENANT, NAME, {}, caller=caller), "channel_publish"),
        (may_read, lambda: channels.read(TENANT, NAME, caller=caller), "channel_subscribe"),
    ):
        if may:
            await act()
        else:
            with pytest.raises(Refused) as refused:
                await act()
            assert refused.value.reason == code
    assert (await channels.get(TENANT, NAME)).messages == int(may_publish)


async def test_a_new_channel_is_for_nobody_until_somebody_is_named(channels: Channels) -> None:
    await channels.create(TENANT, NewChannel("quiet"), actor="ops")
    with pytest.raises(Refused):
        await channels.publish(TENANT, "quiet", {}, caller=Caller("key:o", "operator"))
    for access in ("*", "agent:worker-7", "class:executor", "agent"):
        await channels.edit(TENANT, "quiet", {"publish": [access], "subscribe": [access]}, actor="ops")
        await channels.publish(TENANT, "quiet", {}, caller=AGENT)
        assert await channels.read(TENANT, "quiet", caller=AGENT)


async def test_two_publishers_whose_transactions_overlap(channels: Channels, url: str) -> None:
    """The one that began first commits last: no reader ever sees a number above one that is still to come."""
    say = "select dure.publish(%s, %s, '{\"n\": 1}')"
    with psycopg.connect(url, options="-c role=dure_system") as slow:
        slow.execute(say, [TENANT, NAME])
        quick = asyncio.create_task(channels.publish(TENANT, NAME, {"n": 2}, caller=AGENT))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        await until(lambda: one(channels._database, waits))
        seen = await numbers(channels)
        assert seen == []
        slow.commit()
    assert await quick == 2
    assert await numbers(channels, after=0) == [1, 2]


async def test_a_number_that_was_not_committed_is_given_again(channels: Channels, url: str) -> None:
    with psycopg.connect(url, options="-c role=dure_system") as lost:
        lost.execute("select dure.publish(%s, %s, '{}')", [TENANT, NAME])
        lost.rollback()
    assert await channels.publish(TENANT, NAME, {}, caller=AGENT) == 1


async def test_what_is_wrong_names_its_field(channels: Channels) -> None:
    async def fails(field: str, body: object = None, **given: str) -> None:
        with pytest.raises(Invalid) as invalid:
            await channels.publish(TENANT, NAME, body or {}, caller=AGENT, **given)  # type: ignore[arg-type]
        assert invalid.value.field == field

    await fails("body", {"text": "x" * MESSAGE_BYTES_MAX})
    await fails("body", {"text": "a\x00b"})
    await fails("body", {"n": float("nan")})
    await fails("kind", kind="Not A Kind")
    await fails("to", to="no spaces")
    await fails("task_id", task_id="7")
    with pytest.raises(NotFound):
        await channels.publish(TENANT, "nowhere", {}, caller=ADMIN)
    with pytest.raises(NotFound):
        await channels.publish("other", NAME, {}, caller=ADMIN)
    with pytest.raises(Invalid):
        await channels.read(TENANT, NAME, caller=ADMIN, after=1)
    for wanted in (
        NewChannel("Big"), NewChannel("a" * 101), NewChannel("b", type="no type"), NewChannel("b", keep_days=0),
        NewChannel("b", keep_days=91), NewChannel("b", publish=("everyone",)), NewChannel("b", subscribe=("class:",)),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await channels.create(TENANT, wanted, actor="ops")
    assert [item.name for item in (await channels.list(TENANT)).items] == [NAME]


async def test_the_database_refuses_a_large_message_too(channels: Channels) -> None:
    large = "select dure.publish(%s, %s, jsonb_build_object('t', repeat('x', 65536)))"
    with pytest.raises(Invalid) as refused:
        async with channels._database.system_tx() as tx:
            await tx.execute(large.encode(), [TENANT, NAME])
    assert (refused.value.field, refused.value.reason) == ("body", "too_large")


async def test_one_tenants_messages_are_not_anothers(channels: Channels) -> None:
    await channels.create("other", NewChannel(NAME), actor="ops")
    await channels.publish(TENANT, NAME, {"secret": 1}, caller=AGENT)
    assert await channels.read("other", NAME, caller=ADMIN) == ()
    assert (await channels.get("other", NAME)).messages == 0
    async with channels._database.tenant_tx("other") as tx:
        assert await (await tx.execute("select * from dure.message")).fetchall() == []
        assert await (await tx.execute("select name, messages from dure.channels")).fetchall() == [(NAME, 0)]


async def test_a_deleted_channel_goes_on_counting_when_it_comes_back(channels: Channels) -> None:
    await channels.publish_many(TENANT, NAME, [NewMessage({})] * 3, caller=AGENT)
    with pytest.raises(Conflict):
        await channels.create(TENANT, NewChannel(NAME), actor="ops")
    with pytest.raises(Conflict):
        await channels.delete(TENANT, NAME, actor="ops", revision=7)
    await channels.delete(TENANT, NAME, actor="ops", revision=1)
    for act in (channels.get(TENANT, NAME), channels.delete(TENANT, NAME, actor="ops")):
        with pytest.raises(NotFound):
            await act
    await channels.create(TENANT, NewChannel(NAME), actor="ops")
    assert await numbers(channels) == []
    assert await channels.publish(TENANT, NAME, {}, caller=ADMIN) == 4
    assert await numbers(channels, after=3) == [4]


async def test_a_built_in_channel_stays(channels: Channels) -> None:
    database = channels._database
    made = "select dure.make_channel(%s, 'team.news', 'broadcast', 'd', '{operator}', '{*}')"
    assert await one(database, made, [TENANT])
    assert not await one(database, made, [TENANT])
    with pytest.raises(Refused):
        await channels.delete(TENANT, "team.news", actor="ops")
    edited = await channels.edit(TENANT, "team.news", {"keep_days": 3}, actor="ops", revision=1)
    assert (edited.built_in, edited.keep_days, edited.publish, edited.revision) == (True, 3, ("operator",), 2)
    with pytest.raises(Conflict):
        await channels.edit(TENANT, "team.news", {"keep_days": 4}, actor="ops", revision=1)
    with pytest.raises(Invalid):
        await channels.edit(TENANT, "team.news", {"name": "x"}, actor="ops")


async def test_a_channel_that_nobody_reads_is_kept_by_age_and_goes_by_partition(
    channels: Channels, clock: Clock
) -> None:
    database = channels._database
    clock.to("2030-05-01 12:00:00+00")
    for name, days in (("short", 1), ("long", 30)):
        await channels.create(TENANT, NewChannel(name, keep_days=days), actor="ops")
    await tend(database)
    for name in ("short", "long"):
        await channels.publish_many(TENANT, name, [NewMessage({"day": 1})] * 5, caller=ADMIN)
    assert await rows(database, PARTS) == [("message_20300503",), ("message_20300601",)]
    clock.to("2030-05-02 23:00:00+00")
    await tend(database)
    assert await numbers(channels, name="short") == [1, 2, 3, 4, 5]
    clock.to("2030-05-03 00:00:01+00")
    # Nobody sees what is past its age, even before its partition goes.
    assert await numbers(channels, name="short") == []
    await tend(database)
    assert await one(database, "select to_regclass('dure.message_20300503')") is None
    assert await numbers(channels, name="long") == [1, 2, 3, 4, 5]
    # The numbers go on, and a cursor from before is still good.
    assert await channels.publish(TENANT, "short", {}, caller=ADMIN) == 6
    assert await numbers(channels, after=2, name="short") == [6]
    clock.to("2030-06-02 00:00:00+00")
    await tend(database)
    assert await rows(database, PARTS) == []


async def test_an_insert_never_fails_for_want_of_a_partition(channels: Channels, clock: Clock) -> None:
    database = channels._database
    clock.to("2030-05-01 12:00:00+00")
    await channels.publish_many(TENANT, NAME, [NewMessage({"n": n}) for n in range(3)], caller=AGENT)
    assert await rows(database, PARTS) == [("message_other",)]
    await tend(database)
    assert await rows(database, PARTS) == [("message_20300509",)]
    assert await numbers(channels) == [1, 2, 3]


async def test_upkeep_gives_way_to_who_holds_a_table(channels: Channels, clock: Clock, url: str) -> None:
    database = channels._database
    clock.to("2030-05-01 12:00:00+00")
    with psycopg.connect(url) as report:
        report.execute("select count(*) from dure.message")
        await tend(database)
        assert await one(database, "select next_at > dure.now() from dure.channel_upkeep")
        assert await channels.publish(TENANT, NAME, {}, caller=AGENT) == 1
    clock.to("2030-05-01 12:01:01+00")
    await tend(database)
    assert await one(database, "select to_regclass('dure.message_20300509') is not null")


REALTIME = """
    create schema realtime;
    create table realtime.sent (payload jsonb, event text, topic text, private boolean);
    create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
    language plpgsql as $$ begin
        if payload -> 'body' ? 'bad' then raise exception 'Realtime is away'; end if;
        insert into realtime.sent values (payload, event, topic, private);
    end $$;
"""


async def test_messages_are_mirrored_to_realtime_where_it_is(channels: Channels) -> None:
    database = channels._database
    await channels.publish(TENANT, NAME, {"n": 0}, caller=AGENT)
    async with database.owner_tx() as tx:
        await tx.execute(REALTIME.encode(), prepare=False)
    await channels.publish_many(
        TENANT, NAME, [NewMessage({"n": 1}, "result"), NewMessage({"bad": 1}), NewMessage({"n": 2})], caller=AGENT
    )
    await channels.create("default", NewChannel(NAME), actor="ops")
    await channels.publish("default", NAME, {"n": 3}, caller=ADMIN)
    sent = await rows(database, "select payload, event, topic, private from realtime.sent order by payload -> 'body'")
    assert [(item[0]["no"], item[0]["body"], *item[1:]) for item in sent] == [
        (2, {"n": 1}, "result", f"{TENANT}:{NAME}", True),
        (4, {"n": 2}, "message", f"{TENANT}:{NAME}", True),
        (1, {"n": 3}, "message", NAME, True),
    ]
    assert sent[0][0]["from"] == "worker-7"
    # What Realtime did not take is a message all the same.
    assert await numbers(channels) == [1, 2, 3, 4]


async def test_somebody_elses_function_of_that_name_is_not_called(
    channels: Channels, admin: psycopg.Connection
) -> None:
    admin.execute("drop role if exists channel_stranger")
    admin.execute("create role channel_stranger")
    try:
        async with channels._database.owner_tx() as tx:
            await tx.execute(REALTIME.encode(), prepare=False)
            await tx.execute("alter function realtime.send owner to channel_stranger")
        await channels.publish(TENANT, NAME, {}, caller=AGENT)
        assert await rows(channels._database, "select * from realtime.sent") == []
        await rows(channels._database, "drop schema realtime cascade")
    finally:
        admin.execute("drop role channel_stranger")


async def test_a_tenants_own_channels_are_there_when_somebody_publishes(channels: Channels) -> None:
    with pytest.raises(Refused):
        await channels.publish("fresh", "agents.discovery", {}, caller=Caller("nobody"))
    assert (await channels.list("fresh")).items == ()
    assert await channels.publish("fresh", "agents.discovery", {"agent": "a"}, caller=AGENT) == 1
    assert len((await channels.list("fresh")).items) == 8
    with pytest.raises(NotFound):
        await channels.publish("fresh", "agents.nowhere", {}, caller=ADMIN)


async def test_a_page_has_an_end_in_bytes_too(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    await channels.publish_many(TENANT, NAME, [NewMessage({"text": "x" * 60_000})] * 30, caller=AGENT)
    first = await numbers(channels)
    assert 10 < len(first) < 20
    assert [*first, *await numbers(channels, after=first[-1])] == list(range(1, 31))
