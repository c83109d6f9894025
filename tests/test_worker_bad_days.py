"""Bad days: workers killed, connections cut, the database gone. Nothing lost, nothing finished twice."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

import handlers
import servers
from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.errors import DureError
from dure.queue import worker as worker_module
from queueing import (
    TENANT,
    all_ended,
    ask,
    ask_many,
    effects_table,
    ended,
    in_state,
    jobs_of,
    known,
    make,
    one,
    rows,
    running,
    settings,
    until,
)

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


async def test_a_killed_workers_jobs_run_elsewhere_after_its_lease_once(database: Database):
    await effects_table(database)
    await known(database, ALL)
    ids = await ask_many(database, "shared.slow", 60)
    with _worker(database.url, lease_s=1.0, concurrency=10) as (process, _):
        await until(lambda: _effects(database, 5))
        process.kill()
        process.wait()
    left = await one(database, "select count(*) from dure.job where state = 'processing'")
    assert left
    async with running(database, ALL, lease_s=1.0, threads=2):
        assert await all_ended(database) == {"completed": len(ids)}
    assert await one(database, "select count(*) from effect") == len(ids)
    assert await one(database, "select max(crash_count) from dure.job") == 1
    assert await one(database, "select max(retry_count) from dure.job") == 0


async def test_a_handler_that_kills_its_worker_is_quarantined_and_delays_its_neighbours_less_than_a_lease(
    database: Database,
):
    await known(database, ALL)
    lease_s = 1.5
    with _worker(database.url, lease_s=lease_s) as (process, _):
        neighbours = await ask_many(database, "shared.plain", 4)
        killer = await ask(database, "shared.killer")
        await until(lambda: process.poll() is not None)
        assert process.returncode == -signal.SIGKILL
    died_at = await one(database, "select dure.now()")
    async with running(database, ALL, lease_s=lease_s, threads=2) as worker:
        found = await ended(database, killer)
        assert (found.state, found.crash_count) == ("quarantined", 3)
        assert [(await ended(database, one)).state for one in neighbours] == ["completed"] * 4
        # The worker that goes on was not hurt by the second and the third time.
        assert worker.health()["ok"]
    # Back in line as soon as the lease ran out, of which a part had gone by when the worker died.
    statement = """select extract(epoch from max(ended_at) - %s)::float8 from dure.attempt
                   where outcome = 'crashed' and worker_id = 1"""
    assert await one(database, statement, [died_at]) < lease_s + 0.3
    assert await one(database, "select max(crash_count) from dure.job where handler = 'shared.plain'") <= 1


async def test_every_connection_is_cut_again_and_again_under_load(database: Database):
    await effects_table(database)
    with capture_logs() as said:
        async with running(database, ALL, concurrency=8) as worker:
            ids = await ask_many(database, "shared.slow", 120)
            for goal in (20, 50, 80):
                await until(lambda goal=goal: _effects(database, goal))
                async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as other:
                    await other.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )
            await until(lambda: _due(database))
            assert await all_ended(database) == {"completed": len(ids)}
            await until(lambda: worker.health()["listening"])
            assert worker.health()["ok"]
    assert await one(database, "select count(*) from effect") == len(ids)
    events = {line["event"] for line in said}
    assert {"listener.lost", "listener.back"} <= events
    assert events & {"database.lost", "database.back"}


async def test_the_database_is_restarted_under_load():
    home = Path(tempfile.mkdtemp(prefix="dure-restart-"))
    try:
        async with _own_server(home) as (lease, database):
            await effects_table(database)
            async with running(database, ALL, concurrency=8, lease_s=5.0) as worker:
                await known(database, ALL)
                ids = await ask_many(database, "shared.slow", 100)
                await until(lambda: _effects(database, 20))
                # As a crash: the postmaster and all its children at once, with no word to anyone.
                os.kill(embedded.status(home / "server").pid or 0, signal.SIGQUIT)
                await until(lambda: not embedded.status(home / "server").running)
                await asyncio.to_thread(lease.ensure)
                await until(lambda: _due(database))
                assert await all_ended(database) == {"completed": len(ids)}
                await until(lambda: worker.health()["ok"])
            assert await one(database, "select count(*) from effect") == len(ids)
    finally:
        with suppress(DureError):
            embedded.stop(home / "server")
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("mode", ["poll", "pooler"])
async def test_without_notifications_and_without_a_session(url: str, mode: str):
    async with Database(url) as watcher:
        await effects_table(watcher)
        chosen = settings(database_url=url, notify=mode != "poll", pooler=mode == "pooler")
        async with Database(chosen) as database:
            extra = {"database_url": url, "notify": mode != "poll", "pooler": mode == "pooler", "threads": 1}
            async with running(database, ALL, **extra) as worker:
                assert not worker.health()["listening"]
                ids = [await ask(database, "shared.effect") for _ in range(3)]
                ids.append(await ask(database, "apart.effect"))
                assert [(await ended(watcher, one)).state for one in ids] == ["completed"] * 4
                stuck = await ask(database, "apart.patient")
                await in_state(watcher, stuck, "processing")
                await jobs_of(watcher).cancel(TENANT, stuck, reason="not needed", actor="kim")
                assert (await ended(watcher, stuck)).state == "cancelled"
        assert await one(watcher, "select count(*) from effect") == 4


async def test_a_start_that_fails_leaves_nothing_running(database: Database, monkeypatch: pytest.MonkeyPatch):
    worker = make(database, [])
    await rows(database, "alter table dure.worker rename to elsewhere")
    tasks = asyncio.all_tasks()
    with pytest.raises(psycopg.Error):
        await worker.start()
    assert not [task for task in asyncio.all_tasks() - tasks if task.get_name().startswith("dure.")]
    assert not worker.health()["ok"]


async def test_stopping_while_the_database_is_away_ends_soon(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_module, "CLOSE_S", 0.2)
    monkeypatch.setattr("dure.queue.claimer.STOP_S", 0.2)
    worker = make(database, ALL)
    await worker.start()
    await ended(database, await ask(database, "shared.plain"))
    await rows(database, "alter table dure.claim rename to elsewhere")
    await rows(database, "alter table dure.worker rename to nowhere")
    tasks = asyncio.all_tasks()
    async with asyncio.timeout(3):
        await worker.stop(0)
    left = [task.get_name() for task in tasks if not task.done() and task.get_name().startswith("dure.")]
    assert left == []


@contextmanager
def _worker(url: str, **given: Any) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A worker in a process of its own, killed at the end of the block."""
    chosen = json.dumps({"database_url": url, "poll_s": 0.05, **given})
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, chosen],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@asynccontextmanager
async def _own_server(home: Path) -> AsyncIterator[tuple[embedded.Lease, Database]]:
    with embedded.acquire(home / "server", servers.FAST) as lease:
        async with Database(lease.url) as database:
            await migrate(database)
            yield lease, database


async def _effects(database: Database, count: int) -> bool:
    with suppress(DureError, psycopg.Error):
        return bool(await one(database, "select count(*) from effect") >= count)
    return False


async def _due(database: Database) -> bool:
    """Let what waits to be tried again be due; answer whether nothing waits any more."""
    with suppress(DureError, psycopg.Error):
        await rows(database, "update dure.later set run_at = dure.now()")
        await rows(database, "update dure.job set run_at = dure.now() where state = 'pending' and run_at > dure.now()")
        await rows(database, "select dure.wake()")
        return not await rows(database, "select from dure.job where state in ('pending', 'processing') limit 1")
    return False
