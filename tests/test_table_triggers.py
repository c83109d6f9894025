"""Triggers of users: what they make of a row is noted, what they write elsewhere is refused, the way back is quiet."""

import pytest

from dure.runs.model import Tally
from dure.runs.stores.table import Table
from queueing import one, rows
from table_runs import Tables

STAMP = """
create table public.docs (id integer primary key, body text, edited text, seen integer default 0);
create table public.log (id bigint generated always as identity, doc integer);
insert into public.docs select i, 'body ' || i, 'long ago' from generate_series(1, 5) i;
create function public.stamp() returns trigger language plpgsql as
    $$ begin new.edited := 'by trigger'; return new; end $$;
create function public.note() returns trigger language plpgsql as
    $$ begin insert into log (doc) values (coalesce(new.id, old.id)); return null; end $$;
create trigger stamp before insert or update on public.docs for each row execute function public.stamp();
"""
LOG = "create trigger note after insert or update or delete on public.docs for each row execute function public.note()"


async def test_what_a_trigger_makes_of_a_row_is_noted_and_taken_back(database):
    await rows(database, STAMP)
    tables = await Tables.of(database, "public.docs")
    before = await tables.bytes_of()
    run, tally = await tables.do(lambda t: [t.update(1, {"body": "x"}), t.create({"id": 9}), t.delete(2)])
    assert tally == Tally(applied=3)
    found = "select seq, state, after[3] from dure.outcome where run_id = %s order by seq"
    assert await rows(database, found, [run]) == [(1, "applied", "by trigger"), (2, "applied", "by trigger")]
    assert await tables.undo(run) == Tally(applied=3)
    assert await tables.bytes_of() == before
    # And it is on again, the way it was.
    await rows(database, "update public.docs set body = 'y' where id = 3")
    assert await one(database, "select edited from public.docs where id = 3") == "by trigger"


async def test_a_trigger_that_came_after_the_plan(database):
    stamp = STAMP.rstrip().rsplit("\n", 1)
    await rows(database, stamp[0])
    tables = await Tables.of(database, "public.docs")
    before = await tables.bytes_of()
    run = await tables.plan(lambda t: [t.update(1, {"body": "x"}), t.create({"id": 9})])
    await rows(database, stamp[1])
    assert await tables.apply(run) == Tally(applied=2)
    assert await rows(database, "select id from public.docs where edited = 'by trigger' order by id") == [(1,), (9,)]
    assert await tables.undo(run) == Tally(applied=2)
    assert await tables.bytes_of() == before


async def test_triggers_come_back_as_they_were(database):
    await rows(
        database,
        STAMP
        + LOG
        + "; alter table public.docs disable trigger note; alter table public.docs enable always trigger stamp; "
        'create trigger "odd % name" before update on public.docs for each row execute function public.stamp(); '
        'alter table public.docs enable replica trigger "odd % name"',
    )
    enabled = "select tgname::text, tgenabled from pg_trigger where tgrelid = 'public.docs'::regclass order by 1"
    before = await rows(database, enabled)
    tables = await Tables.of(database, "public.docs")
    run, _ = await tables.do(lambda t: [t.delete(1)])
    assert await tables.undo(run) == Tally(applied=1)
    assert await rows(database, enabled) == before


async def test_a_row_that_a_trigger_writes_elsewhere_is_refused(database):
    await rows(database, STAMP + LOG.replace("public.note", "public.note"))
    await rows(database, "alter function public.note() set search_path = public")
    tables = await Tables.of(database, "public.docs")
    run, tally = await tables.do(lambda t: [t.delete(1), t.update(2, {"body": "x"})])
    assert tally == Tally(failed=2)
    assert await tables.reason(run, 1) == {"table": "public.log", "rows": 1}
    assert await one(database, "select count(*) from public.log") == 0
    assert await one(database, "select count(*) from public.docs where body like 'body%%'", []) == 5


async def test_a_table_that_was_said_to_be_a_leaf_keeps_what_is_written(database):
    await rows(database, STAMP + LOG)
    await rows(database, "alter function public.note() set search_path = public")
    tables = await Tables.of(database, Table("public.docs", leaves=("public.log",)))
    before = await tables.bytes_of()
    run, tally = await tables.do(lambda t: [t.delete(1), t.update(2, {"body": "x"})])
    assert tally == Tally(applied=2)
    assert await one(database, "select count(*) from public.log") == 2
    assert await tables.undo(run) == Tally(applied=2)
    assert await one(database, "select count(*) from public.log") == 2
    assert await tables.bytes_of() == before


@pytest.mark.parametrize(
    ("body", "when", "code"),
    [
        ("return null;", "before", "not_as_planned"),
        ("raise 'not this one';", "before", "database"),
        ("update public.docs set seen = 1 where id = 5;", "after", "hidden_write"),
        ("delete from public.docs where id = 5;", "after", "hidden_write"),
        ("insert into public.docs values (77);", "after", "hidden_write"),
    ],
)
async def test_a_trigger_that_does_something_else(database, body, when, code):
    await rows(
        database,
        STAMP + "create function public.odd() returns trigger language plpgsql as "
        f"$$ begin if old.id = 2 then {body} end if; return old; end $$; "
        f"create trigger odd {when} delete on public.docs for each row execute function public.odd()",
    )
    tables = await Tables.of(database, "public.docs")
    run, tally = await tables.do(lambda t: [t.delete(1), (t.delete(2), t.delete(3)), t.delete(4)])
    assert tally == Tally(applied=2, failed=1, skipped=1)
    assert await tables.outcomes(run) == [(2, "failed", code), (3, "skipped", "unit_mate")]
    assert await rows(database, "select id, seen from public.docs order by 1") == [(2, 0), (3, 0), (5, 0)]


async def test_a_check_that_waits_for_the_end_of_the_transaction(database):
    await rows(
        database,
        STAMP + "create function public.late() returns trigger language plpgsql as "
        "$$ begin if old.id = 2 then raise 'late'; end if; return null; end $$; "
        "create constraint trigger late after delete on public.docs deferrable initially deferred "
        "for each row execute function public.late()",
    )
    tables = await Tables.of(database, "public.docs")
    run, tally = await tables.do(lambda t: [t.delete(1), t.delete(2), t.delete(3)])
    assert tally == Tally(applied=2, failed=1)
    assert (await tables.reason(run, 2))["message"] == "late"


async def test_a_trigger_that_gives_a_new_row_another_key(database):
    await rows(
        database,
        "create table public.k (id integer primary key); create function public.other() returns trigger "
        "language plpgsql as $$ begin new.id := new.id + 100; return new; end $$; "
        "create trigger other before insert on public.k for each row execute function public.other()",
    )
    tables = await Tables.of(database, "public.k")
    run, tally = await tables.do(lambda k: [k.create({"id": 1})])
    assert tally == Tally(failed=1)
    assert await tables.outcomes(run) == [(1, "failed", "not_as_planned")]
    assert await rows(database, "select from public.k") == []
