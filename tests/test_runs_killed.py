"""A worker that is killed while it applies a run: what is done stays, the rest follows, nothing comes twice."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import dure
from dure.db.pool import Database
from queueing import TENANT, bury, one, rows
from running import AUTHOR, batches

pytestmark = pytest.mark.own_server

WORKER = """
import asyncio, os, signal, sys
from dure import faults
from dure.db.pool import Database
from dure.runs import ledger
from running import batches
from test_runs_killed import Count

async def main(url):
    hits = [0]
    def die():
        hits[0] += 1
        if hits[0] == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    async with Database(url) as database:
        async with batches(database, [Count]):
            with faults.armed("after_chunk", die):
                await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


@dure.operation("tally.count")
class Count:
    """Adds one to each row, ten of them."""

    stores = (dure.Table("public.tally"),)

    async def subjects(self, params, ctx):
        async for row in ctx.rows("select id from public.tally order by id"):
            yield row.id

    async def plan(self, subjects, ctx):
        tally = ctx.store("public.tally")
        for row in await tally.get(subjects):
            yield tally.update(row, {"n": row["n"] + 1})


async def test_killed_after_three_of_ten_it_goes_on_with_seven(database: Database, url: str, monkeypatch) -> None:
    monkeypatch.setattr("dure.runs.ledger.CHUNK_CHANGES_MAX", 1)
    await rows(database, "create table public.tally (id int primary key, n int not null, times int not null default 0)")
    await rows(
        database,
        "create function up() returns trigger language plpgsql as"
        " $$ begin new.times := old.times + 1; return new; end $$;"
        " create trigger up before update on public.tally for each row execute function up()",
    )
    await rows(database, "insert into public.tally select n, n from generate_series(1, 10) n")
    async with batches(database, [Count]) as made:
        run = await made.plan("tally.count")
    await made.runs.apply(TENANT, run.id, actor=AUTHOR)
    here = str(Path(__file__).parent)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WORKER, url],
        cwd=here,
        env={"PYTHONPATH": here},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    resting = await made.runs.get(TENANT, run.id)
    # The fourth died with its transaction open.
    assert (resting.state, resting.applied, resting.to_do) == ("applying", 3, 7)
    lost = await one(database, "select worker_id from dure.worker where ended_at is null")
    await bury(database, lost)
    async with batches(database, [Count]) as second:
        done = await second.settled(run.id)
        assert (done.state, done.applied) == ("applied", 10)
        assert await rows(database, "select count(*), min(n - id), max(n - id), max(times) from public.tally") == [
            (10, 1, 1, 1)
        ]
        back = await second.undo(run)
        assert (back.state, back.applied) == ("applied", 10)
    # Taking back brings every column as it was, whatever a trigger would make of it.
    assert await rows(database, "select distinct n - id, times from public.tally") == [(0, 0)]
