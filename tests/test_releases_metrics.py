"""What agents did: rolled up by the minute, once, by however many; late ones too; read as counts and quantiles."""

import asyncio
from datetime import timedelta

import pytest

from dure.agents.metrics import KEEP_DAYS, roll_up
from dure.db.pool import Database
from dure.errors import Invalid
from queueing import TENANT, one, rows
from rolling import CLASS, Plan, planned
from sqlside import Clock


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    return await planned(database, clock)


async def minutes(plan: Plan) -> list[tuple]:
    statement = """
        select agent_id, version, to_char(minute, 'HH24:MI'), tasks_ok, tasks_failed, errors, leases_lost,
               (select sum(n) from unnest(latency) n)
        from dure.agent_minute order by 1, 2, 3"""
    return await rows(plan.database, statement)


async def test_samples_become_minutes_and_are_gone(plan: Plan) -> None:
    await plan.work("a", "1.0.0", ok=3, failed=1)
    await plan.work("b", "1.1.0", ok=2, latency_ms=5)
    await plan.sample("b", "1.1.0", "error")
    await plan.sample("b", "1.1.0", "lease_lost")
    plan.clock.advance(60)
    await plan.work("a", "1.0.0", ok=1)
    assert await roll_up(plan.database) == 9
    assert await minutes(plan) == [
        ("a", "1.0.0", "12:00", 3, 1, 0, 0, 4),
        ("a", "1.0.0", "12:01", 1, 0, 0, 0, 1),
        ("b", "1.1.0", "12:00", 2, 0, 1, 1, 2),
    ]
    assert await one(plan.database, "select count(*) from dure.agent_sample") == 0
    before = await minutes(plan)
    assert await roll_up(plan.database) == 0
    assert await minutes(plan) == before


async def test_a_late_sample_is_added_to_its_minute(plan: Plan) -> None:
    await plan.work("a", "1.0.0", ok=1, latency_ms=10)
    await roll_up(plan.database)
    plan.clock.advance(300)
    await plan.work("a", "1.0.0", ok=1, latency_ms=1000)
    await rows(plan.database, "update dure.agent_sample set at = at - interval '5 min'")
    await roll_up(plan.database)
    assert await minutes(plan) == [("a", "1.0.0", "12:00", 2, 0, 0, 0, 2)]


async def test_two_at_once_count_everything_once(plan: Plan, url: str) -> None:
    for n in range(4):
        await plan.work(f"a{n}", "1.0.0", ok=3000)
    async with Database(url) as other:
        found = await asyncio.gather(*(roll_up(one_of) for one_of in (plan.database, other, plan.database, other)))
    assert sum(found) == 12_000
    assert [(row[3], row[7]) for row in await minutes(plan)] == [(3000, 3000)] * 4


async def test_a_roll_up_that_dies_has_done_nothing(plan: Plan) -> None:
    await plan.work("a", "1.0.0", ok=5)
    await rows(plan.database, "alter table dure.agent_minute add constraint none check (tasks_ok < 0)")
    with pytest.raises(Exception, match="none"):
        await roll_up(plan.database)
    await rows(plan.database, "alter table dure.agent_minute drop constraint none")
    assert await one(plan.database, "select count(*) from dure.agent_sample") == 5
    assert await roll_up(plan.database) == 5


async def test_old_minutes_go(plan: Plan) -> None:
    await plan.work("a", "1.0.0", ok=1)
    await roll_up(plan.database)
    plan.clock.advance(KEEP_DAYS * 86_400)
    await roll_up(plan.database)
    assert len(await minutes(plan)) == 1
    plan.clock.advance(60)
    await roll_up(plan.database)
    assert await minutes(plan) == []


async def test_performance_by_version_agent_and_minute(plan: Plan) -> None:
    for n in range(1, 101):
        await plan.work("a", "1.0.0", ok=1, latency_ms=n * 10)
    await plan.work("b", "1.1.0", ok=1, failed=3, latency_ms=50)
    plan.clock.advance(60)
    await plan.work("b", "1.1.0", ok=4, latency_ms=50)
    await roll_up(plan.database)
    plan.clock.advance(1)
    old, new = await plan.metrics.of(TENANT, class_=CLASS)
    assert (old.version, old.agents, old.tasks_ok, old.success_rate, old.agent_id, old.minute) == (
        "1.0.0",
        1,
        100,
        1,
        None,
        None,
    )
    assert old.latency_p50_ms == pytest.approx(500, rel=0.05)
    assert old.latency_p95_ms == pytest.approx(950, rel=0.05)
    assert old.latency_p99_ms == pytest.approx(990, rel=0.05)
    assert (new.tasks_ok, new.tasks_failed, new.success_rate) == (5, 3, 0.625)
    by_minute = await plan.metrics.of(TENANT, agent_id="b", by="minute")
    assert [(one_of.tasks_ok, one_of.tasks_failed) for one_of in by_minute] == [(1, 3), (4, 0)]
    assert by_minute[1].minute - by_minute[0].minute == timedelta(minutes=1)
    assert [one_of.agent_id for one_of in await plan.metrics.of(TENANT, class_=CLASS, by="agent")] == ["a", "b"]
    assert [one_of.version for one_of in await plan.metrics.of(TENANT, class_=CLASS, version="1.1.0")] == ["1.1.0"]
    until = by_minute[1].minute
    (early,) = await plan.metrics.of(TENANT, class_=CLASS, version="1.1.0", until_at=until)
    assert early.tasks_ok == 1
    (late,) = await plan.metrics.of(TENANT, class_=CLASS, from_at=until)
    assert late.tasks_ok == 4
    assert await plan.metrics.of("other", class_=CLASS) == ()
    assert len(await plan.metrics.of(TENANT)) == 2
    with pytest.raises(Invalid) as caught:
        await plan.metrics.of(TENANT, class_=CLASS, by="hour")
    assert caught.value.field == "by"
