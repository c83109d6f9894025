"""Somebody else writes while a plan is applied: held open by a second connection, and let go at the worst time."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest

from dure.runs.model import Tally
from queueing import one, rows, until
from table_runs import Tables


@pytest.fixture
async def family(database):
    await rows(
        database,
        """
        create table public.parent (id integer primary key, note text);
        create table public.child (id integer primary key, p integer references public.parent on delete cascade);
        insert into public.parent select i, 'p' || i from generate_series(1, 9) i;
        insert into public.child select i, i from generate_series(1, 3) i;
        """,
    )
    return await Tables.of(database, "public.parent", "public.child")


@asynccontextmanager
async def other_hand(tables, statement):
    """A transaction that has done something and is still open."""
    async with await psycopg.AsyncConnection.connect(tables.database.url) as connection:
        await connection.execute(statement)
        yield connection


async def meanwhile(tables, run, connection):
    """Apply until it waits for the other transaction, let that one commit, and answer what came of it."""
    applying = asyncio.create_task(tables.apply(run))
    blocked = "select from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
    await until(lambda: rows(tables.database, blocked, [connection.info.backend_pid]))
    await connection.commit()
    return await applying


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update public.parent set note = 'mine' where id = 7", "changed_since"),
        ("delete from public.parent where id = 7", "missing"),
        ("update public.parent set id = 70 where id = 7", "missing"),
    ],
)
async def test_a_row_that_changes_while_the_chunk_waits_for_it(family, statement, reason, careful):
    run = await family.plan(
        lambda parent, _: [parent.delete(5), parent.update(7, {"note": "planned"}), parent.delete(8)]
    )
    if careful:
        await rows(family.database, "update public.parent set note = 'gone' where id = 5")
    async with other_hand(family, statement) as connection:
        tally = await meanwhile(family, run, connection)
    assert tally == Tally(applied=1 if careful else 2, conflicts=2 if careful else 1)
    assert (2, "conflict", reason) in await family.outcomes(run)
    assert await one(family.database, "select count(*) from public.parent where note = 'planned'") == 0


async def test_a_lock_that_changes_nothing_is_only_waited_for(family):
    run = await family.plan(lambda parent, _: [parent.delete(7)])
    async with other_hand(family, "select from public.parent where id = 7 for update") as connection:
        assert await meanwhile(family, run, connection) == Tally(applied=1)


async def test_a_row_that_refers_to_a_record_since_the_plan(family):
    run = await family.plan(
        lambda parent, _: [parent.delete(6), (parent.delete(7), parent.delete(8)), parent.delete(9)]
    )
    await rows(family.database, "insert into public.child values (70, 7)")
    assert await family.apply(run) == Tally(applied=2, failed=1, skipped=1)
    assert await family.outcomes(run) == [(2, "failed", "hidden_write"), (3, "skipped", "unit_mate")]
    assert await family.reason(run, 2) == {"table": "public.child", "rows": 1}
    assert await rows(family.database, "select p from public.child where id = 70") == [(7,)]


async def test_a_row_that_comes_to_refer_to_it_while_the_chunk_waits(family):
    before = await family.bytes_of("public.parent")
    run = await family.plan(lambda parent, _: [parent.delete(1), parent.delete(7)])
    async with other_hand(family, "insert into public.child values (70, 7)") as connection:
        assert await meanwhile(family, run, connection) == Tally(applied=2, failed=1)
    assert await family.outcomes(run) == [(3, "failed", "hidden_write")]
    assert await rows(family.database, "select id from public.child order by 1") == [(2,), (3,), (70,)]
    assert len((await family.bytes_of("public.parent"))[0]) == len(before[0]) - 1


async def test_a_key_that_is_taken_while_the_chunk_waits(family):
    run = await family.plan(lambda parent, _: [parent.create({"id": 20}), parent.create({"id": 21})])
    async with other_hand(family, "insert into public.parent values (21, 'first')") as connection:
        assert await meanwhile(family, run, connection) == Tally(applied=1, conflicts=1)
    assert await family.outcomes(run) == [(2, "conflict", "key_taken")]


async def test_what_is_nobodys_fault_is_not_held_against_the_changes(family):
    run = await family.plan(lambda parent, _: [parent.delete(7)])
    async with other_hand(family, "select from public.parent where id = 7 for update"):
        name = await one(family.database, "select current_database()")
        await rows(family.database, f"alter database {name} set lock_timeout = '50ms'")
        await family.database.stop()
        await family.database.start()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await family.apply(run)
    assert await family.outcomes(run) == []
    assert await family.apply(run) == Tally(applied=1)
