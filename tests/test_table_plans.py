"""What a planner drafts becomes a plan that is complete: exact images, concrete values, and all that follows."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import psycopg
import pytest

from dure.errors import Invalid
from dure.runs.stores.table import Table
from queueing import one, rows
from table_runs import Tables, kinds


class Mood(Enum):
    GOOD = "good"


async def values_of(tables, run):
    return await rows(tables.database, "select after from dure.change where run_id = %s order by seq", [run])


@pytest.fixture
async def items(database):
    await rows(
        database,
        """
        create type public.mood as enum ('good', 'bad');
        create domain public.short as varchar(3);
        create domain public.stamp as text default 'made ' || current_date not null;
        create sequence public.numbers start 100;
        create function public.next_label() returns text language sql as
            $$ select 'label ' || nextval('public.numbers') $$;
        create table public.items (
            id integer generated always as identity primary key, name varchar(5) not null default 'none',
            amount numeric(6, 2), label text default public.next_label(), day date default now(), n integer default 1.5,
            mood public.mood, tags text[], doc json, docb jsonb, raw bytea, short public.short, stamp public.stamp,
            whole integer generated always as (n * 2) stored, at timestamptz, took interval, uuid uuid, flags bit(3));
        insert into public.items (name, amount) select 'n' || i, i from generate_series(1, 5) i;
        """,
    )
    return await Tables.of(database, "public.items")


async def test_a_create_is_concrete_before_anyone_says_yes(items):
    planned = await items.complete(
        lambda table: [table.create({"name": "new"}), table.create({"id": 77, "label": None})]
    )
    shape = items.shapes["public.items"]
    first, second = (shape.by_name(change.after) for (change,) in planned)
    today = str(datetime.now(UTC).date())
    assert (first["id"], first["name"], first["n"], first["day"]) == ("6", "new", "2", today)
    assert (first["label"], first["stamp"], first["amount"]) == ("label 105", f"made {today}", None)
    assert (second["id"], second["name"], second["label"]) == ("77", "none", None)
    assert [change.key for (change,) in planned] == [("6",), ("77",)]

    run = await items.write(planned)
    assert (await items.apply(run)).applied == 2
    assert await rows(items.database, "select id, name, whole from public.items where id > 5 order by 1") == [
        (6, "new", 4),
        (77, "none", 4),
    ]
    assert await items.outcomes(run) == []


async def test_python_values_become_the_columns_own_text(items):
    given = {
        "amount": Decimal("7.005"),
        "mood": Mood.GOOD,
        "tags": ["a", None, 'q"\\,{}', "NULL", ""],
        "doc": {"b": 1, "a": [1, None]},
        "docb": [True, "한글"],
        "raw": bytes(range(256)),
        "day": date(2024, 2, 29),
        "at": datetime(2024, 5, 1, 9, 30, 0, 5, tzinfo=UTC),
        "took": timedelta(days=1, seconds=5),
        "uuid": UUID(int=5),
        "flags": "101",
        "short": "abc",
        "n": True and 3,
    }
    run, tally = await items.do(lambda table: [table.update(1, given)])
    assert tally.applied == 1
    (row,) = await rows(
        items.database,
        "select amount, mood::text, tags, doc::text, docb, raw, day, at, took, uuid, flags::text, short, n "
        "from public.items where id = 1",
    )
    assert row == (
        Decimal("7.01"), "good", given["tags"], '{"b": 1, "a": [1, null]}', [True, "한글"], given["raw"], given["day"],
        given["at"], given["took"], given["uuid"], "101", "abc", 3,
    )  # fmt: skip
    assert await items.outcomes(run) == []


async def test_a_value_that_the_database_would_not_take_names_its_column(items):
    wrong = [
        ({"name": "too long"}, "name"),
        ({"amount": "x"}, "amount"),
        ({"amount": 12345}, "amount"),
        ({"mood": "so-so"}, "mood"),
        ({"doc": "{x"}, "doc"),
        ({"short": "four"}, "short"),
        ({"flags": "1111"}, "flags"),
        ({"stamp": None}, "stamp"),
        ({"name": None}, "name"),
        ({"whole": 4}, "whole"),
        ({"id": 9}, "id"),
        ({"nothing": 1}, "nothing"),
        ({"n": object()}, "n"),
        ({"tags": "{a"}, "tags"),
        ({"day": "2024-02-30", "n": 1, "name": "ok"}, "day"),
    ]
    told = []
    for values, _ in wrong:
        with pytest.raises(Invalid) as error:
            await items.complete(lambda table, values=values: [table.update(2, {"n": 5}), table.update(1, values)])
        told.append(error.value.field)
    assert told == [f"public.items.{field}" for _, field in wrong]


async def test_a_key_that_cannot_be_one(items):
    for key in ("x", (1, 2), None, (), "99999999999999"):
        with pytest.raises(Invalid) as error:
            await items.complete(lambda table, key=key: [table.delete(key if key is not None else (None,))])
        assert error.value.field == "public.items.key"


async def test_what_cannot_or_need_not_be_done_is_kept_with_its_reason(items):
    planned = await items.complete(
        lambda table: [
            table.update(1, {"amount": "1.000"}),
            table.delete(99),
            table.create({"id": 2}),
            (table.delete(3), table.update(98, {"n": 2})),
            table.keep(4, reason="needed"),
            (table.update(5, {"name": "n5"}), table.delete(1)),
        ]
    )
    told = [[(change.kind, change.key[0], change.reason and change.reason.code) for change in unit] for unit in planned]
    assert told == [
        [("keep", "1", "no_change")],
        [("keep", "99", "missing")],
        [("keep", "2", "key_taken")],
        [("keep", "3", "unit_mate"), ("keep", "98", "missing")],
        [("keep", "4", "said")],
        [("keep", "5", "no_change"), ("delete", "1", None)],
    ]
    run = await items.write(planned)
    assert (await items.apply(run)).applied == 1


async def test_a_record_that_two_want_to_delete_goes_once(items):
    planned = await items.complete(
        lambda table: [(table.delete(1, reason="first"), table.delete(2)), table.delete("01"), table.delete(3)]
    )
    assert kinds(planned) == [
        [("delete", "public.items", "1"), ("delete", "public.items", "2")],
        [("delete", "public.items", "3")],
    ]


async def test_a_handle_reads_in_one_query_what_python_can_hold(items):
    await rows(
        items.database, "update public.items set day = 'infinity', at = '0044-03-15 BC', took = '1 day' where id = 2"
    )

    async def draft(table):
        got = await table.get([3, 99, "2"])
        assert [(row.key, row["name"], row["amount"]) for row in got] == [
            (("3",), "n3", Decimal(3)),
            (("2",), "n2", Decimal(2)),
        ]
        assert (got[1]["day"], got[1]["at"][:10], got[1]["took"]) == ("infinity", "0044-03-15", timedelta(days=1))
        assert got[0]["whole"] == 4
        found = await table.find("t.amount > %(least)s and t.name like 'n%%'", {"least": 3})
        assert sorted(row.key for row in found) == [("4",), ("5",)]
        assert await table.get([]) == []
        return [table.delete(row, subject="s", scope="x", ask=True) for row in found]

    planned = await items.complete(draft)
    assert sorted((change.key, change.subject, change.scope, change.ask) for (change,) in planned) == [
        (("4",), "s", "x", True),
        (("5",), "s", "x", True),
    ]


async def test_a_key_of_several_columns_and_one_that_changes(database):
    await rows(
        database,
        """
        create table public.seats ("Row" text collate "C", no smallint, who text, primary key (no, "Row"));
        insert into public.seats
            select chr(64 + r), n, r || '/' || n from generate_series(1, 3) r, generate_series(1, 3) n;
        """,
    )
    tables = await Tables.of(database, "public.seats")
    before = await tables.bytes_of()
    planned = await tables.complete(
        lambda seats: [seats.update((1, "A"), {"Row": "Z", "no": 9}), seats.delete((2, "B"))]
    )
    assert (planned[0][0].key, planned[0][0].to_key) == (("1", "A"), ("9", "Z"))
    run = await tables.write(planned)
    assert (await tables.apply(run)).applied == 2
    assert await rows(database, "select who from public.seats where \"Row\" = 'Z'") == [("1/1",)]
    assert (await tables.undo(run)).applied == 2
    assert await tables.bytes_of() == before


@pytest.fixture
async def family(database):
    """Each kind of reference, two and more levels deep, and one to itself."""
    await rows(
        database,
        """
        create table public.org (id integer primary key, boss integer references public.org on delete cascade);
        create table public.team (id integer primary key, org integer not null references public.org on delete cascade);
        create table public.task (id integer primary key,
            team integer not null references public.team on delete cascade,
            org integer default 9 references public.org on delete set default);
        create table public.note (id integer primary key, task integer references public.task on delete set null);
        create table public.bill (id integer primary key, team integer references public.team);
        insert into public.org values (9, null), (1, null), (2, 1), (3, 2), (4, 3);
        insert into public.team values (10, 1), (11, 2), (12, 9), (13, 4);
        insert into public.task values (100, 10, 2), (101, 11, 9), (102, 12, 4);
        insert into public.note values (1000, 100), (1001, 102), (1002, null);
        insert into public.bill values (10000, 12);
        """,
    )
    return await Tables.of(database, "public.org", "public.team", "public.task", "public.note", "public.bill")


async def test_everything_that_would_go_along_is_in_the_plan(family):
    before = await family.bytes_of()
    (unit,) = planned = await family.complete(lambda org, *_: [org.delete(1, reason="closed")])
    assert {(change.kind, change.store.removeprefix("public."), change.key[0]) for change in unit} == {
        ("delete", "org", "1"), ("delete", "org", "2"), ("delete", "org", "3"), ("delete", "org", "4"),
        ("delete", "team", "10"), ("delete", "team", "11"), ("delete", "team", "13"),
        ("delete", "task", "100"), ("delete", "task", "101"), ("update", "task", "102"), ("update", "note", "1000"),
    }  # fmt: skip
    by_record = {(change.store, change.key[0]): change for change in unit}
    assert by_record["public.task", "102"].after == ("102", "12", "9")
    assert by_record["public.note", "1000"].reason.code == "set_null"
    assert by_record["public.team", "11"].reason.params == {
        "constraint": "team_org_fkey",
        "table": "public.org",
        "key": "2",
    }
    run = await family.write(planned)
    assert (await family.apply(run)).applied == 11
    assert await family.outcomes(run) == []
    assert await rows(family.database, "select id from public.org") == [(9,)]
    assert (await family.undo(run)).applied == 11
    assert await family.bytes_of() == before


async def test_what_stands_in_the_way_keeps_the_record(family):
    planned = await family.complete(lambda _org, team, *_: [team.delete(12), team.delete(13)])
    (kept,), (gone,) = planned
    assert (kept.kind, kept.reason.code) == ("keep", "blocked_by_reference")
    assert kept.reason.params == {"table": "public.bill", "constraint": "bill_team_fkey", "count": 1}
    assert (gone.kind, gone.key) == ("delete", ("13",))
    # When what stands in the way goes too, or refers to something else, nothing does.
    for away in (
        lambda bill: bill.delete(10000),
        lambda bill: bill.update(10000, {"team": 10}),
    ):
        before = await family.bytes_of()
        run = await family.plan(lambda _o, team, _t, _n, bill, away=away: [team.delete(12), away(bill)])
        assert (await family.apply(run)).conflicts == 0
        assert await rows(family.database, "select from public.team where id = 12") == []
        assert (await family.undo(run)).failed == 0
        assert await family.bytes_of() == before


async def test_a_table_that_was_not_named_can_stand_in_the_way(database):
    await rows(
        database,
        """
        create table public.parent (id integer primary key, code text unique not null);
        create table public.child (code text references public.parent (code));
        insert into public.parent values (1, 'a'), (2, 'b');
        insert into public.child values ('a'), ('a');
        """,
    )
    tables = await Tables.of(database, "public.parent")
    planned = await tables.complete(lambda parent: [parent.delete(1), parent.delete(2)])
    assert [(change.kind, change.reason and dict(change.reason.params)) for (change,) in planned] == [
        ("keep", {"table": "public.child", "constraint": "child_code_fkey", "count": 2}),
        ("delete", None),
    ]
    planned = await tables.complete(lambda parent: [parent.update(1, {"code": "z"}), parent.update(2, {"code": "y"})])
    assert [change.kind for (change,) in planned] == ["keep", "update"]


async def test_units_that_would_take_the_same_record_become_one(family):
    planned = await family.complete(
        lambda org, team, task, *_: [task.delete(100), org.delete(3), team.delete(10), task.update(102, {"org": 2})]
    )
    assert [len(unit) for unit in planned] == [3, 4]
    assert [(change.store, change.key[0]) for change in planned[0]] == [
        ("public.note", "1000"),
        ("public.task", "100"),
        ("public.team", "10"),
    ]
    run = await family.write(planned)
    assert (await family.apply(run)).applied == 7


async def test_a_foreign_key_that_empties_some_of_its_columns(database):
    if await one(database, "select current_setting('server_version_num')::integer") < 150000:
        pytest.skip("this server empties all or none")
    await rows(
        database,
        """
        create table public.parent (tenant integer, id integer, primary key (tenant, id));
        create table public.child (id integer primary key, tenant integer not null, p integer,
            foreign key (tenant, p) references public.parent on delete set null (p));
        insert into public.parent values (1, 1);
        insert into public.child values (7, 1, 1);
        """,
    )
    tables = await Tables.of(database, "public.parent", "public.child")
    before = await tables.bytes_of()
    ((child, parent),) = planned = await tables.complete(lambda parent, _: [parent.delete((1, 1))])
    assert (child.after, parent.kind) == (("7", "1", None), "delete")
    run = await tables.write(planned)
    assert (await tables.apply(run)).applied == 2
    assert (await tables.undo(run)).applied == 2
    assert await tables.bytes_of() == before


async def test_what_a_planner_keeps_or_changes_goes_with_what_it_deletes(family):
    """A task cannot stay, whatever is said of it, when the team goes that it cannot be without."""
    planned = await family.complete(
        lambda _o, team, task, *_: [task.keep(100, reason="no"), task.update(100, {"org": 9}), team.move(10)]
    )
    assert kinds(planned) == [
        [("update", "public.note", "1000"), ("delete", "public.task", "100"), ("move", "public.team", "10")]
    ]
    before = await family.bytes_of()
    run = await family.write(planned)
    assert (await family.apply(run)).applied == 3
    assert (await family.undo(run)).applied == 3
    assert await family.bytes_of() == before


async def test_the_number_of_statements_does_not_grow_with_the_records(database, monkeypatch):
    await rows(
        database,
        """
        create table public.parent (id integer primary key, parent integer references public.parent on delete cascade);
        create table public.child (id integer primary key, note text,
            p integer references public.parent on delete cascade);
        insert into public.parent select i, case when i %% 2 = 0 then i - 1 end from generate_series(1, 2000) i;
        insert into public.child select i, 'x', (i + 1) / 2 from generate_series(1, 4000) i;
        """,
        [],
    )
    tables = await Tables.of(database, "public.parent", "public.child")
    sent = []

    def draft(first, count):
        return lambda parent, child: [
            *(parent.delete(id) for id in range(first, first + count, 2)),
            *(child.update(id, {"note": f"{first} {id}"}) for id in range(3001, 3001 + count)),
            *(parent.create({"id": 10_000 * first + id}) for id in range(count)),
        ]

    real = psycopg.AsyncConnection.execute

    async def counted(self, *args, **kwargs):
        sent.append(args[0])
        return await real(self, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counted)
    counts = []
    for first, count in ((1, 50), (101, 1000)):
        sent.clear()
        run = await tables.write(await tables.complete(draft(first, count)))
        planning = len([statement for statement in sent if "insert into dure" not in str(statement)])
        sent.clear()
        tally = await tables.apply(run)
        assert (tally.applied, tally.conflicts, tally.failed) == (count // 2 * 6 + count * 2, 0, 0)
        counts.append((planning, len(sent)))
    assert counts[0] == counts[1]
    assert counts[1][1] < 40


async def test_the_same_drafts_make_the_same_plan(family):
    def draft(org, team, *_):
        return [org.delete(1), team.delete(12), org.update(9, {"boss": 9})]

    assert await family.complete(draft) == await family.complete(draft)


async def test_a_table_with_a_key_that_is_named(database):
    await rows(
        database,
        "create table public.people (no text not null unique, name text); insert into public.people values ('é1', 'a')",
    )
    tables = await Tables.of(database, Table("public.people", key=("no",)))
    run, tally = await tables.do(lambda people: [people.update("é1", {"name": "b"}), people.create({"no": "é2"})])
    assert tally.applied == 2
    assert (await tables.undo(run)).applied == 2
    assert await one(database, "select name from public.people") == "a"
