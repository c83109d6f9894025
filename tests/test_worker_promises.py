"""What a worker promises of leases, transactions, reports and children, with races held open."""

import asyncio
from contextlib import suppress
from typing import Any

import psycopg
import pytest

import handlers
from dure.db.pool import Database
from dure.queue.context import Context
from dure.queue.hotline import Hotline
from dure.queue.registry import handler
from dure.queue.results import Done, WaitForChildren
from dure.queue.retry import Final
from queueing import (
    Gate,
    all_ended,
    ask,
    ask_many,
    bury,
    effects_table,
    ended,
    expire,
    in_state,
    job,
    known,
    one,
    rows,
    running,
    story,
    until,
)

EFFECT = "insert into effect (job_id, attempt) values (%s, %s)"
ALL = [found for found in vars(handlers).values() if hasattr(found, "__dure_handler__")]
WORK = """
import asyncio, json, sys
from dure import logs
from dure.db.pool import Database
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.settings import Settings

logs.configure()

async def main():
    given = json.loads(sys.argv[1])
    async with Database(given["database_url"]) as database:
        worker = Worker(database, Registry.build(["handlers"]), Settings(**given))
        await worker.start()
        print(worker.worker_id, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_lease_is_renewed_by_one_small_write_however_much_is_held(database: Database):
    gate = Gate()

    @handler("t.gate")
    async def through() -> None:
        await gate.pass_through()

    async with running(database, [through], lease_s=0.3):
        ids = await ask_many(database, "t.gate", 50)
        await until(lambda: gate.came == 50)
        before = await rows(database, "select xmin::text from dure.job order by id")
        for _ in range(3):
            lease = await one(database, "select lease_until from dure.worker")
            await until(lambda lease=lease: _lease_moved(database, lease))
        assert await rows(database, "select xmin::text from dure.job order by id") == before
        gate.open()
        assert await all_ended(database) == {"completed": len(ids)}
        assert await rows(database, "select from dure.attempt") == []


async def test_a_lease_is_renewed_while_handlers_have_borrowed_every_connection(url: str):
    gate = Gate()

    @handler("t.tx")
    async def borrows(params: dict[str, Any], ctx: Context) -> None:
        await ctx.tx()
        await gate.pass_through()

    async with (
        Database(url) as watcher,
        Database(url, max_size=2) as database,
        running(database, [borrows], lease_s=0.5) as worker,
    ):
        await ask_many(database, "t.tx", 2)
        await until(lambda: gate.came == 2)
        for _ in range(2):
            lease = await one(watcher, "select lease_until from dure.worker")
            await until(lambda lease=lease: _lease_moved(watcher, lease))
        assert worker.health()["ok"]
        gate.open()
        assert await all_ended(watcher) == {"completed": 2}


async def test_what_a_worker_finishes_after_its_lease_was_lost_is_refused(database: Database):
    gates = {1: Gate(), 2: Gate()}

    @handler("t.gate")
    async def through(params: dict[str, Any], ctx: Context) -> dict[str, int]:
        with suppress(asyncio.CancelledError):
            await gates[ctx.attempt].pass_through()
        return {"attempt": ctx.attempt}

    async with running(database, [through], lease_s=60) as zombie:
        job_id = await ask(database, "t.gate")
        await until(lambda: gates[1].came)
        await expire(database, zombie.worker_id)
        await rows(database, "select dure.sweep()")
        found = await job(database, job_id)
        if not await rows(database, "select from dure.worker where end_reason = 'lease_lost'"):
            # For one lease time after the start of a server nobody is taken for dead.
            await bury(database, zombie.worker_id)
        found = await job(database, job_id)
        assert (found.state, found.crash_count, found.retry_count) == ("pending", 1, 0)
        gates[1].open()
        await until(lambda: zombie.health()["refused"] == 1)
        async with running(database, [through]):
            await until(lambda: gates[2].came)
            gates[2].open()
            found = await ended(database, job_id)
    assert (found.state, found.result, found.attempt) == ("completed", {"attempt": 2}, 2)
    assert await story(database, job_id) == [(1, "crashed", "WorkerDied")]


async def test_a_worker_that_lost_its_lease_goes_on_under_a_new_number(database: Database):
    await effects_table(database)
    gate = Gate()

    @handler("t.write")
    async def write(params: dict[str, Any], ctx: Context) -> None:
        await (await ctx.tx()).execute(EFFECT, [ctx.job.id, ctx.attempt])
        if ctx.attempt == 1:
            await gate.pass_through()

    async with running(database, [write], lease_s=0.6) as worker:
        job_id = await ask(database, "t.write")
        await until(lambda: gate.came)
        before = worker.worker_id
        await bury(database, before)
        found = await ended(database, job_id)
        assert worker.worker_id != before
        await until(lambda: worker.health()["ok"])
    assert (found.state, found.attempt) == ("completed", 2)
    assert await rows(database, "select attempt from effect") == [(2,)]


async def test_a_transaction_whose_lease_is_lost_leaves_nothing(database: Database):
    """Neither effects nor children, whether the handler completes or waits for those children."""
    await effects_table(database)
    gate = Gate()

    @handler("t.write")
    async def write(params: dict[str, Any], ctx: Context) -> WaitForChildren | None:
        await (await ctx.tx()).execute(EFFECT, [ctx.job.id, ctx.attempt])
        await ctx.enqueue("t.write", {"child": True}, parent_id=ctx.job.id, delay_s=3600)
        await gate.pass_through()
        return WaitForChildren() if params.get("waits") else None

    async with running(database, [write], lease_s=60) as worker:
        await ask(database, "t.write")
        await ask(database, "t.write", {"waits": True})
        await until(lambda: gate.came == 2)
        await rows(database, "update dure.queue set paused_at = dure.now()")
        await rows(database, "update dure.handler set paused_at = dure.now()")
        await bury(database, worker.worker_id)
        gate.open()
        await until(lambda: worker.health()["refused"] == 2)
        assert await rows(database, "select from effect") == []
        assert await one(database, "select count(*) from dure.job") == 2


async def test_effects_and_children_go_with_an_error(database: Database):
    await effects_table(database)

    @handler("t.write")
    async def write(params: dict[str, Any], ctx: Context) -> None:
        await (await ctx.tx()).execute(EFFECT, [ctx.job.id, ctx.attempt])
        await ctx.enqueue("t.write", delay_s=3600)
        if params.get("fail"):
            raise Final("no")

    async with running(database, [write]):
        await ended(database, await ask(database, "t.write", {"fail": True}))
        assert await one(database, "select count(*) from dure.job") == 1
        await ended(database, await ask(database, "t.write"))
    assert await one(database, "select count(*) from dure.job") == 3
    assert await one(database, "select count(*) from effect") == 1


async def test_what_a_handler_said_is_there_when_its_job_is_seen_completed(database: Database):
    @handler("t.says")
    async def says(params: dict[str, Any], ctx: Context) -> None:
        ctx.log("done with it", "warning")
        ctx.progress(3, 3)

    async with running(database, [says]):
        async with await psycopg.AsyncConnection.connect(database.url) as other:
            await other.execute("lock table dure.job_log in share mode")
            job_id = await ask(database, "t.says")
            await until(lambda: _waits_for_lock(database))
            assert (await job(database, job_id)).state == "processing"
        assert (await ended(database, job_id)).state == "completed"
        assert await rows(database, "select level, message from dure.job_log") == [("warning", "done with it")]


async def test_reports_touch_no_job_and_bad_ones_hurt_nobody_else(database: Database):
    gate = Gate()

    @handler("t.says")
    async def says(params: dict[str, Any], ctx: Context) -> None:
        for n in range(20):
            ctx.progress(n, 20)
            ctx.log(f"line {n}")
        await gate.pass_through()

    @handler("t.wrong")
    async def wrong(params: dict[str, Any], ctx: Context) -> None:
        if params["n"] == 0:
            ctx.progress(2**70)
        elif params["n"] == 1:
            ctx.log("x", "loud")  # type: ignore[arg-type]
        else:
            # Past the checks, straight to the scribe: as a field of the table that gets stricter one day.
            ctx._scribe.progress(ctx.job, -1, None, "")

    async with running(database, [says, wrong]) as worker:
        job_id = await ask(database, "t.says")
        await until(lambda: gate.came)
        before = await one(database, "select xmin::text from dure.job")
        await until(lambda: rows(database, "select from dure.progress where done = 19"))
        assert await one(database, "select count(*) from dure.job_log") == 20
        assert await one(database, "select xmin::text from dure.job") == before
        states = [(await ended(database, one)).state for one in await ask_many(database, "t.wrong", 3)]
        assert states == ["failed", "failed", "completed"]
        gate.open()
        assert (await ended(database, job_id)).state == "completed"
        assert worker.health()["ok"]


async def test_a_result_that_the_database_refuses_fails_its_job_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    @handler("t.one")
    async def result(params: dict[str, Any]) -> Done:
        return Done(params["n"])

    monkeypatch.setattr("dure.queue.hands.to_json", lambda value: "{" if value.result == 3 else str(value.result))
    async with running(database, [result]) as worker:
        await known(database, [result])
        ids = await ask_many(database, "t.one", 8)
        assert await all_ended(database) == {"completed": 7, "failed": 1}
        assert (await job(database, ids[3])).error_class == "ResultRefused"
        assert worker.health()["ok"]


async def test_a_parent_of_a_thousand_children_resumes_once(database: Database, monkeypatch: pytest.MonkeyPatch):
    runs, sent = [], []
    run = Hotline.run

    async def counted(self: Hotline, statement: Any, values: dict[str, Any]) -> Any:
        sent.append(statement)
        return await run(self, statement, values)

    monkeypatch.setattr(Hotline, "run", counted)

    @handler("t.parent")
    async def parent(params: dict[str, Any], ctx: Context) -> WaitForChildren | dict[str, int]:
        runs.append(ctx.attempt)
        if counts := await ctx.children():
            return {str(state): count for state, count in counts.items()}
        from dure.queue.model import NewJob

        await ctx.enqueue_many([NewJob(handler="t.leaf", parent_id=ctx.job.id, params={"n": n}) for n in range(1_000)])
        return WaitForChildren()

    @handler("t.leaf", max_retries=0)
    async def leaf(params: dict[str, Any]) -> None:
        if params["n"] % 100 == 0:
            raise Final("one of ten")

    async with running(database, [parent, leaf], poll_s=1.0):
        found = await ended(database, await ask(database, "t.parent"))
    assert runs == [1, 2]
    assert found.result == {"completed": 990, "failed": 10}
    assert len(sent) < 100


async def test_cancellations_that_came_too_late_do_not_pile_up(database: Database):
    gate = Gate()

    @handler("t.gate")
    async def through() -> None:
        await gate.pass_through()

    async with running(database, [through]) as worker:
        done = await ask(database, "t.gate")
        await until(lambda: gate.came == 1)
        values = [done, worker.worker_id]
        gate.open()
        await in_state(database, done, "completed")
        # As when the request was seen by the database just before the completion, and by the worker just after.
        await rows(
            database, "insert into dure.cancellation (job_id, worker_id, reason) values (%s, %s, 'late')", values
        )
        gate._open.clear()
        await ask(database, "t.gate")
        await until(lambda: gate.came == 2)
        await until(lambda: _none(database, "select from dure.cancellation"))
        gate.open()
        assert (await job(database, done)).state == "completed"


async def test_a_claim_that_came_in_after_its_worker_was_buried_is_found(database: Database):
    """As when the claim and the burial cross: nobody holds its jobs, and they must run all the same."""

    @handler("t.one")
    async def work() -> None: ...

    await known(database, [work])
    job_id = await ask(database, "t.one")
    async with running(database, [work]) as worker:
        await ended(database, job_id)
        lost = worker.worker_id
    await rows(database, "insert into dure.claim (worker_id, job_ids) values (%s, array[%s::uuid])", [lost, job_id])
    await rows(
        database,
        "update dure.job set state = 'processing', finished_at = null, claim_id = (select claim_id from dure.claim)",
    )
    async with running(database, [work], lease_s=0.3):
        found = await ended(database, job_id)
    assert (found.state, found.attempt) == ("completed", 2)


async def _lease_moved(database: Database, before: Any) -> bool:
    return bool(await one(database, "select bool_or(lease_until > %s) from dure.worker", [before]))


async def _waits_for_lock(database: Database) -> bool:
    statement = """select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
                   and query like 'insert into dure.job_log%'"""
    return bool(await one(database, statement) == 1)


async def _none(database: Database, statement: str) -> bool:
    return not await rows(database, statement)
