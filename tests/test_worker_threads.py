"""Plain functions in a worker's threads: run, timed out, cancelled, handed back, writing in their job's transaction."""

import threading
from typing import Any

import pytest

from dure.db.pool import Database
from dure.queue import keeper
from dure.queue.context import ThreadContext
from dure.queue.model import NewJob
from dure.queue.registry import handler
from dure.queue.results import Done
from dure.queue.retry import Final
from queueing import (
    TENANT,
    Gate,
    all_ended,
    ask,
    ask_many,
    effects_table,
    ended,
    job,
    jobs_of,
    known,
    one,
    rows,
    running,
    story,
    take_two,
    until,
)

EFFECT = "insert into effect (job_id, attempt) values (%s, %s)"


async def test_a_plain_function_runs_in_a_thread_and_its_result_is_stored(database: Database):
    @handler("t.none")
    def none() -> None: ...

    @handler("t.where")
    def where(params: dict[str, Any], ctx: ThreadContext) -> Done:
        return Done(f"{threading.current_thread() is not threading.main_thread()} {ctx.attempt} {params['n']}")

    @handler("t.text")
    def text() -> str:
        return "an error, perhaps"

    async with running(database, [none, where, text]):
        assert (await ended(database, await ask(database, "t.none"))).state == "completed"
        assert (await ended(database, await ask(database, "t.where", {"n": 7}))).result == "True 1 7"
        assert (await ended(database, await ask(database, "t.text"))).error_class == "ReturnedError"


async def test_many_quick_functions_end_each_once(database: Database):
    @handler("t.quick")
    def quick(params: dict[str, Any]) -> dict[str, Any]:
        return {"n": params["n"]}

    async with running(database, [quick], threads=4) as worker:
        await ask_many(database, "t.quick", 500)
        assert await all_ended(database) == {"completed": 500}
        await until(lambda: worker.health()["held"] == 0)
        assert worker.health()["finished"] == 500
    assert (
        await one(database, "select count(*) from dure.job where (result ->> 'n')::int = (params ->> 'n')::int") == 500
    )


async def test_a_functions_statements_commit_with_its_completion_and_not_without(database: Database):
    await effects_table(database)

    @handler("t.write")
    def write(params: dict[str, Any], ctx: ThreadContext) -> dict[str, Any]:
        ctx.execute(EFFECT, [ctx.job.id, ctx.attempt])
        ctx.enqueue_sync("t.write", {"leaf": True}, delay_s=3600)
        if params.get("fail"):
            raise Final("after the effect")
        return {"rows": ctx.execute("select count(*) from effect")[0][0]}

    async with running(database, [write]):
        good, bad = await ask(database, "t.write"), await ask(database, "t.write", {"fail": True})
        assert (await ended(database, good)).result == {"rows": 1}
        assert (await ended(database, bad)).state == "failed"
    assert [str(row[0]) for row in await rows(database, "select job_id from effect")] == [good]
    assert await one(database, "select count(*) from dure.job where params ? 'leaf'") == 1


async def test_a_function_that_fails_a_statement_fails_its_job(database: Database):
    @handler("t.wrong")
    def wrong(params: dict[str, Any], ctx: ThreadContext) -> None:
        ctx.execute("select 1/0")

    async with running(database, [wrong]):
        failed = await ended(database, await ask(database, "t.wrong", max_retries=0))
    assert failed.error_class == "DivisionByZero"


async def test_a_function_out_of_time_that_looks_is_stopped(database: Database):
    gate = Gate()

    @handler("t.looks")
    def looks(params: dict[str, Any], ctx: ThreadContext) -> None:
        gate.wait(ctx.check_cancelled)

    async with running(database, [looks]):
        job_id = await ask(database, "t.looks", timeout_s=0.05, max_retries=0)
        failed = await ended(database, job_id)
    assert (failed.state, failed.error_class) == ("failed", "TimeoutError")


