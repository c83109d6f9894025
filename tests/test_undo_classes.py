"""The way back of table changes: each class of change, and what each mode makes of it."""

import pytest

from dure.db.pool import Database
from queueing import one, rows
from undoing import Done, back, bytes_of, codes, create, delete, do, params, preview, shapes, update

ITEM = "public.item"


@pytest.fixture
async def items(database: Database) -> Database:
    await rows(
        database,
        "create table public.item (id bigint primary key, code text unique, name text not null, amount numeric(10,2))",
    )
    await rows(
        database, "insert into public.item select g, 'c' || g, 'name ' || g, g + 0.5 from generate_series(1, 6) g"
    )
    return database


async def changed(items: Database) -> Done:
    """A run that deletes 1 and 2, renames 3 and 4, and makes 10 and 11."""
    known = await shapes(items, ITEM)
    return await do(
        items,
        known,
        delete(ITEM, 1),
        delete(ITEM, 2),
        update(ITEM, 3, name="new 3"),
        update(ITEM, 4, name="new 4"),
        create(ITEM, id=10, code="c10", name="made", amount=1),
        create(ITEM, id=11, code="c11", name="made", amount=2),
    )


async def test_everything_comes_back_as_it_was(items: Database) -> None:
    before = await bytes_of(items, ITEM)
    source = await changed(items)
    assert source.tally.applied == 6
    assert await bytes_of(items, ITEM) != before
    undone = await back(items, source)
    assert undone.tally.applied == 6
    assert undone.counts.codes == {"undo_clean": 6}
    assert await bytes_of(items, ITEM) == before


async def test_a_preview_changes_nothing_and_says_what_is_undone_last_first(items: Database) -> None:
    source = await changed(items)
    present = await bytes_of(items, ITEM)
    plan = await preview(items, source)
    assert await bytes_of(items, ITEM) == present
    found = await rows(
        items, "select seq, kind, undoes, key[1] from dure.change where run_id = %s order by seq", [plan.id]
    )
    assert [row[1:] for row in found] == [
        ("delete", 6, "11"),
        ("delete", 5, "10"),
        ("update", 4, "4"),
        ("update", 3, "3"),
        ("create", 2, "2"),
        ("create", 1, "1"),
    ]
    hashed = "select hash = dure.hash_changes(run_id, no) and changes = 6 from dure.chunk where run_id = %s"
    assert await one(items, hashed, [plan.id])


async def test_what_is_as_before_already_is_kept(items: Database) -> None:
    source = await changed(items)
    await rows(items, "insert into public.item values (1, 'c1', 'name 1', 1.5)")
    await rows(items, "update public.item set name = 'name 3' where id = 3")
    await rows(items, "delete from public.item where id = 10")
    undone = await back(items, source)
    assert undone.counts.conflicts == 0
    assert undone.tally.applied == 3
    found = await codes(items, undone)
    assert {key for key, code in found.items() if code == "undo_restored"} == {("1",), ("3",), ("10",)}


async def test_each_conflict_has_its_class_and_names_what_differs(items: Database) -> None:
    source = await changed(items)
    await rows(items, "insert into public.item values (1, 'other', 'name 1', 1.5)")
    await rows(items, "insert into public.item values (22, 'c2', 'took the code', 0)")
    await rows(items, "update public.item set name = 'theirs', amount = 9 where id = 3")
    await rows(items, "delete from public.item where id = 4")
    await rows(items, "update public.item set amount = 7 where id = 10")
    plan = await preview(items, source)
    assert await codes(items, plan) == {
        ("11",): "undo_clean",
        ("10",): "undo_changed",
        ("4",): "undo_missing",
        ("3",): "undo_changed",
        ("2",): "undo_key_taken",
        ("1",): "undo_key_taken",
    }
    assert plan.counts.conflicts == 5
    assert plan.counts.changes == 1
    assert (await params(items, plan, "3"))["columns"] == ["name", "amount"]
    assert (await params(items, plan, "1"))["columns"] == ["code"]
    assert await params(items, plan, "2") == {"index": "item_code_key", "columns": ["code"], "key": ["22"]}
    kinds = dict(await rows(items, "select kind, count(*) from dure.change where run_id = %s group by kind", [plan.id]))
    assert kinds == {"delete": 1, "keep": 5}


async def test_clean_only_does_the_rest(items: Database) -> None:
    source = await changed(items)
    await rows(items, "update public.item set name = 'theirs' where id = 3")
    undone = await back(items, source, "clean_only")
    assert undone.tally.applied == 5
    assert await one(items, "select name from public.item where id = 3") == "theirs"
    assert await one(items, "select count(*) from public.item where id in (1, 2, 10, 11)") == 2


