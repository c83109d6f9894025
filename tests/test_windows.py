"""Windows: they close themselves by the database's clock, and nothing writes over how they closed."""

import asyncio
from datetime import timedelta

import pytest

from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound, UnknownHandler
from dure.queue.context import Context
from dure.queue.registry import Registry, handler
from dure.queue.worker import Worker
from dure.schedule.model import Window
from dure.schedule.windows import Windows
from queueing import TENANT, Gate, ended, in_state, known, one, rows, settings, until
from scheduling import ACTOR, Plan, planned, work
from sqlside import Clock


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    return await planned(database, clock)


async def start(plan: Plan, **given: object) -> Window:
    options = {"handler": "t.work", "params": {"page": 7}, "actor": ACTOR, **given}
    return await plan.windows.start(TENANT, "inbox", **options)


async def ticks(plan: Plan) -> list[str]:
    made = await rows(plan.database, "select fire_at from dure.fire where outcome = 'made' order by fire_at")
    return [f"{at:%M:%S}" for (at,) in made]


async def test_fifteen_minutes_are_fifteen_ticks(plan: Plan) -> None:
    window = await start(plan)
    assert (window.state, window.ticks, window.ends_at - window.started_at) == ("open", 1, timedelta(minutes=15))
    for _ in range(20):
        await plan.end_jobs()
        await plan.tick(after_s=60)
    closed = await plan.windows.get(TENANT, "inbox")
    assert (closed.state, closed.closed_at, closed.closed_by, closed.ticks) == ("elapsed", window.ends_at, None, 15)
    assert (await ticks(plan))[-1] == "14:00"
    assert await one(plan.database, "select params from dure.job order by id limit 1") == {
        "page": 7, "window_id": window.id,
    }  # fmt: skip
    assert await plan.tick(after_s=86_400) == 0


async def test_a_restart_in_the_middle_changes_nothing(plan: Plan) -> None:
    window = await start(plan)
    await plan.end_jobs()
    # Nobody looks from minute 0 to minute 7: one tick stands for those that were missed, and the end stays.
    assert await plan.tick(after_s=7 * 60 + 5) == 1
    await plan.end_jobs()
    assert await plan.tick(after_s=55) == 1
    assert (await plan.windows.get(TENANT, "inbox")).ends_at == window.ends_at
    await plan.tick(after_s=3600)
    closed = await plan.windows.get(TENANT, "inbox")
    assert (closed.state, closed.closed_at) == ("elapsed", window.ends_at)
    assert await ticks(plan) == ["00:00", "07:00", "08:00"]


async def test_one_open_window_a_key_from_however_many_machines(plan: Plan, url: str) -> None:
    async with Database(url) as elsewhere:
        machines = [Windows(plan.database, settings()), Windows(elsewhere, settings())] * 4
        tries = [one.start(TENANT, "inbox", handler="t.work", actor=ACTOR) for one in machines]
        answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, Window) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 7
    assert await one(plan.database, "select count(*) from dure.job") == 1
    assert await one(plan.database, "select count(*) from dure.schedule") == 1


async def test_a_window_whose_time_is_over_is_closed_for_everybody_before_a_ticker_sees_it(plan: Plan) -> None:
    await start(plan)
    plan.clock.advance(900)
    assert (await plan.windows.get(TENANT, "inbox")).state == "elapsed"
    assert (await plan.windows.list(TENANT, open_only=True)).items == ()
    with pytest.raises(Conflict):
        await plan.windows.stop(TENANT, "inbox", actor=ACTOR)
    again = await start(plan)
    assert again.state == "open"
    assert [window.state for window in (await plan.windows.list(TENANT)).items] == ["open", "elapsed"]


async def test_stopped_and_elapsed_are_told_apart(plan: Plan) -> None:
    await start(plan)
    plan.clock.advance(60)
    stopped = await plan.windows.stop(TENANT, "inbox", actor="lee", reason="enough")
    assert (stopped.state, stopped.closed_by) == ("stopped", "lee")
    assert "enough" in stopped.text("en")
    with pytest.raises(Conflict):
        await plan.windows.stop(TENANT, "inbox", actor=ACTOR)
    with pytest.raises(NotFound):
        await plan.windows.stop(TENANT, "outbox", actor=ACTOR)
    for _ in range(20):
        await plan.tick(after_s=60)
    assert (await plan.windows.get(TENANT, "inbox")).state == "stopped"
    assert await ticks(plan) == ["00:00"]
    # The tick that had not started will not.
    assert await one(plan.database, "select state from dure.job") == "cancelled"


