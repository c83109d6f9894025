"""The way back after a migration: columns that came, went, or have another type are noticed and explained."""

import pytest

from dure.db.pool import Database
from dure.runs.wording import sentence
from queueing import one, rows
from undoing import Done, back, bytes_of, codes, create, delete, do, params, preview, shapes, update

ITEM = "public.item"


@pytest.fixture
async def source(database: Database) -> Done:
    """A run that deletes 1, renames 2 and makes 9."""
    await rows(database, "create table public.item (id int primary key, name text, amount int)")
    await rows(database, "insert into public.item select g, 'n' || g, g from generate_series(1, 3) g")
    return await do(
        database,
        await shapes(database, ITEM),
        delete(ITEM, 1),
        update(ITEM, 2, name="new"),
        create(ITEM, id=9, name="made", amount=0),
    )


async def test_new_columns_are_explained_and_do_not_stand_in_the_way(database: Database, source: Done) -> None:
    await rows(database, "alter table public.item add column note text, add column stars int not null default 2 + 3")
    await rows(database, "update public.item set note = 'hello', stars = 1 where id in (2, 9)")
    present = await bytes_of(database, ITEM)
    undone = await back(database, source)
    assert undone.counts.codes == {"undo_migrated": 3}
    assert await params(database, undone, "1") == {"table": ITEM, "columns": ["note", "stars"]}
    assert await rows(database, "select * from public.item order by id") == [
        (1, "n1", 1, None, 5),
        (2, "n2", 2, "hello", 1),
        (3, "n3", 3, None, 5),
    ]
    assert undone.shapes[ITEM].column_names == ("id", "name", "amount", "note", "stars")
    # What the new columns held is in the rollback, so it comes back with it.
    await back(database, undone)
    assert await bytes_of(database, ITEM) == present


async def test_new_columns_in_another_order_and_by_force(database: Database, source: Done) -> None:
    await rows(database, "create table public.other (note text default 'd', amount int, name text, id int primary key)")
    await rows(database, "insert into public.other (amount, name, id) select amount, name, id from public.item")
    await rows(database, "drop table public.item")
    await rows(database, "alter table public.other rename to item")
    await rows(database, "update public.item set amount = 77, note = 'theirs' where id = 2")
    undone = await back(database, source, "force")
    assert undone.counts.codes == {"undo_migrated": 2, "undo_forced": 1}
    assert await rows(database, "select id, name, amount, note from public.item order by id") == [
        (1, "n1", 1, "d"),
        (2, "n2", 2, "theirs"),
        (3, "n3", 3, "d"),
    ]


@pytest.mark.parametrize(
    ("migration", "code", "columns"),
    [
        ("alter table public.item drop column amount", "undo_dropped", ["amount"]),
        ("alter table public.item rename column amount to total", "undo_dropped", ["amount"]),
        ("alter table public.item alter column amount type numeric", "undo_retyped", ["amount"]),
        ("alter table public.item drop constraint item_pkey, add primary key (id, name)", "table.key_not_unique", None),
        ("drop table public.item", "table.not_found", None),
        ("alter table public.item drop constraint item_pkey", "table.key_not_unique", None),
    ],
)
async def test_a_table_that_lost_what_it_had_is_said_to_be_past_it(
    database: Database, source: Done, migration: str, code: str, columns: list[str] | None
) -> None:
    await rows(database, migration)
    plan = await preview(database, source)
    assert plan.counts.codes == {"undo_irreversible": 3}
    assert plan.counts.conflicts == 3
    told = await params(database, plan, "1")
    assert told["text"]["code"] == code
    assert columns is None or told["text"]["params"]["columns"] == columns
    for lang in ("en", "ko"):
        said = sentence({"code": "undo_irreversible", "params": told}, lang)
        assert ITEM in said
        assert code not in said
    kinds = "select array_agg(distinct kind) from dure.change where run_id = %s"
    assert await one(database, kinds, [plan.id]) == ["keep"]


async def test_a_new_column_that_needs_a_value_and_has_no_default(database: Database, source: Done) -> None:
    await rows(database, "alter table public.item add column sort text not null default 'x'")
    await rows(database, "alter table public.item alter column sort drop default")
    plan = await preview(database, source)
    assert (await params(database, plan, "1"))["text"]["code"] == "undo_required"


async def test_only_the_table_that_lost_something_is_past_it(database: Database) -> None:
    for name in ("one", "two"):
        await rows(database, f"create table public.{name} (id int primary key, note text)")
        await rows(database, f"insert into public.{name} values (1, 'x')")
    known = await shapes(database, "public.one", "public.two")
    source = await do(database, known, delete("public.one", 1), delete("public.two", 1))
    await rows(database, "alter table public.one drop column note")
    undone = await back(database, source, "clean_only")
    assert undone.counts.codes == {"undo_irreversible": 1, "undo_clean": 1}
    assert await one(database, "select count(*) from public.two") == 1
    assert len(await codes(database, undone)) == 1
