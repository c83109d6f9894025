"""What is known of a table, and which tables a run may not change because it could not put their rows back."""

import json

import psycopg
import pytest

from dure.db.pool import Database
from dure.errors import Refused
from dure.runs.stores.applying import population
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table
from queueing import rows
from table_runs import Tables


async def refused(database, name, *declared, **more):
    """Why a table is refused, and what the refusal says."""
    table = Table(name, **more)
    async with database.owner_tx() as tx:
        with pytest.raises(Refused) as error:
            await describe(tx, table, [table, *map(Table, declared)])
        # Whoever asked goes on in the same transaction.
        await tx.execute("select 1")
    return error.value.reason, error.value.text("en"), error.value.text("ko")


@pytest.fixture
async def school(database):
    await rows(
        database,
        """
        create schema "My School";
        create type "My School".mood as enum ('good', 'bad');
        create table "My School"."Class" (
            id bigint generated always as identity primary key, name text collate "C" not null);
        create table "My School"."Student" (
            "classId" bigint not null references "My School"."Class" on delete cascade,
            no integer not null, name varchar(20) not null default 'nobody', moods "My School".mood[],
            label text generated always as (name || '!') stored,
            friend integer, primary key ("classId", no),
            foreign key ("classId", friend) references "My School"."Student");
        """,
    )
    return database


async def test_what_is_known_of_a_table(school):
    tables = await Tables.of(school, '"My School"."Student"', '"My School"."Class"')
    shape = tables.shapes['"My School"."Student"']
    assert (shape.schema, shape.table, shape.kind, shape.key) == ("My School", "Student", "table", ("classId", "no"))
    assert [(column.name, column.type) for column in shape.columns] == [
        ("classId", "bigint"),
        ("no", "integer"),
        ("name", "character varying(20)"),
        ("moods", '"My School".mood[]'),
        ("friend", "integer"),
    ]
    assert shape.generated == ("label",)
    assert [(one.target, one.columns, one.on_delete) for one in shape.references_out] == [
        ('"My School"."Class"', ("classId",), "cascade"),
        ('"My School"."Student"', ("classId", "friend"), "nothing"),
    ]
    parent = tables.shapes['"My School"."Class"']
    assert [(one.store, one.columns) for one in parent.references_in] == [('"My School"."Student"', ("classId",))]
    assert (parent.columns[0].identity, parent.columns[1].collation) == ("a", 'pg_catalog."C"')
    for known in tables.shapes.values():
        assert Shape.from_json(json.loads(json.dumps(known.to_json()))) == known


async def test_a_migration_is_noticed_and_told(school):
    async def shape():
        return (await Tables.of(school, '"My School"."Class"', '"My School"."Student"')).shapes['"My School"."Class"']

    before = await shape()
    await rows(
        school, 'create index on "My School"."Class" (name); comment on column "My School"."Class".name is \'x\''
    )
    assert (await shape()).digest() == before.digest()
    await rows(
        school, 'alter table "My School"."Class" rename name to title; alter table "My School"."Class" add n int'
    )
    after = await shape()
    assert after.digest() != before.digest()
    assert after.drift(before) == {"added": ["title", "n"], "dropped": ["name"], "changed": [], "key": []}
    await rows(school, 'alter table "My School"."Class" alter n type numeric(5, 1)')
    assert (await shape()).drift(after) == {"added": [], "dropped": [], "changed": ["n"], "key": []}


async def test_a_name_that_is_no_table(database):
    for name in ("public.nothing", "a b", '"', "", "x.y.z.w", "no_schema.x", "public.%s"):
        assert (await refused(database, name))[0] == "table.not_found"


async def test_tables_that_cannot_be_put_back(database):
    await rows(
        database,
        """
        create table public.bare (a integer, b integer unique);
        create table public.base (id integer primary key);
        create table public.heir (primary key (id)) inherits (public.base);
        create view public.seen as select * from public.base;
        create table public.parts (id integer primary key) partition by range (id);
        create table public.part partition of public.parts for values from (0) to (10);
        create table public.ruled (id integer primary key);
        create rule other as on delete to public.ruled do instead nothing;
        """,
    )
    expected = {
        "public.bare": "table.no_key",
        "public.base": "table.has_children",
        "public.seen": "table.not_a_table",
        "public.part": "table.partition",
        "public.ruled": "table.has_rules",
        "dure.job": "table.of_the_system",
        "pg_catalog.pg_class": "table.of_the_system",
    }
    assert {name: (await refused(database, name))[0] for name in expected} == expected
    assert (await Tables.of(database, "public.heir")).shapes["public.heir"].key == ("id",)
    assert (await Tables.of(database, "public.parts")).shapes["public.parts"].kind == "partitioned"


