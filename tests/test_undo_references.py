"""The way back where records refer to each other: what is missing, what hangs on what was made, what came since."""

import pytest

from dure.db.pool import Database
from queueing import one, rows
from undoing import apply, back, bytes_of, codes, create, delete, do, params, preview, rehearsed, shapes, update

HOUSE, ROOM, LAMP = "public.house", "public.room", "public.lamp"


@pytest.fixture
async def houses(database: Database) -> Database:
    for statement in (
        "create table public.house (id int primary key, name text)",
        "create table public.room (id int primary key, house_id int, up int references public.room)",
        "alter table public.room add foreign key (house_id) references public.house on delete cascade",
        "create table public.lamp (id int primary key, room_id int references public.room on delete set null)",
        "insert into public.house select g, 'h' || g from generate_series(1, 4) g",
        "insert into public.room select g, (g + 1) / 2, null from generate_series(1, 8) g",
        "insert into public.lamp select g, g from generate_series(1, 8) g",
    ):
        await rows(database, statement)
    return database


async def everything(database: Database) -> list[list[str]]:
    return [await bytes_of(database, table) for table in (HOUSE, ROOM, LAMP)]


async def test_parents_come_back_before_their_children(houses: Database) -> None:
    before = await everything(houses)
    source = await do(houses, await shapes(houses, HOUSE, ROOM, LAMP), delete(HOUSE, 1), delete(HOUSE, 2))
    assert await one(houses, "select count(*) from public.room") == 4
    undone = await back(houses, source)
    assert undone.counts.conflicts == 0
    assert undone.tally.applied == 10
    assert await everything(houses) == before


async def test_a_child_whose_parent_went_since_is_blocked(houses: Database) -> None:
    await rows(houses, "delete from public.lamp")
    source = await do(houses, await shapes(houses, ROOM, LAMP), delete(ROOM, 1), delete(ROOM, 3))
    await rows(houses, "delete from public.room where house_id = 1; delete from public.house where id = 1")
    plan = await preview(houses, source)
    found = await codes(houses, plan)
    assert found[("1",)] == "undo_blocked"
    assert found[("3",)] == "undo_clean"
    assert await params(houses, plan, "1") == {"constraint": "room_house_id_fkey", "table": "public.house"}


async def test_what_hangs_on_a_blocked_record_is_blocked_as_well(houses: Database) -> None:
    await rows(houses, "update public.room set up = 1 where id = 2; update public.room set up = 2 where id = 3")
    await rows(houses, "delete from public.lamp")
    source = await do(houses, await shapes(houses, ROOM, LAMP), delete(ROOM, 3), delete(ROOM, 2), delete(ROOM, 1))
    await rows(houses, "delete from public.house where id = 1")
    undone = await back(houses, source, "clean_only")
    assert await codes(houses, undone) == {(key,): "undo_blocked" for key in "123"}
    assert undone.tally.applied == 0


async def test_a_made_record_that_others_refer_to_by_now_stays(houses: Database) -> None:
    known = await shapes(houses, HOUSE, ROOM, LAMP)
    source = await do(houses, known, create(HOUSE, id=10, name="a"), create(HOUSE, id=11, name="b"))
    await rows(houses, "insert into public.room values (100, 10)")
    plan = await preview(houses, source)
    assert await codes(houses, plan) == {("11",): "undo_clean", ("10",): "undo_blocked"}
    assert await params(houses, plan, "10") == {"constraint": "room_house_id_fkey", "table": "public.room"}
    forced = await preview(houses, source, "force")
    assert await codes(houses, forced) == {("11",): "undo_clean", ("10",): "undo_blocked"}


async def test_a_made_record_goes_with_the_children_that_were_made_with_it(houses: Database) -> None:
    before = await everything(houses)
    known = await shapes(houses, HOUSE, ROOM, LAMP)
    source = await do(houses, known, [create(HOUSE, id=10, name="a"), create(ROOM, id=100, house_id=10)])
    assert source.tally.applied == 2
    undone = await back(houses, source)
    assert undone.counts.codes == {"undo_clean": 2}
    assert await everything(houses) == before


async def test_children_of_a_made_record_that_moved_elsewhere_do_not_hold_it(houses: Database) -> None:
    before = await everything(houses)
    known = await shapes(houses, HOUSE, ROOM, LAMP)
    source = await do(houses, known, [create(HOUSE, id=10, name="a"), update(ROOM, 1, house_id=10)])
    undone = await back(houses, source)
    assert undone.counts.codes == {"undo_clean": 2}
    assert await everything(houses) == before


async def test_a_cascade_typed_by_hand_comes_back_and_goes_again(houses: Database) -> None:
    before = await everything(houses)
    run, _ = await rehearsed(houses, "delete from public.house where id < 3")
    await apply(houses, run.id, run.shapes, restoring=False)
    after = await everything(houses)
    undone = await back(houses, run)
    assert await everything(houses) == before
    redone = await back(houses, undone)
    assert redone.counts.conflicts == 0
    assert await everything(houses) == after


async def test_triggers_do_not_change_what_comes_back(houses: Database) -> None:
    before = await everything(houses)
    known = await shapes(houses, HOUSE, ROOM, LAMP)
    source = await do(houses, known, delete(HOUSE, 1), update(HOUSE, 2, name="new"))
    await rows(
        houses,
        "create function public.shout() returns trigger language plpgsql as"
        " $$ begin new.name := upper(new.name); return new; end $$",
    )
    await rows(
        houses,
        "create trigger shout before insert or update on public.house for each row execute function public.shout()",
    )
    undone = await back(houses, source)
    assert undone.tally.applied == 6
    assert await everything(houses) == before


async def test_what_a_trigger_made_of_a_change_is_what_is_compared(houses: Database) -> None:
    await rows(
        houses,
        "create function public.shout() returns trigger language plpgsql as"
        " $$ begin new.name := upper(new.name); return new; end $$",
    )
    await rows(
        houses,
        "create trigger shout before insert or update on public.house for each row execute function public.shout()",
    )
    before = await everything(houses)
    source = await do(
        houses, await shapes(houses, HOUSE, ROOM, LAMP), update(HOUSE, 1, name="new"), create(HOUSE, id=9, name="x")
    )
    assert await one(houses, "select name from public.house where id = 1") == "NEW"
    undone = await back(houses, source)
    assert undone.counts.codes == {"undo_clean": 2}
    assert await everything(houses) == before
