"""Handlers in processes of their own: run, killed, dying, quarantined, with the same promises as all others."""

import os
from typing import Any

import psycopg
import pytest

import handlers
from dure.db.pool import Database
from dure.queue import keeper
from dure.queue.registry import handler
from queueing import (
    TENANT,
    Gate,
    all_ended,
    ask,
    ask_many,
    bury,
    effects_table,
    ended,
    job,
    jobs_of,
    one,
    rows,
    running,
    story,
    until,
)

ALL = [found for found in vars(handlers).values() if hasattr(found, "__dure_handler__")]


async def test_an_isolated_handler_runs_in_another_process_that_serves_again(database: Database):
    async with running(database, ALL, threads=1):
        first = await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 2}))
        second = await ended(database, await ask(database, "apart.sum", {"a": 3, "b": 4}))
        assert first.result["sum"] == 3
        assert second.result["sum"] == 7
        assert first.result["pid"] == second.result["pid"] != os.getpid()
        job_id = await ask(database, "apart.later", {"a": 1, "b": 2})
        assert (await ended(database, job_id)).result == "3 True"
        assert await one(database, "select message from dure.job_log where job_id = %s", [job_id]) == "adding"
        assert await rows(database, "select done, total, note from dure.progress") == [(1, 2, "half")]


async def test_an_error_in_a_child_is_judged_like_any_other(database: Database):
    async with running(database, ALL, threads=1):
        final = await ended(database, await ask(database, "apart.fail", {"how": "final"}))
        key = await ended(database, await ask(database, "apart.fail", {"how": "key"}))
        bad = await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 2}))
        text = await ended(database, await ask(database, "apart.text"))
        left = await ended(database, await ask(database, "apart.exit", max_retries=0))
        again = await ask(database, "apart.fail", {"how": "transient"})
        await until(lambda: _retried(database, again))
    assert [found.error_class for found in (final, key, text, left)] == [
        "Final",
        "KeyError",
        "ReturnedError",
        "SystemExit",
    ]
    assert bad.state == "completed"
    assert 1 <= await one(database, _WAIT, [again]) <= 1.1
    # The traceback is that of the child.
    assert "in fail" in await one(database, "select traceback from dure.attempt where job_id = %s", [final.id])


async def test_a_handler_that_kills_its_process_is_quarantined_and_its_neighbours_complete(database: Database):
    async with running(database, ALL, threads=2) as worker:
        killer = await ask(database, "apart.kill")
        neighbours = [await ask(database, "apart.sum", {"a": n, "b": n}) for n in range(5)]
        found = await ended(database, killer)
        assert (found.state, found.crash_count, found.retry_count) == ("quarantined", 3, 0)
        assert "SIGKILL" in str(found.error)
        assert await story(database, killer) == [(n, "crashed", "ProcessDied") for n in (1, 2, 3)]
        assert {(await ended(database, one)).state for one in neighbours} == {"completed"}
        assert worker.health()["ok"]
        await jobs_of(database).retry(TENANT, killer, actor="kim")
        found = await ended(database, killer)
        assert (found.state, found.crash_count, found.attempt) == ("quarantined", 3, 6)


async def test_a_job_out_of_time_is_killed_with_all_that_it_started(database: Database):
    async with running(database, ALL, threads=1):
        # The child is there: what is measured is the job's time, not Python's to start on a busy machine.
        await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 1}))
        job_id = await ask(database, "apart.stuck", timeout_s=2.5, max_retries=0)
        found = await ended(database, job_id)
        assert (found.state, found.error_class, found.crash_count) == ("failed", "TimeoutError", 0)
        pids = (await one(database, "select message from dure.job_log")).split()
        await until(lambda: not any(_alive(int(pid)) for pid in pids))
        assert (await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 1}))).state == "completed"


@pytest.mark.parametrize("name", ["apart.polite", "apart.patient"])
async def test_cancelling_asks_first(database: Database, name: str):
    async with running(database, ALL, threads=1):
        job_id = await ask(database, name)
        await until(lambda: rows(database, "select from dure.job_log"))
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        found = await ended(database, job_id)
        assert (found.state, found.error) == ("cancelled", "not needed")
        # The child was not killed: nothing had to be forced.
        assert found.crash_count == 0


async def test_cancelling_then_kills(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper, "FORCE_AFTER_S", 0.1)
    async with running(database, ALL, threads=1):
        job_id = await ask(database, "apart.stuck")
        pids = (await until(lambda: rows(database, "select message from dure.job_log")))[0][0].split()
        await jobs_of(database).cancel(TENANT, job_id, reason="not needed", actor="kim")
        found = await ended(database, job_id)
        assert (found.state, found.error, found.crash_count) == ("cancelled", "not needed", 0)
        await until(lambda: not any(_alive(int(pid)) for pid in pids))


