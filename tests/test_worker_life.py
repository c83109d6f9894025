"""A job's life in a worker, for handlers on the loop: run, retried, handed back."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from dure.db.pool import Database
from dure.queue.context import Context
from dure.queue.registry import Registry, handler
from dure.queue.results import Done
from dure.queue.retry import Final, Retryable
from queueing import (
    Gate,
    all_ended,
    ask,
    ask_many,
    ended,
    in_state,
    job,
    known,
    make,
    one,
    rows,
    running,
    story,
    until,
)


class Sum(BaseModel):
    a: int
    b: int = 1


async def test_what_a_handler_is_given_and_what_becomes_of_its_result(database: Database):
    @handler("t.none")
    async def none() -> None: ...

    @handler("t.params")
    async def params(params: dict[str, Any]) -> dict[str, Any]:
        return {"got": params["n"]}

    @handler("t.model")
    async def model(params: Sum, ctx: Context) -> Sum:
        return Sum(a=params.a + params.b, b=ctx.attempt)

    @handler("t.text")
    async def text() -> Done:
        return Done("3 letters sent")

    async with running(database, [none, params, model, text]):
        assert (await ended(database, await ask(database, "t.none"))).result is None
        assert (await ended(database, await ask(database, "t.params", {"n": 7}))).result == {"got": 7}
        added = await ended(database, await ask(database, "t.model", {"a": 2}))
        assert (added.state, added.result, added.attempt) == ("completed", {"a": 3, "b": 1}, 1)
        assert (await ended(database, await ask(database, "t.text"))).result == "3 letters sent"


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        ("it went wrong", "ReturnedError"),
        ({"error": "no such guardian"}, "ReturnedError"),
        ({"success": False}, "ReturnedError"),
        (float("nan"), "Invalid"),
        ({"text": "x" * 1_100_000}, "Invalid"),
        ({"what": object()}, "Invalid"),
        ({"nul": "\x00"}, "Invalid"),
    ],
)
async def test_a_result_that_is_an_error_or_cannot_be_stored_fails_its_job(
    database: Database, value: Any, error_class: str
):
    @handler("t.odd")
    async def odd() -> Any:
        return value

    @handler("t.fine")
    async def fine() -> None: ...

    async with running(database, [odd, fine]) as worker:
        failed = await ended(database, await ask(database, "t.odd"))
        assert (failed.state, failed.error_class, failed.retry_count) == ("failed", error_class, 0)
        assert (await ended(database, await ask(database, "t.fine"))).state == "completed"
        assert worker.health()["ok"]


async def test_parameters_that_do_not_fit_at_run_time_fail_for_good(database: Database):
    @handler("t.model")
    async def model(params: Sum) -> None: ...

    await known(database, [model])
    job_id = await ask(database, "t.model", {"a": 1})
    # As when the code has changed since the job was asked for.
    await rows(database, 'update dure.job set params = \'{"a": "many"}\' where id = %s', [job_id])
    async with running(database, [model]):
        failed = await ended(database, job_id)
    assert (failed.state, failed.error_class, failed.retry_count) == ("failed", "ValidationError", 0)
    assert await story(database, job_id) == [(1, "failed", "ValidationError")]


async def test_a_transient_error_is_tried_again_after_1_2_and_4_seconds(database: Database):
    @handler("t.flaky")
    async def flaky() -> None:
        raise ConnectionError("reset by peer")

    async with running(database, [flaky]):
        job_id = await ask(database, "t.flaky", max_retries=3)
        for retry, wait_s in enumerate((1, 2, 4), start=1):
            await until(lambda retry=retry: _retried(database, job_id, retry))
            statement = """select extract(epoch from j.run_at - a.ended_at)::float8
                           from dure.job j join dure.attempt a on a.job_id = j.id and a.attempt = j.attempt"""
            assert wait_s <= await one(database, statement) <= wait_s * 1.1
            await _make_due(database)
        failed = await ended(database, job_id)
    assert (failed.state, failed.error_class, failed.retry_count) == ("failed", "ConnectionError", 3)
    assert failed.crash_count == 0
    expected = [(n, "retried", "ConnectionError") for n in (1, 2, 3)]
    assert await story(database, job_id) == [*expected, (4, "failed", "ConnectionError")]
    assert "reset by peer" in await one(database, "select traceback from dure.attempt where attempt = 4")


async def test_a_handler_says_itself_when_to_try_again_or_that_it_is_no_use(database: Database):
    keys: list[str] = []

    @handler("t.busy")
    async def busy(params: dict[str, Any], ctx: Context) -> None:
        keys.append(ctx.idempotency_key)
        if ctx.attempt == 1:
            raise Retryable("busy", after_s=30)
        raise Final("gone")

    async with running(database, [busy]):
        job_id = await ask(database, "t.busy")
        await until(lambda: _retried(database, job_id, 1))
        wait_s = await one(
            database, "select extract(epoch from j.run_at - a.ended_at)::float8 from dure.job j, dure.attempt a"
        )
        assert wait_s == pytest.approx(30, abs=0.01)
        await _make_due(database)
        failed = await ended(database, job_id)
    assert (failed.state, failed.error_class, failed.error) == ("failed", "Final", "gone")
    assert keys == [job_id, job_id]


async def test_an_error_that_cannot_even_be_printed_fails_only_its_job(database: Database):
    class Strange(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

        @property
        def response(self) -> None:
            raise RuntimeError("no")

    @handler("t.strange")
    async def strange() -> None:
        raise Strange

    @handler("t.leaves")
    async def leaves() -> None:
        raise SystemExit(3)

    async with running(database, [strange, leaves], concurrency=1) as worker:
        first = await ended(database, await ask(database, "t.strange", max_retries=0))
        second = await ended(database, await ask(database, "t.leaves", max_retries=0))
        assert (first.error_class, second.error_class) == ("Strange", "SystemExit")
        assert worker.health()["ok"]


async def test_stopping_lets_jobs_finish_and_hands_back_the_rest(database: Database):
    gate = Gate()

    @handler("t.gate")
    async def through() -> None:
        await gate.pass_through()

    await known(database, [through])
    ids = await ask_many(database, "t.gate", 40)
    worker = make(database, [through], concurrency=3)
    await worker.start()
    await until(lambda: gate.came == 3)
    stopping = asyncio.create_task(worker.stop())
    await until(lambda: worker.health()["state"] == "stopping")
    again = asyncio.create_task(worker.stop())
    assert not (await asyncio.wait([stopping, again], timeout=0.1))[0]
    gate.open()
    await asyncio.gather(stopping, again)
    assert worker.health()["state"] == "stopped"
    states = dict(await rows(database, "select state, count(*) from dure.job group by state"))
    assert states == {"completed": 3, "pending": len(ids) - 3}
    counts = await rows(database, "select distinct retry_count, crash_count from dure.job")
    assert counts == [(0, 0)]
    assert await rows(database, "select from dure.claim") == []
    # What was handed back can be taken at once.
    async with running(database, [through]):
        assert await all_ended(database) == {"completed": len(ids)}


async def test_stopping_hands_back_what_does_not_finish_in_time(database: Database):
    gate = Gate()

    @handler("t.gate")
    async def through() -> None:
        await gate.pass_through()

    async with running(database, [through]) as worker:
        job_id = await ask(database, "t.gate")
        await until(lambda: gate.came)
        await worker.stop(0.05)
    handed = await job(database, job_id)
    assert (handed.state, handed.retry_count, handed.crash_count) == ("pending", 0, 0)
    assert await story(database, job_id) == [(1, "released", None)]
    gate.open()
    async with running(database, [through]):
        assert (await ended(database, job_id)).attempt == 2


async def test_an_idle_worker_stops_at_once_and_says_so(database: Database):
    worker = make(database, [])
    await worker.start()
    await until(lambda: worker.health()["listening"])
    began = asyncio.get_running_loop().time()
    await worker.stop()
    await worker.stop()
    assert asyncio.get_running_loop().time() - began < 0.5
    assert worker.health()["state"] == "stopped"
    assert not worker.health()["ok"]
    assert await one(database, "select end_reason from dure.worker") == "stopped"


async def test_a_job_that_no_worker_here_has_the_code_for_waits_for_one_that_has(database: Database):
    @handler("t.mine")
    async def mine() -> None: ...

    @handler("t.theirs")
    async def theirs() -> None: ...

    await known(database, [mine, theirs])
    foreign = await ask(database, "t.theirs")
    async with running(database, [mine]):
        assert (await ended(database, await ask(database, "t.mine"))).state == "completed"
        # It may have been taken once, before it was known that the code is not here.
        await in_state(database, foreign, "pending")
        async with running(database, [theirs]):
            found = await ended(database, foreign)
            assert (found.state, found.retry_count, found.crash_count) == ("completed", 0, 0)


async def test_health_tells_when_a_part_has_died(database: Database):
    async with running(database, Registry()) as worker:
        assert worker.health()["ok"]
        worker._finisher._task.cancel()
        await until(lambda: not worker.health()["ok"])


async def _retried(database: Database, job_id: str, count: int) -> bool:
    found = await job(database, job_id)
    return found.state == "pending" and found.retry_count == count


async def _make_due(database: Database) -> None:
    """Let the time of what waits for it have come."""
    async with database.owner_tx() as tx:
        await tx.execute("update dure.later set run_at = dure.now()")
        await tx.execute("update dure.job set run_at = dure.now() where state = 'pending'")
        await tx.execute("select dure.wake()")


async def test_a_second_stop_with_less_patience_shortens_the_first(database: Database):
    begun = asyncio.Event()

    @handler("t.long")
    async def long() -> None:
        begun.set()
        await asyncio.sleep(60)

    await known(database, [long])
    worker = make(database, [long])
    await worker.start()
    asked = await ask(database, "t.long")
    await begun.wait()
    patient = asyncio.create_task(worker.stop(60))
    await until(lambda: worker.health()["state"] == "stopping")
    async with asyncio.timeout(5):
        await worker.stop(0)
        await patient
    assert (await job(database, asked)).state == "pending"