async def test_a_key_that_the_user_names(database):
    await rows(
        database,
        """
        create table public.named (a integer not null, b integer not null, c integer, d integer not null,
            g integer not null generated always as (a + 1) stored);
        create unique index on public.named (b, a) include (c);
        create unique index on public.named (c);
        create unique index on public.named (d) where d > 0;
        create unique index on public.named (g);
        """,
    )
    assert (await Tables.of(database, Table("public.named", key=("a", "b")))).shapes["public.named"].key == ("a", "b")
    assert (await refused(database, "public.named", key=("c",)))[0] == "table.key_not_usable"
    assert (await refused(database, "public.named", key=("g",)))[0] == "table.key_not_usable"
    for columns in (("d",), ("a",), ("a", "b", "c"), ("x",)):
        assert (await refused(database, "public.named", key=columns))[0] == "table.key_not_unique"


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
async def test_what_a_foreign_key_would_do_to_a_table_that_was_not_named(database, action):
    await rows(
        database,
        f"""
        create table public.parent (id integer primary key);
        create table public.child (id integer primary key,
            p integer default 0 references public.parent on delete {action});
        """,
    )
    reason, english, korean = await refused(database, "public.parent")
    assert reason == "table.cascade"
    assert f"ON DELETE {action.upper()}" in english
    assert 'Table("public.child")' in english
    assert 'Table("public.child")' in korean
    await Tables.of(database, "public.parent", "public.child")


async def test_a_reference_that_only_stands_in_the_way_needs_no_naming(database):
    await rows(
        database,
        "create table public.parent (id integer primary key); "
        "create table public.child (p integer references public.parent)",
    )
    await Tables.of(database, "public.parent")


@pytest.fixture
async def clerk(database, url):
    """A role that owns nothing, and its database."""
    name = f"clerk_{await _suffix(database)}"
    await rows(database, f"create role {name} login; grant usage on schema public to {name}")
    async with Database(url.replace("//dure@", f"//{name}@").replace("user=dure", f"user={name}")) as opened:
        yield name, opened
    await rows(database, f"drop owned by {name}; drop role {name}")


async def _suffix(database):
    return (await rows(database, "select substr(current_database(), 6)"))[0][0]


async def test_a_role_needs_its_privileges(database, clerk):
    name, opened = clerk
    await rows(
        database, f"create table public.paper (id integer primary key); grant select, delete on public.paper to {name}"
    )
    reason, english, _ = await refused(opened, "public.paper")
    assert reason == "table.not_allowed"
    assert "insert, update" in english
    await rows(database, f"grant insert, update on public.paper to {name}")
    await Tables.of(opened, "public.paper")


async def test_triggers_that_may_not_be_switched_off(database, clerk):
    name, opened = clerk
    await rows(
        database,
        f"""
        create table public.paper (id integer primary key);
        grant select, insert, update, delete on public.paper to {name};
        create function public.nothing() returns trigger language plpgsql as 'begin return new; end';
        create trigger t before insert on public.paper for each row execute function public.nothing();
        """,
    )
    assert (await refused(opened, "public.paper"))[0] == "table.triggers"
    assert (await Tables.of(database, "public.paper")).shapes["public.paper"].user_triggers
    await rows(database, "alter table public.paper disable trigger t")
    assert not (await Tables.of(opened, "public.paper")).shapes["public.paper"].user_triggers


async def test_policies_that_hide_rows(database, clerk):
    name, opened = clerk
    await rows(
        database,
        f"""
        create table public.paper (id integer primary key, owner text);
        alter table public.paper enable row level security;
        create policy own on public.paper using (owner = current_user);
        grant select, insert, update, delete on public.paper to {name};
        insert into public.paper values (1, 'somebody');
        """,
    )
    assert (await refused(opened, "public.paper"))[0] == "table.policies"
    # Who may see everything does, although the table forces its policies on its owner.
    await rows(database, "alter table public.paper force row level security")
    tables = await Tables.of(database, "public.paper")
    before = await tables.bytes_of()
    run, tally = await tables.do(lambda paper: [paper.delete(1)])
    assert tally.applied == 1
    assert (await tables.undo(run)).applied == 1
    assert await tables.bytes_of() == before
    await rows(
        database, f"alter table public.paper no force row level security; alter table public.paper owner to {name}"
    )
    await Tables.of(opened, "public.paper")
    await rows(database, "alter table public.paper force row level security")
    assert (await refused(opened, "public.paper"))[0] == "table.policies"


async def test_a_policy_that_comes_later_is_an_error_and_no_filter(database, clerk):
    name, opened = clerk
    await rows(
        database,
        f"create table public.paper (id integer primary key); alter table public.paper owner to {name}; "
        "insert into public.paper values (1), (2)",
    )
    tables = await Tables.of(opened, "public.paper")
    planned = await tables.complete(lambda paper: [paper.delete(1)])
    assert planned[0][0].before == ("1",)
    await rows(
        database,
        "alter table public.paper enable row level security; alter table public.paper force row level security; "
        "create policy none on public.paper using (id = 2)",
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        await tables.complete(lambda paper: [paper.delete(1)])


async def test_a_server_that_counts_nothing(database):
    await rows(database, "create table public.t (id integer primary key)")
    async with database.owner_tx() as tx:
        await tx.execute("set local track_counts = off")
        with pytest.raises(Refused) as error:
            await describe(tx, Table("public.t"), [])
        assert error.value.reason == "table.not_counted"


async def test_how_many_rows_there_are(database):
    await rows(
        database,
        """
        create table public.parts (id integer primary key) partition by range (id);
        create table public.low partition of public.parts for values from (0) to (10);
        create table public.high partition of public.parts for values from (10) to (20);
        insert into public.parts select generate_series(5, 14);
        """,
    )
    shape = (await Tables.of(database, "public.parts")).shapes["public.parts"]
    async with database.owner_tx() as tx:
        assert await population(tx, shape) == 10
        await tx.execute(
            "update pg_class set reltuples = 900000 where oid in ('public.low'::regclass, 'public.high'::regclass)"
        )
        assert await population(tx, shape) == 1_800_000
