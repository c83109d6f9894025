"""A statement that an operator types becomes a plan: what it would do, done as it was rehearsed, and taken back."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from dure.db.pool import Database
from dure.errors import Conflict
from queueing import one, rows
from undoing import apply, back, bytes_of, planned, rehearsed

TABLES = ("public.parent", "public.child", "public.toy", "public.note")


FAMILY = (
    "create table public.parent (id int primary key, name text unique, made timestamptz not null default now())",
    "create table public.child (id int primary key, parent_id int not null, name text)",
    "create table public.toy (id int generated always as identity primary key, child_id int)",
    "create table public.note (id int primary key, parent_id int, text text)",
    "alter table public.child add foreign key (parent_id) references public.parent on delete cascade",
    "alter table public.toy add foreign key (child_id) references public.child on delete cascade",
    "alter table public.note add foreign key (parent_id) references public.parent on delete set null",
    "insert into public.parent select g, 'p' || g from generate_series(1, 9) g",
    "insert into public.child select g, g % 9 + 1, 'c' || g from generate_series(1, 18) g",
    "insert into public.toy (child_id) select g % 18 + 1 from generate_series(1, 36) g",
    "insert into public.note select g, g % 9 + 1, 't' || g from generate_series(1, 9) g",
)


@pytest.fixture
async def family(database: Database) -> Database:
    for statement in FAMILY:
        await rows(database, statement)
    return database


@pytest.fixture
async def same_family(shared_url: str) -> AsyncIterator[Database]:
    """For tests that leave everything as it was."""
    async with Database(shared_url) as database:
        if await one(database, "select to_regclass('public.note') is null"):
            for statement in FAMILY:
                await rows(database, statement)
        yield database


async def everything(database: Database) -> list[list[str]]:
    return [await bytes_of(database, table) for table in TABLES]


async def outcome_of(database: Database, statement: str) -> list[list[str]]:
    """What the tables hold after the plain statement, which is then thrown away."""
    async with await psycopg.AsyncConnection.connect(database.url) as connection:
        await connection.execute("set timezone to 'UTC'")
        await connection.execute(statement.encode())
        held = []
        for table in TABLES:
            cursor = await connection.execute(f"select t::text from {table} t order by t::text".encode())
            held.append([text for (text,) in await cursor.fetchall()])
        await connection.rollback()
        return held


STATEMENTS = {
    "delete with cascades": "delete from public.parent where id <= 3",
    "delete of all": "delete from public.parent",
    "update": "update public.child set name = upper(name) where id % 2 = 0",
    "update of a key": "update public.note set id = id + 100 where id < 4",
    "update of a key and more": "update public.note set id = id + 100, text = text || '!' where id < 4",
    "insert": "insert into public.parent select g, 'new' || g, '2020-01-01' from generate_series(20, 25) g",
    "insert of an identity": "insert into public.toy overriding system value values (1000, 1) returning id",
    "upsert": "insert into public.parent values (1, 'p1', 'epoch'), (50, 'p50', 'epoch')"
    " on conflict (id) do update set name = 'again ' || parent.name",
    "upsert that does nothing": "insert into public.parent values (1, 'p1', 'epoch'), (50, 'p50', 'epoch')"
    " on conflict do nothing",
    "writes in parts": "with gone as (delete from public.note where id < 5 returning *)"
    " insert into public.parent (id, name, made) select id + 200, text, 'epoch' from gone",
    "parent and child at once": "with made as (insert into public.parent values (70, 'p70', 'epoch') returning id)"
    " update public.note set parent_id = 70 where id = 2",
    "a unique value goes to another": "with gone as (delete from public.parent where id = 9 returning *)"
    " insert into public.parent select 90, name, made from gone",
    "join": "update public.note n set text = c.name from public.child c where c.id = n.id and c.parent_id in (2, 3)",
    "nothing": "delete from public.parent where id > 1000",
}
MERGE = (
    "merge into public.note n using (values (1, 'one'), (2, 'two'), (77, 'new')) s (id, text) on n.id = s.id"
    " when matched and s.id = 2 then delete when matched then update set text = s.text"
    " when not matched then insert values (s.id, null, s.text)"
)


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
async def test_the_plan_does_what_the_statement_does_and_goes_back(same_family: Database, statement: str) -> None:
    family = same_family
    before, wanted = await everything(family), await outcome_of(family, statement)
    run, found = await rehearsed(family, statement)
    assert await everything(family) == before
    tally = await apply(family, run.id, run.shapes, restoring=False)
    assert (tally.conflicts, tally.failed, tally.skipped) == (0, 0, 0)
    assert tally.applied == sum(found.counts.values())
    assert await everything(family) == wanted
    undone = await back(family, run)
    assert undone.tally.applied == tally.applied
    assert await everything(family) == before


async def test_merge(family: Database) -> None:
    if await one(family, "select current_setting('server_version_num')::int < 150000"):
        pytest.skip("before MERGE")
    before, wanted = await everything(family), await outcome_of(family, MERGE)
    run, found = await rehearsed(family, MERGE)
    assert (found.command, found.counts) == ("MERGE", {"create": 1, "update": 1, "delete": 1})
    await apply(family, run.id, run.shapes, restoring=False)
    assert await everything(family) == wanted
    await back(family, run)
    assert await everything(family) == before


async def test_cascades_are_changes_of_their_own_before_what_they_hang_on(family: Database) -> None:
    run, found = await rehearsed(family, "delete from public.parent where id = 3")
    assert [(store, kind) for store, kind, *_ in await planned(family, run)] == [
        ("public.note", "update"),
        *[("public.toy", "delete")] * 4,
        *[("public.child", "delete")] * 2,
        ("public.parent", "delete"),
    ]
    assert await one(family, "select count(distinct unit) from dure.change where run_id = %s", [run.id]) == 1
    told = "select reason->>'code', count(*) from dure.change where run_id = %s group by 1 order by 1 nulls last"
    assert await rows(family, told, [run.id]) == [("cascade", 6), ("set_null", 1), (None, 1)]
    assert found.command == "DELETE"
    assert found.population["public.parent"] == 9


async def test_a_new_key_is_an_update_and_not_a_delete_and_a_create(family: Database) -> None:
    run, found = await rehearsed(family, "update public.note set id = id + 100 where id < 3")
    assert found.counts == {"create": 0, "update": 2, "delete": 0}
    assert await planned(family, run) == [
        ("public.note", "update", ["1"], ["101"]),
        ("public.note", "update", ["2"], ["102"]),
    ]


async def test_references_follow_a_new_key(family: Database) -> None:
    await rows(family, "alter table public.note drop constraint note_parent_id_fkey")
    await rows(family, "alter table public.child drop constraint child_parent_id_fkey")
    await rows(
        family, "alter table public.child add foreign key (parent_id) references public.parent on update cascade"
    )
    before, statement = await everything(family), "update public.parent set id = id + 500 where id < 3"
    wanted = await outcome_of(family, statement)
    run, _ = await rehearsed(family, statement)
    assert (await apply(family, run.id, run.shapes, restoring=False)).applied == 6
    assert await everything(family) == wanted
    assert (await back(family, run)).tally.applied == 6
    assert await everything(family) == before


async def test_rows_that_stay_the_same_are_not_changes(family: Database) -> None:
    run, found = await rehearsed(family, "update public.child set name = case when id = 1 then 'x' else name end")
    assert found.counts["update"] == 1
    assert [(note.code, note.params) for note in found.notes] == [("note_unchanged", {"count": 17})]
    assert len(await planned(family, run)) == 1


async def test_what_is_random_comes_out_as_it_was_rehearsed(family: Database) -> None:
    run, _ = await rehearsed(family, "update public.child set name = md5(random()::text) where id = 1")
    shown = await one(family, "select after[3] from dure.change where run_id = %s", [run.id])
    await apply(family, run.id, run.shapes, restoring=False)
    assert await one(family, "select name from public.child where id = 1") == shown


async def test_sequences_that_went_on_are_named(family: Database) -> None:
    run, found = await rehearsed(family, "insert into public.toy (child_id) values (1)")
    assert [(note.code, note.params) for note in found.notes] == [
        ("note_sequences", {"sequences": "public.toy_id_seq"})
    ]
    await apply(family, run.id, run.shapes, restoring=False)
    assert await one(family, "select max(id) from public.toy") == 37


async def test_a_row_that_changes_before_the_plan_is_applied_is_a_conflict(family: Database) -> None:
    run, _ = await rehearsed(family, "update public.child set name = 'x' where id in (1, 2)")
    await rows(family, "update public.child set name = 'theirs' where id = 1")
    tally = await apply(family, run.id, run.shapes, restoring=False)
    assert (tally.applied, tally.conflicts) == (1, 1)
    assert await rows(family, "select name from public.child where id in (1, 2) order by id") == [("theirs",), ("x",)]


async def test_a_child_that_comes_before_the_plan_is_applied_keeps_its_parent(family: Database) -> None:
    run, _ = await rehearsed(family, "delete from public.parent where id in (1, 2)")
    await rows(family, "insert into public.child values (100, 1, 'newborn')")
    tally = await apply(family, run.id, run.shapes, restoring=False)
    assert tally.failed + tally.conflicts + tally.skipped == 8
    assert tally.applied == 8
    assert await rows(family, "select id from public.parent where id in (1, 2)") == [(1,)]
    assert await one(family, "select count(*) from public.child where parent_id = 1") == 3


async def test_others_rows_are_waited_for_but_not_forever(family: Database) -> None:
    async with await psycopg.AsyncConnection.connect(family.url) as other:
        await other.execute("update public.child set name = 'theirs' where id = 1")
        with pytest.raises(Conflict) as refused:
            await rehearsed(family, "delete from public.child", lock_timeout_s=0.1)
        assert refused.value.reason == "rehearsal.busy"
        await other.rollback()
    run, _ = await rehearsed(family, "delete from public.child", lock_timeout_s=0.1)
    assert len(await planned(family, run)) == 54


async def test_a_lock_beside_is_not_taken_for_a_change(family: Database) -> None:
    async with await psycopg.AsyncConnection.connect(family.url) as other:
        await other.execute("select from public.parent where id = 1 for key share")
        run, found = await rehearsed(family, "update public.parent set made = 'epoch' where id < 3")
        assert found.counts == {"create": 0, "update": 2, "delete": 0}
        run, found = await rehearsed(family, "insert into public.child values (30, 1, 'x')")
        assert await planned(family, run) == [("public.child", "create", ["30"], None)]


async def test_a_tree_goes_with_its_branches(database: Database) -> None:
    await rows(
        database, "create table public.tree (id int primary key, up int references public.tree on delete cascade)"
    )
    await rows(database, "insert into public.tree select g, nullif(g / 3, 0) from generate_series(1, 40) g")
    before = await bytes_of(database, "public.tree")
    run, found = await rehearsed(database, "delete from public.tree where id = 2")
    assert found.counts["delete"] > 8
    assert await one(database, "select count(distinct unit) from dure.change where run_id = %s", [run.id]) == 1
    await apply(database, run.id, run.shapes, restoring=False)
    assert await one(database, "select count(*) from public.tree") == 40 - found.counts["delete"]
    await back(database, run)
    assert await bytes_of(database, "public.tree") == before


async def test_a_unit_that_is_too_large_is_cut_with_the_children_first(family: Database) -> None:
    await rows(family, "insert into public.child select g, 1, 'c' from generate_series(1000, 13000) g")
    before = await everything(family)
    run, found = await rehearsed(family, "delete from public.parent where id = 1")
    assert [(note.code, note.params) for note in found.notes] == [("note_units_cut", {"count": 1})]
    sizes = await rows(family, "select changes from dure.chunk where run_id = %s order by no", [run.id])
    assert len(sizes) > 1
    assert max(sizes)[0] <= 10_000
    assert (await planned(family, run))[-1][:3] == ("public.parent", "delete", ["1"])
    tally = await apply(family, run.id, run.shapes, restoring=False)
    assert tally.applied == sum(found.counts.values())
    await back(family, run)
    assert await everything(family) == before


async def test_partitions_are_one_table(database: Database) -> None:
    await rows(database, "create table public.log (id int, day date, primary key (id, day)) partition by range (day)")
    for year in (2024, 2025):
        await rows(
            database,
            f"create table public.log_{year} partition of public.log"
            f" for values from ('{year}-01-01') to ('{year + 1}-01-01')",
        )
    await rows(database, "insert into public.log select g, '2024-01-01'::date + g * 20 from generate_series(1, 30) g")
    before = await bytes_of(database, "public.log")
    run, found = await rehearsed(database, "update public.log set day = day + 300 where id < 4")
    assert sum(found.counts.values())
    assert set(found.shapes) == {"public.log"}
    await apply(database, run.id, run.shapes, restoring=False)
    assert await bytes_of(database, "public.log") != before
    await back(database, run)
    assert await bytes_of(database, "public.log") == before