async def test_force_saves_the_present_state_so_that_it_can_come_back(items: Database) -> None:
    before = await bytes_of(items, ITEM)
    source = await changed(items)
    await rows(items, "insert into public.item values (1, 'other', 'theirs', null)")
    await rows(items, "insert into public.item values (22, 'c2', 'took the code', 0)")
    await rows(items, "update public.item set name = 'theirs', amount = 9 where id = 3")
    await rows(items, "delete from public.item where id = 4")
    await rows(items, "update public.item set amount = 7 where id = 10")
    present = await bytes_of(items, ITEM)
    undone = await back(items, source, "force")
    assert undone.counts.codes == {"undo_forced": 5, "undo_clean": 1}
    assert undone.tally.applied == 6
    assert await bytes_of(items, ITEM) == before
    again = await back(items, undone)
    assert again.tally.applied == 6
    assert await bytes_of(items, ITEM) == present


async def test_a_rollback_can_be_rolled_back_and_so_on(items: Database) -> None:
    before = await bytes_of(items, ITEM)
    source = await changed(items)
    after = await bytes_of(items, ITEM)
    undone = await back(items, source)
    assert await one(items, "select count(*) from dure.undone(%s)", [source.id]) == 6
    redone = await back(items, undone)
    assert await bytes_of(items, ITEM) == after
    assert await one(items, "select count(*) from dure.undone(%s)", [source.id]) == 0
    assert await one(items, "select count(*) from dure.undone(%s)", [undone.id]) == 6
    await back(items, redone)
    assert await bytes_of(items, ITEM) == before
    assert await one(items, "select count(*) from dure.undone(%s)", [source.id]) == 6


async def test_what_is_undone_is_not_undone_again(items: Database) -> None:
    source = await changed(items)
    await back(items, source, seqs=[1])
    plan = await preview(items, source)
    assert await codes(items, plan) == {(key,): "undo_clean" for key in ("11", "10", "4", "3", "2")}


async def test_a_part_is_undone_by_subject_with_its_whole_unit(items: Database) -> None:
    known = await shapes(items, ITEM)
    source = await do(items, known, [delete(ITEM, 1), update(ITEM, 2, name="heir of 1")], delete(ITEM, 3))
    undone = await back(items, source, subjects=["1"])
    assert undone.tally.applied == 2
    assert await rows(items, "select id, name from public.item where id <= 3 order by id") == [
        (1, "name 1"),
        (2, "name 2"),
    ]
    rest = await back(items, source)
    assert rest.tally.applied == 1


async def test_a_unit_is_undone_wholly_or_not_at_all(items: Database) -> None:
    known = await shapes(items, ITEM)
    source = await do(items, known, [delete(ITEM, 1), update(ITEM, 2, name="heir of 1")], delete(ITEM, 3))
    await rows(items, "update public.item set name = 'theirs' where id = 2")
    undone = await back(items, source, "clean_only")
    assert await codes(items, undone) == {("3",): "undo_clean", ("2",): "undo_changed", ("1",): "undo_unit_mate"}
    assert undone.tally.applied == 1
    assert await one(items, "select count(*) from public.item where id = 1") == 0


async def test_a_key_goes_back_and_is_a_conflict_when_it_is_taken(items: Database) -> None:
    known = await shapes(items, ITEM)
    before = await bytes_of(items, ITEM)
    source = await do(items, known, update(ITEM, 1, id=101), update(ITEM, 2, id=102))
    await rows(items, "insert into public.item values (2, 'x', 'newcomer', 0)")
    plan = await preview(items, source)
    assert await codes(items, plan) == {("101",): "undo_clean", ("102",): "undo_key_taken"}
    await rows(items, "delete from public.item where id = 2")
    await back(items, source)
    assert await bytes_of(items, ITEM) == before


async def test_values_that_a_record_of_the_same_run_took_are_free_again(items: Database) -> None:
    known = await shapes(items, ITEM)
    before = await bytes_of(items, ITEM)
    source = await do(items, known, delete(ITEM, 1), create(ITEM, id=50, code="c1", name="heir", amount=0))
    assert source.tally.applied == 2
    undone = await back(items, source)
    assert undone.counts.codes == {"undo_clean": 2}
    assert await bytes_of(items, ITEM) == before


async def test_a_partial_index_speaks_only_of_its_rows(items: Database) -> None:
    await rows(items, "alter table public.item drop constraint item_code_key")
    await rows(items, "create unique index live_code on public.item (lower(code)) where amount > 0")
    source = await changed(items)
    await rows(items, "insert into public.item values (30, 'C1', 'out of sight', -1), (31, 'C2', 'in the way', 1)")
    assert await codes(items, await preview(items, source, seqs=[1, 2])) == {
        ("2",): "undo_key_taken",
        ("1",): "undo_clean",
    }