async def test_a_function_out_of_time_that_does_not_look_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeper, "FORCE_AFTER_S", 0.1)
    await effects_table(database)
    gate, refused = Gate(), threading.Event()

    @handler("t.deaf")
    def deaf(params: dict[str, Any], ctx: ThreadContext) -> None:
        ctx.execute(EFFECT, [ctx.job.id, ctx.attempt])
        gate.wait()
        try:
            ctx.execute("select 1")
        except Exception:
            refused.set()
            raise

    @handler("t.fine")
    def fine() -> None: ...

    async with running(database, [deaf, fine], threads=1) as worker:
        job_id = await ask(database, "t.deaf", timeout_s=0.05, max_retries=0)
        failed = await ended(database, job_id)
        assert (failed.state, failed.error_class) == ("failed", "TimeoutError")
        # Its place was taken by another thread.
        assert (await ended(database, await ask(database, "t.fine"))).state == "completed"
        gate.open()
        await until(refused.is_set)
        await until(lambda: _no_transaction(database))
        assert await rows(database, "select from effect") == []
        assert worker.health()["held"] == 0


async def test_cancelling_a_running_function(database: Database):
    gate = Gate()

    @handler("t.looks")
    def looks(params: dict[str, Any], ctx: ThreadContext) -> None:
        gate.wait(ctx.check_cancelled)

    async with running(database, [looks]):
        job_id = await ask(database, "t.looks")
        await until(lambda: gate.came)
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        cancelled = await ended(database, job_id)
    assert (cancelled.state, cancelled.error, cancelled.retry_count) == ("cancelled", "not needed", 0)


async def test_a_job_cancelled_while_it_waits_in_a_workers_line_never_starts(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    gate, ran = Gate(), []
    take_two(monkeypatch)

    @handler("t.gate")
    def through(params: dict[str, Any]) -> None:
        ran.append(params["n"])
        gate.wait()

    await known(database, [through])
    first = await ask(database, "t.gate", {"n": 0})
    second = await ask(database, "t.gate", {"n": 1}, priority=-1)
    async with running(database, [through], threads=1) as worker:
        await until(lambda: gate.came and worker.health()["held"] == 2)
        await jobs_of(database).cancel(TENANT, second, reason="not needed", actor="kim")
        assert (await ended(database, second)).state == "cancelled"
        gate.open()
        assert (await ended(database, first)).state == "completed"
        assert ran == [0]
        assert worker.health()["ok"]


async def test_stopping_waits_for_functions_and_hands_back_those_that_look(database: Database):
    gate = Gate()

    @handler("t.looks")
    def looks(params: dict[str, Any], ctx: ThreadContext) -> None:
        gate.wait(ctx.check_cancelled)

    async with running(database, [looks], threads=2) as worker:
        ids = await ask_many(database, "t.looks", 4)
        await until(lambda: gate.came == 2)
        await worker.stop(0.05)
    found = [await job(database, job_id) for job_id in ids]
    assert [(one.state, one.retry_count, one.crash_count) for one in found] == [("pending", 0, 0)] * 4
    assert await story(database, ids[0]) == [(1, "released", None)]


async def test_stopping_never_lets_a_function_that_has_returned_run_again(database: Database):
    """Its completion may still be under way: the worker holds the job until that is written."""
    await effects_table(database)
    returning = threading.Event()

    @handler("t.write")
    def write(params: dict[str, Any], ctx: ThreadContext) -> None:
        ctx.execute(EFFECT, [ctx.job.id, ctx.attempt])
        returning.set()

    await known(database, [write])
    for _ in range(10):
        returning.clear()
        job_id = await ask(database, "t.write")
        async with running(database, [write]) as worker:
            await until(returning.is_set)
            await worker.stop()
        found = await job(database, job_id)
        assert (found.state, found.attempt) == ("completed", 1)


async def test_children_of_a_function(database: Database):
    @handler("t.parent")
    def parent(params: dict[str, Any], ctx: ThreadContext) -> dict[str, Any]:
        ctx.enqueue_sync("t.leaf", parent_id=ctx.job.id)
        ctx._wait(ctx.enqueue_many([NewJob(handler="t.leaf", parent_id=ctx.job.id)]))
        return {"before": ctx.children_sync()}

    @handler("t.leaf")
    def leaf() -> None: ...

    async with running(database, [parent, leaf]):
        # They exist when their parent has committed, and not before.
        found = await ended(database, await ask(database, "t.parent"))
        assert found.result == {"before": {}}
        assert await all_ended(database) == {"completed": 3}


async def _no_transaction(database: Database) -> bool:
    statement = """select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                   and state like 'idle in transaction%'"""
    return await one(database, statement) == 0