async def test_stopping_kills_what_does_not_finish_and_hands_it_back(database: Database):
    async with running(database, ALL, threads=1) as worker:
        job_id = await ask(database, "apart.stuck")
        pids = (await until(lambda: rows(database, "select message from dure.job_log")))[0][0].split()
        await worker.stop(0)
    found = await job(database, job_id)
    assert (found.state, found.retry_count, found.crash_count) == ("pending", 0, 0)
    await until(lambda: not any(_alive(int(pid)) for pid in pids))


async def test_effects_commit_with_the_completion_in_a_child_too(database: Database):
    await effects_table(database)
    async with running(database, ALL, threads=1) as worker:
        good, bad = await ask(database, "apart.effect"), await ask(database, "apart.effect", {"fail": True})
        assert (await ended(database, good)).result == {"rows": 1}
        assert (await ended(database, bad)).state == "failed"
        assert [str(row[0]) for row in await rows(database, "select job_id from effect")] == [good]
        assert await one(database, "select count(*) from dure.job where handler = 'apart.text'") == 1
        assert worker.health()["finished"] == 1


async def test_what_a_child_said_is_there_when_its_job_is_seen_completed(database: Database):
    """The log is held up by a lock: then the completion, which the child commits by itself, must wait for it."""
    await effects_table(database)
    async with running(database, ALL, threads=1):
        async with await psycopg.AsyncConnection.connect(database.url) as other:
            await other.execute("lock table dure.job_log in share mode")
            job_id = await ask(database, "apart.effect")
            await until(lambda: _waits_for_lock(database))
            assert (await job(database, job_id)).state == "processing"
        assert (await ended(database, job_id)).state == "completed"
        assert await one(database, "select message from dure.job_log") == "written"


async def test_a_parent_in_a_child_process_waits_for_its_children(database: Database):
    async with running(database, ALL, threads=2):
        found = await ended(database, await ask(database, "apart.parent"))
        assert (found.result, found.attempt, found.crash_count) == ({"completed": 3}, 2, 0)


async def test_a_child_that_died_in_its_sleep_is_no_jobs_fault(database: Database):
    async with running(database, ALL, threads=1):
        first = await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 2}))
        os.kill(first.result["pid"], 9)
        await until(lambda: not _alive(first.result["pid"]))
        second = await ended(database, await ask(database, "apart.sum", {"a": 3, "b": 4}))
        assert (second.state, second.crash_count, second.attempt) == ("completed", 0, 1)


async def test_a_suspect_runs_apart_and_is_cleared_by_completing(database: Database):
    """After a worker's death all that it held is suspect; none but the guilty is counted again."""
    async with running(database, ALL, threads=1, concurrency=4, lease_s=0.9) as worker:
        ids = await ask_many(database, "shared.plain", 3)
        await until(lambda: worker.health()["held"] == 3)
        await bury(database, worker.worker_id)
        assert await all_ended(database) == {"completed": 3}
    assert await rows(database, "select distinct crash_count from dure.job") == [(1,)]
    assert await story(database, ids[0]) == [(1, "crashed", "WorkerDied")]


async def test_a_suspect_that_cannot_run_apart_is_on_record_before_it_starts(database: Database):
    gate = Gate()

    @handler("t.closure")
    async def closure() -> None:
        await gate.pass_through()

    async with running(database, [closure]) as worker:
        job_id = await ask(database, "t.closure")
        for crash in (1, 2, 3):
            await until(lambda crash=crash: gate.came == crash)
            await bury(database, worker.worker_id)
            await until(lambda crash=crash: _crashed(database, job_id, crash))
            worker._lost()
        found = await ended(database, job_id)
    assert (found.state, found.crash_count) == ("quarantined", 3)


async def test_a_child_ends_with_its_worker(database: Database):
    async with running(database, ALL, threads=1) as worker:
        found = await ended(database, await ask(database, "apart.sum", {"a": 1, "b": 2}))
        runner: Any = worker._paces["process"].runner
        # As when the worker is killed: the kernel closes its end of the socket.
        runner._spare[0].writer.close()
        await until(lambda: not _alive(found.result["pid"]))


_WAIT = """select extract(epoch from j.run_at - a.ended_at)::float8
           from dure.job j join dure.attempt a on a.job_id = j.id where j.id = %s"""


async def _retried(database: Database, job_id: str) -> bool:
    return (await job(database, job_id)).retry_count == 1


async def _crashed(database: Database, job_id: str, count: int) -> bool:
    return (await job(database, job_id)).crash_count == count


async def _waits_for_lock(database: Database) -> bool:
    statement = """select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
                   and query like 'insert into dure.job_log%'"""
    return await one(database, statement) == 1


def _alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
