"""Backfills: what a range of the past lacks is done, a few at a time, and only what failed is done again."""

import pytest

from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound
from queueing import TENANT, one, rows
from scheduling import ACTOR, Plan, planned
from sqlside import Clock

RANGE = {"from_at": "2026-02-20T00:00:00+00:00", "until_at": "2026-03-02T00:00:00+00:00"}


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    plan = await planned(database, clock)
    await plan.create("nightly", rule={"kind": "daily", "at": ["02:00"]}, params={"date": "{fire.date-1}"})
    return plan


def within(**given: str) -> dict:
    from datetime import datetime

    return {name: datetime.fromisoformat(value) for name, value in {**RANGE, **given}.items()}


async def states(plan: Plan, backfill_id: str) -> dict[str, int]:
    return dict((await plan.backfills.get(TENANT, backfill_id)).counts)


async def test_what_was_previewed_is_what_is_done(plan: Plan) -> None:
    preview = await plan.backfills.preview(TENANT, "nightly", **within())
    assert [f"{at:%m-%d %H}" for at in preview] == [f"02-{day} 02" for day in range(20, 29)] + ["03-01 02"]
    assert await one(plan.database, "select count(*) from dure.backfill") == 0
    made = await plan.backfills.start(TENANT, "nightly", **within(), at_once=3, actor=ACTOR)
    assert made.counts == {"pending": 10}
    assert await plan.tick() == 3
    assert await plan.tick() == 0
    assert await plan.params() == [{"date": f"2026-02-{day}"} for day in (19, 20, 21)]
    for _ in range(3):
        await plan.end_jobs()
        await plan.tick()
    await plan.end_jobs()
    await plan.tick()
    done = await plan.backfills.get(TENANT, made.id)
    assert (done.state, done.counts) == ("done", {"completed": 10})
    assert [fire.fire_at for fire in (await plan.backfills.fires(TENANT, made.id)).items] == preview
    # A backfill changes nothing about the schedule's own fires.
    assert (await plan.schedules.history(TENANT, "nightly")).items == ()


async def test_missing_failed_and_all(plan: Plan) -> None:
    for _ in range(3):
        await plan.tick(after_s=86_400)
        await plan.end_jobs("failed" if _ == 1 else "completed")
    times = within(from_at="2026-03-02T00:00:00+00:00", until_at="2026-03-10T00:00:00+00:00")

    async def days(which: str) -> list[str]:
        return [f"{at:%d}" for at in await plan.backfills.preview(TENANT, "nightly", **times, which=which)]

    assert await days("all") == ["02", "03", "04", "05"]
    assert await days("missing") == ["02"]
    assert await days("failed") == ["04"]


async def test_only_what_failed_is_tried_again(plan: Plan) -> None:
    made = await plan.backfills.start(TENANT, "nightly", **within(), at_once=10, actor=ACTOR)
    await plan.tick()
    await rows(
        plan.database, "select dure.end_jobs(array(select id from dure.job order by id limit 3), 'failed', 'X', 'x')"
    )
    await plan.end_jobs()
    await plan.tick()
    assert await states(plan, made.id) == {"completed": 7, "failed": 3}
    assert (await plan.backfills.get(TENANT, made.id)).state == "done"
    again = await plan.backfills.retry(TENANT, made.id, actor=ACTOR)
    assert (again.state, again.counts) == ("running", {"completed": 7, "pending": 3})
    assert await plan.tick() == 3
    await plan.end_jobs()
    await plan.tick()
    assert await states(plan, made.id) == {"completed": 10}
    with pytest.raises(Conflict):
        await plan.backfills.retry(TENANT, made.id, actor=ACTOR)
    tries = {fire.tries for fire in (await plan.backfills.fires(TENANT, made.id)).items}
    assert tries == {1, 2}


async def test_pause_resume_cancel(plan: Plan) -> None:
    made = await plan.backfills.start(TENANT, "nightly", **within(), actor=ACTOR)
    await plan.tick()
    await plan.backfills.pause(TENANT, made.id, actor=ACTOR)
    await plan.end_jobs()
    assert await plan.tick() == 0
    await plan.backfills.resume(TENANT, made.id, actor=ACTOR)
    assert await plan.tick() == 1
    cancelled = await plan.backfills.cancel(TENANT, made.id, actor=ACTOR)
    assert (cancelled.state, cancelled.counts["cancelled"]) == ("cancelled", 8)
    await plan.end_jobs()
    assert await plan.tick() == 0
    with pytest.raises(Conflict):
        await plan.backfills.pause(TENANT, made.id, actor=ACTOR)


async def test_a_calendar_s_days_are_not_missing(plan: Plan) -> None:
    await plan.calendars.put(TENANT, "off", {"weekdays": ["sat", "sun"]}, actor=ACTOR)
    await plan.schedules.edit(TENANT, "nightly", {"calendar": "off"}, actor=ACTOR)
    assert len(await plan.backfills.preview(TENANT, "nightly", **within())) == 6
    assert len(await plan.backfills.preview(TENANT, "nightly", **within(), which="all")) == 10


async def test_what_cannot_be_is_refused(plan: Plan) -> None:
    with pytest.raises(Invalid):
        await plan.backfills.preview(TENANT, "nightly", **within(until_at="2026-02-01T00:00:00+00:00"))
    with pytest.raises(Conflict):
        await plan.backfills.start(TENANT, "nightly", **within(), which="failed", actor=ACTOR)
    with pytest.raises(Invalid):
        await plan.backfills.start(TENANT, "nightly", **within(), at_once=0, actor=ACTOR)
    with pytest.raises(NotFound):
        await plan.backfills.get(TENANT, "none")
    await plan.create("minutely")
    with pytest.raises(Invalid):
        await plan.backfills.preview(TENANT, "minutely", **within(from_at="2020-01-01T00:00:00+00:00"))


async def test_a_schedule_that_is_broken_stops_no_other_backfill(plan: Plan) -> None:
    broken = await plan.backfills.start(TENANT, "nightly", **within(), actor=ACTOR)
    await plan.create("other", rule={"kind": "daily", "at": ["03:00"]})
    await plan.backfills.start(TENANT, "other", **within(), actor=ACTOR)
    await rows(plan.database, "update dure.schedule set handler = 't.gone' where name = 'nightly'")
    assert await plan.tick() == 1
    assert (await plan.backfills.get(TENANT, broken.id)).state == "paused"
