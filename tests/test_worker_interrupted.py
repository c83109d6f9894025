"""Jobs that do not end by themselves: out of time, past their deadline, cancelled, given up."""

import asyncio
from typing import Any

import psycopg
import pytest

from dure.db.pool import Database
from dure.queue import keeper
from dure.queue.context import Context
from dure.queue.registry import handler
from dure.queue.results import WaitForChildren
from queueing import (
    TENANT,
    Gate,
    all_ended,
    ask,
    effects_table,
    ended,
    in_state,
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


async def test_a_handler_out_of_time_is_stopped_and_tried_again(database: Database):
    stopped: list[str] = []

    @handler("t.slow")
    async def slow(params: dict[str, Any], ctx: Context) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(ctx.job.id)
            raise

    async with running(database, [slow]):
        job_id = await ask(database, "t.slow", timeout_s=0.05, max_retries=1)
        await until(lambda: _retried(database, job_id, 1))
        assert stopped == [job_id]
        assert await story(database, job_id) == [(1, "retried", "TimeoutError")]


async def test_a_cancelled_scope_leaves_nothing_behind_for_the_next_handler(database: Database):
    @handler("t.deaf")
    async def deaf() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            # Swallowed: it returns as if nothing had been.
            return

    @handler("t.group")
    async def group() -> None:
        async def fail() -> None:
            raise ValueError("a plain mistake")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await asyncio.sleep(60)

    async with running(database, [deaf, group], concurrency=1):
        await ended(database, await ask(database, "t.deaf", timeout_s=0.05))
        failed = await ended(database, await ask(database, "t.group", max_retries=0))
    assert failed.error_class == "ExceptionGroup"


async def test_a_deadline_holds_before_the_start_and_while_running(database: Database):
    ran: list[int] = []

    @handler("t.slow")
    async def slow(params: dict[str, Any]) -> None:
        ran.append(params["n"])
        await asyncio.sleep(60)

    await known(database, [slow])
    late = await ask(database, "t.slow", {"n": 1}, deadline_at=await _in(database, 60))
    moved = "update dure.{0} set deadline_at = dure.now() - interval '1 s'"
    await rows(database, moved.format("job"))
    await rows(database, moved.format("deadline"))
    async with running(database, [slow], concurrency=1):
        assert (await ended(database, late)).error_class == "DeadlinePassed"
        assert ran == []
        runs = await ask(database, "t.slow", {"n": 2}, deadline_at=await _in(database, 0.3))
        await in_state(database, runs, "processing")
        failed = await ended(database, runs)
        assert (failed.state, failed.error_class, failed.retry_count) == ("failed", "DeadlinePassed", 0)
        assert "while the job ran" in str(failed.error)
    assert ran == [2]


async def test_a_deadline_holds_for_a_job_that_waits_in_a_workers_own_line(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate()

    @handler("t.gate")
    async def through(params: dict[str, Any]) -> None:
        await gate.pass_through()

    take_two(monkeypatch)
    await known(database, [through])
    first = await ask(database, "t.gate")
    second = await ask(database, "t.gate", priority=-1, deadline_at=await _in(database, 0.4))
    async with running(database, [through], concurrency=1) as worker:
        await until(lambda: gate.came == 1 and worker.health()["held"] == 2)
        failed = await ended(database, second)
        assert (failed.error_class, gate.came) == ("DeadlinePassed", 1)
        assert "before the job could start" in str(failed.error)
        gate.open()
        assert (await ended(database, first)).state == "completed"


async def test_cancelling_a_waiting_job_and_its_children(database: Database):
    gate = Gate()

    @handler("t.parent")
    async def parent(params: dict[str, Any], ctx: Context) -> WaitForChildren:
        if not await ctx.children():
            await ctx.enqueue("t.child", {"wait": True}, parent_id=ctx.job.id)
            await ctx.enqueue("t.child", parent_id=ctx.job.id, delay_s=3600)
        return WaitForChildren()

    @handler("t.child")
    async def child() -> None:
        await gate.pass_through()

    async with running(database, [parent, child]):
        parent_id = await ask(database, "t.parent")
        await until(lambda: gate.came)
        await jobs_of(database).cancel(TENANT, parent_id, reason="not needed", actor="kim")
        assert await all_ended(database) == {"cancelled": 3}
        assert {row[0] for row in await rows(database, "select error from dure.job")} == {"not needed"}
        assert await rows(database, "select from dure.cancellation") == []


async def test_children_made_while_their_parent_is_cancelled_are_cancelled_too(database: Database):
    ran: list[str] = []

    @handler("t.parent")
    async def parent(params: dict[str, Any], ctx: Context) -> WaitForChildren:
        await ctx.enqueue("t.child", parent_id=ctx.job.id)
        # Whoever cancels cannot see the child yet, and the handler is through before it hears of it.
        await jobs_of(database).cancel(TENANT, ctx.job.id, reason="not needed", actor="kim")
        return WaitForChildren()

    @handler("t.child")
    async def child() -> None:
        ran.append("ran")

    async with running(database, [parent, child]):
        await ask(database, "t.parent")
        assert await all_ended(database) == {"cancelled": 2}
    assert ran == []


async def test_cancelling_a_running_job_stops_its_handler_and_rolls_its_transaction_back(database: Database):
    await effects_table(database)
    gate = Gate()

    @handler("t.patient")
    async def patient(params: dict[str, Any], ctx: Context) -> None:
        await (await ctx.tx()).execute(EFFECT, [ctx.job.id, 1])
        await gate.pass_through()

    async with running(database, [patient]):
        job_id = await ask(database, "t.patient")
        await until(lambda: gate.came)
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        cancelled = await ended(database, job_id)
        assert (cancelled.state, cancelled.error) == ("cancelled", "not needed")
        assert await rows(database, "select from effect") == []
        # A cancelled job can be given a new life.
        gate.open()
        await jobs_of(database).retry(TENANT, job_id, actor="kim")
        again = await ended(database, job_id)
        assert (again.state, again.attempt) == ("completed", 2)


async def test_a_handler_that_swallows_cancellation_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper, "FORCE_AFTER_S", 0.1)
    await effects_table(database)
    gate, left = Gate(), asyncio.Event()

    @handler("t.stubborn")
    async def stubborn(params: dict[str, Any], ctx: Context) -> None:
        await (await ctx.tx()).execute(EFFECT, [ctx.job.id, 1])
        while True:
            try:
                await gate.pass_through()
                break
            except asyncio.CancelledError:
                continue
        left.set()

    @handler("t.fine")
    async def fine() -> None: ...

    async with running(database, [stubborn, fine], concurrency=1):
        job_id = await ask(database, "t.stubborn")
        await until(lambda: gate.came)
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        assert (await ended(database, job_id)).state == "cancelled"
        # Its place is free again, and its transaction is not left open when it ends at last.
        assert (await ended(database, await ask(database, "t.fine"))).state == "completed"
        gate.open()
        await left.wait()
        await until(lambda: _idle(database))
        assert await rows(database, "select from effect") == []
        assert (await job(database, job_id)).state == "cancelled"


async def test_a_cancelled_job_that_fails_meanwhile_does_not_run_again(database: Database):
    gate = Gate()

    @handler("t.fails")
    async def fails() -> None:
        try:
            await gate.pass_through()
        except asyncio.CancelledError:
            raise ConnectionError("interrupted") from None

    async with running(database, [fails]):
        job_id = await ask(database, "t.fails")
        await until(lambda: gate.came)
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        assert (await ended(database, job_id)).state == "cancelled"
        assert gate.came == 1


async def _retried(database: Database, job_id: str, count: int) -> bool:
    found = await job(database, job_id)
    return found.state == "pending" and found.retry_count == count


async def _in(database: Database, after_s: float) -> Any:
    return await one(database, "select dure.now() + make_interval(secs => %s)", [after_s])


async def _idle(database: Database) -> bool:
    """Whether no other connection of this database has a transaction open."""
    statement = """select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                   and state like 'idle in transaction%'"""
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        row = await (await connection.execute(statement)).fetchone()
        return row is not None and row[0] == 0
