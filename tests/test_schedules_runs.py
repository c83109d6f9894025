"""Schedules of operations: what is planned, what waits for somebody, and what is applied."""

import pytest

import dure
from dure.db.pool import Database
from dure.runs.model import Run
from dure.schedule.model import NewSchedule
from dure.schedule.service import Schedules
from dure.schedule.ticker import Ticker
from queueing import TENANT, ended, one, rows, settings, until
from running import Batches, batches

ACTOR = "kim"


@dure.operation("t.double", guards=dure.Guards(leaving_max=1))
class Double:
    """Doubles every number, and deletes those that are too large."""

    stores = (dure.Table("public.number"),)

    async def subjects(self, params, ctx):
        async for row in ctx.rows("select id from public.number order by id"):
            yield row.id

    async def plan(self, subjects, ctx):
        numbers = ctx.store("public.number")
        for row in await numbers.get(subjects):
            if row.values["n"] > 100:
                yield numbers.delete(row)
            else:
                yield numbers.update(row, {"n": row.values["n"] * 2})


@pytest.fixture
async def made(database: Database):
    await rows(database, "create table public.number (id int primary key, n int not null)")
    await rows(database, "insert into public.number select n, n from generate_series(1, 5) n")
    async with batches(database, [Double]) as found:
        yield found


async def fire(made: Batches, mode: str, **given: object) -> tuple[str, Run | None]:
    """Make a schedule, let it fire, and answer its job's state and the run that came of it."""
    schedules = Schedules(made.database, settings())
    wanted = NewSchedule(
        name=mode, rule={"kind": "interval", "every_s": 3600}, operation="t.double", mode=mode, **given
    )
    await schedules.create(TENANT, wanted, actor=ACTOR)
    fired = await schedules.run(TENANT, mode, actor=ACTOR)
    assert fired.job_id
    job = await ended(made.database, fired.job_id, patience_s=30)
    page = await made.runs.list(TENANT)
    return job.state, page.items[0] if page.items else None


async def total(made: Batches) -> int:
    return await one(made.database, "select sum(n) from public.number")


async def test_plan_stops_at_planned(made: Batches) -> None:
    state, run = await fire(made, "plan")
    assert run is not None
    assert (state, run.state, run.author) == ("completed", "planned", "schedule:plan")
    assert await total(made) == 15


async def test_apply_is_done_when_its_job_is_done(made: Batches) -> None:
    state, run = await fire(made, "apply")
    assert run is not None
    assert (state, run.state, run.applied) == ("completed", "applied", 5)
    assert await total(made) == 30
    back = await made.undo(run)
    assert back.state == "applied"
    assert await total(made) == 15


async def test_approve_is_applied_as_soon_as_somebody_says_yes(made: Batches) -> None:
    state, run = await fire(made, "approve")
    assert run is not None
    assert (state, run.state) == ("completed", "planned")
    await made.runs.approve(TENANT, run.id, actor="lee", plan_hash=run.plan_hash)
    assert (await made.settled(run.id)).state == "applied"
    assert await total(made) == 30


async def test_a_refused_plan_is_the_job_s_failure(made: Batches) -> None:
    await rows(made.database, "update public.number set n = 200 where id < 4")
    state, run = await fire(made, "apply")
    assert run is not None
    assert (state, run.state) == ("failed", "refused")
    assert run.id in (await one(made.database, "select error from dure.job where handler = 'dure.run.begin'"))
    assert await one(made.database, "select count(*) from public.number") == 5


async def test_an_operation_that_is_gone_fails_its_job_and_no_more(made: Batches) -> None:
    schedules = Schedules(made.database, settings())
    await rows(made.database, "insert into dure.operation (operation) values ('t.gone')")
    wanted = NewSchedule(name="gone", rule={"kind": "interval", "every_s": 60}, operation="t.gone")
    await schedules.create(TENANT, wanted, actor=ACTOR)
    fired = await schedules.run(TENANT, "gone", actor=ACTOR)
    assert fired.job_id
    job = await ended(made.database, fired.job_id)
    assert job.state == "failed"
    assert "t.gone" in (job.error or "")


async def test_the_next_fire_is_skipped_while_the_run_goes_on(made: Batches) -> None:
    assert made.worker is not None
    schedules, ticker = Schedules(made.database, settings()), Ticker(made.database, settings())
    wanted = NewSchedule(name="s", rule={"kind": "interval", "every_s": 3600}, operation="t.double", mode="apply")
    await schedules.create(TENANT, wanted, actor=ACTOR)
    async with made.database.owner_tx() as holder:
        # Whoever holds the rows holds the application, and with it the job of the fire.
        await holder.execute("lock table public.number in exclusive mode")
        fired = await schedules.run(TENANT, "s", actor=ACTOR)

        async def is_applying() -> bool:
            return bool(await rows(made.database, "select from dure.run where state = 'applying'"))

        await until(is_applying)
        await rows(made.database, "update dure.schedule set next_fire_at = next_fire_at - interval '1 hour'")
        assert await ticker.tick() == 0
    assert fired.job_id
    assert (await ended(made.database, fired.job_id, patience_s=30)).state == "completed"
    page = await schedules.history(TENANT, "s")
    assert {one.outcome for one in page.items} == {"made", "skipped"}