async def test_a_stop_during_a_tick_ends_it_and_never_flips_back(database: Database, clock: Clock) -> None:
    gate = Gate()

    @handler("t.long")
    async def long(params: dict, ctx: Context) -> None:
        await gate.pass_through()

    plan = await planned(database, clock)
    await known(database, [long])
    worker = Worker(database, Registry([long]), settings())
    await worker.start()
    try:
        window = await start(plan, handler="t.long")
        assert window.last_job_id
        await in_state(database, window.last_job_id, "processing")
        stopped = await plan.windows.stop(TENANT, "inbox", actor=ACTOR)
        assert stopped.state == "stopped"
        assert (await ended(database, window.last_job_id)).state == "cancelled"
        gate.open()
        await plan.tick(after_s=60)
        assert (await plan.windows.get(TENANT, "inbox")).state == "stopped"
    finally:
        await worker.stop(0)


@pytest.mark.parametrize(("deadline", "state"), [("end", "failed"), ("start", "completed")])
async def test_what_runs_at_the_end_is_interrupted_or_may_finish(
    database: Database, clock: Clock, deadline: str, state: str
) -> None:
    gate = Gate()

    @handler("t.long", deadline=deadline, max_retries=0)
    async def long(params: dict) -> None:
        await gate.pass_through()

    plan = await planned(database, clock)
    await known(database, [long])
    await rows(database, "update dure.clock set fake_now = null")
    worker = Worker(database, Registry([long]), settings())
    await worker.start()
    try:
        window = await start(plan, handler="t.long", for_s=1, every_s=1)
        assert window.last_job_id
        await in_state(database, window.last_job_id, "processing")

        async def is_closed() -> bool:
            return not (await plan.windows.get(TENANT, "inbox")).is_open

        await until(is_closed)
        await plan.ticker.tick()
        if deadline == "end":
            await ended(database, window.last_job_id)
        gate.open()
        assert (await ended(database, window.last_job_id)).state == state
    finally:
        await worker.stop(0)


async def test_no_tick_starts_after_the_end_however_late_a_worker_comes(database: Database, clock: Clock) -> None:
    started: list[str] = []

    @handler("t.note", deadline="start")
    async def note(params: dict) -> None:
        started.append(params["window_id"])

    plan = await planned(database, clock)
    await known(database, [note])
    window = await start(plan, handler="t.note")
    plan.clock.advance(901)
    worker = Worker(database, Registry([note]), settings())
    await worker.start()
    try:
        assert window.last_job_id
        assert (await ended(database, window.last_job_id)).state == "failed"
    finally:
        await worker.stop(0)
    assert started == []


async def test_while_a_tick_runs_the_next_is_skipped_with_its_reason(plan: Plan) -> None:
    await start(plan)
    await plan.tick(after_s=60)
    window = await plan.windows.get(TENANT, "inbox")
    page = await plan.schedules.history(TENANT, window.schedule_id)
    assert [(fire.outcome, bool(fire.text("ko"))) for fire in page.items] == [("skipped", True), ("made", False)]


async def test_a_window_that_cannot_go_on_fails(plan: Plan) -> None:
    await start(plan)
    failed = await plan.windows.fail(
        TENANT, "inbox", actor="t.work", reason={"code": "gone", "params": {"text": "the page is gone"}}
    )
    assert (failed.state, failed.text()) == ("failed", "the page is gone")


async def test_windows_are_each_tenants_own(plan: Plan) -> None:
    await start(plan)
    await plan.windows.start("other", "inbox", handler="t.work", actor=ACTOR)
    assert len((await plan.windows.list(TENANT)).items) == 1
    assert len((await plan.windows.list(None)).items) == 2
    assert (await plan.schedules.list(TENANT)).items == ()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"every_s": 0}, "every_s"),
        ({"every_s": "60"}, "every_s"),
        ({"for_s": 0}, "for_s"),
        ({"for_s": True}, "for_s"),
        ({"options": {"x": 1}}, "options.x"),
    ],
)
async def test_what_cannot_be_is_refused(plan: Plan, given: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await start(plan, **given)
    assert list(caught.value.fields) == [field]


async def test_an_unknown_handler_opens_nothing(plan: Plan) -> None:
    with pytest.raises(UnknownHandler):
        await start(plan, handler="t.none")
    assert await one(plan.database, "select count(*) from dure.window") == 0
    assert work


async def test_what_closed_long_ago_is_removed_and_nothing_else(plan: Plan) -> None:
    await start(plan)
    await plan.tick(after_s=900)
    await plan.create("kept")
    await plan.tick(after_s=60)
    await rows(plan.database, "update dure.fire set created_at = dure.now()")
    await plan.ticker.prune()
    assert (await plan.windows.get(TENANT, "inbox")).state == "elapsed"
    plan.clock.advance(89 * 86_400)
    await plan.ticker.prune()
    assert len((await plan.schedules.history(TENANT, "kept")).items) == 1
    plan.clock.advance(2 * 86_400)
    await plan.ticker.prune()
    with pytest.raises(NotFound):
        await plan.windows.get(TENANT, "inbox")
    assert await rows(plan.database, "select name from dure.schedule") == [("kept",)]
    assert (await plan.schedules.history(TENANT, "kept")).items == ()
