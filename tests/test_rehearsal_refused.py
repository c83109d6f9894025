"""Statements that cannot be planned or taken back: each is refused with its reason, and nothing of it stays."""

from collections.abc import AsyncIterator

import pytest

from dure.db.pool import Database
from dure.errors import DureError, Invalid, Refused
from dure.lang import say
from dure.runs.stores.rehearsal import rehearse
from queueing import TENANT, one, rows
from servers import with_user
from undoing import apply, back, bytes_of, new_run, rehearsed

SHOP = (
    "create table public.shop (id int primary key, name text, stock int not null default 0, check (stock >= 0))",
    "create table public.audit (id int generated always as identity primary key, what text)",
    "create table public.keyless (id int)",
    "create table public.sale (id int primary key, shop_id int references public.shop on delete cascade)",
    "create view public.shops as select * from public.shop",
    "insert into public.shop select g, 's' || g, g from generate_series(1, 5) g",
    "insert into public.keyless values (1)",
    "insert into public.sale values (1, 1), (2, 2)",
)


@pytest.fixture
async def shop(database: Database) -> Database:
    for statement in SHOP:
        await rows(database, statement)
    return database


@pytest.fixture
async def same_shop(shared_url: str) -> AsyncIterator[Database]:
    """For tests that change nothing."""
    async with Database(shared_url) as database:
        if await one(database, "select to_regclass('public.sale') is null"):
            for statement in SHOP:
                await rows(database, statement)
        yield database


async def function(shop: Database, name: str, body: str, returns: str = "trigger") -> None:
    await rows(shop, f"create function public.{name}() returns {returns} language plpgsql as $$ begin {body} end $$")


async def trigger(shop: Database, body: str, when: str = "after update or delete", each: str = "row") -> None:
    await function(shop, "does", body)
    await rows(shop, f"create trigger does {when} on public.shop for each {each} execute function public.does()")


async def reason(shop: Database, statement: str, **options: object) -> tuple[str, dict[str, object]]:
    """Why a statement is refused; and that nothing of it is left."""
    before = [await bytes_of(shop, table) for table in ("public.shop", "public.audit", "public.sale")]
    with pytest.raises(DureError) as refused:
        await rehearsed(shop, statement, **options)
    assert [await bytes_of(shop, table) for table in ("public.shop", "public.audit", "public.sale")] == before
    assert await one(shop, "select count(*) from dure.change") == 0
    assert isinstance(refused.value, Refused | Invalid)
    code = refused.value.reason
    if code != "database":
        assert say(f"reasons.{code}", "ko", **refused.value.params) != say(
            f"reasons.{code}", "en", **refused.value.params
        )
    return str(code), dict(refused.value.params)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("select * from public.shop", "rehearsal.not_a_write"),
        ("with gone as (delete from public.shop returning *) select * from gone", "rehearsal.not_a_write"),
        ("create table public.other (id int)", "database"),
        ("create table public.other as select * from public.shop", "rehearsal.not_a_write"),
        ("truncate public.audit", "database"),
        ("delete from public.sale; delete from public.shop", "rehearsal.one_statement"),
        ("analyze delete from public.shop", "database"),
        ("(analyze) delete from public.shop", "database"),
        ("copy public.shop to stdout", "database"),
        ("do $$ begin delete from public.shop; end $$", "database"),
        ("update public.shops set name = 'x'", "rehearsal.view"),
        ("delete from dure.job", "rehearsal.engine"),
        ("update pg_catalog.pg_class set relname = 'x' where false", "rehearsal.system"),
        ("delete from public.keyless", "table.no_key"),
        ("delete from public.nowhere", "database"),
        ("update public.shop set stock = -1", "database"),
        ("delete", "database"),
    ],
)
async def test_what_is_no_write_of_tables(same_shop: Database, statement: str, code: str) -> None:
    assert (await reason(same_shop, statement))[0] == code


async def test_a_cascade_to_a_table_without_a_key(shop: Database) -> None:
    await rows(shop, "alter table public.sale drop constraint sale_pkey")
    code, params = await reason(shop, "delete from public.shop where id = 1")
    assert (code, params["table"]) == ("table.no_key", "public.sale")


async def test_a_trigger_that_writes_elsewhere(shop: Database) -> None:
    await trigger(shop, "insert into public.audit (what) values (tg_op); return null;")
    code, params = await reason(shop, "delete from public.shop where id = 3")
    assert code == "rehearsal.trigger"
    assert params["table"] == "public.audit"
    assert params["triggers"] == "public.shop.does"


async def test_a_trigger_that_writes_other_rows_of_the_same_table(shop: Database) -> None:
    await trigger(shop, "update public.shop set stock = stock + 1 where id = 5 and old.id <> 5; return null;")
    assert (await reason(shop, "delete from public.shop where id = 3"))[0] == "rehearsal.trigger"


async def test_a_trigger_that_deletes_what_a_foreign_key_would(shop: Database) -> None:
    await rows(shop, "alter table public.sale drop constraint sale_shop_id_fkey")
    await trigger(shop, "delete from public.sale where shop_id = old.id; return null;", "after delete")
    code, params = await reason(shop, "delete from public.shop where id = 1")
    assert (code, params["table"]) == ("rehearsal.trigger", "public.sale")


async def test_a_trigger_that_defines_things(shop: Database) -> None:
    await trigger(shop, "create table public.made (id int); return null;", "after delete", "statement")
    assert (await reason(shop, "delete from public.shop where id = 3"))[0] in ("rehearsal.system", "rehearsal.locked")


async def test_a_function_that_truncates(shop: Database) -> None:
    await function(shop, "empties", "truncate public.audit; return true;", "boolean")
    assert (await reason(shop, "delete from public.shop where public.empties()"))[0] in (
        "rehearsal.locked",
        "rehearsal.system",
    )


async def test_a_function_that_writes_to_the_engine(shop: Database) -> None:
    await function(shop, "meddles", "update dure.clock set fake_now = null; return true;", "boolean")
    code, params = await reason(shop, "delete from public.shop where id = 1 and public.meddles()")
    assert (code, params["table"]) == ("rehearsal.engine", "dure.clock")


async def test_a_function_that_takes_back_a_part_of_what_it_does(shop: Database) -> None:
    body = "insert into public.audit (what) values ('x'); raise division_by_zero; exception when others then null;"
    await function(shop, "wavers", f"begin {body} end; return true;", "boolean")
    assert (await reason(shop, "delete from public.shop where id = 3 and public.wavers()"))[0] == "rehearsal.uncertain"


async def test_what_a_function_writes_is_planned_and_taken_back(shop: Database) -> None:
    await function(shop, "notes", "insert into public.audit (what) values ('seen'); return true;", "boolean")
    before = [await bytes_of(shop, table) for table in ("public.shop", "public.audit")]
    run, found = await rehearsed(shop, "delete from public.shop where id = 3 and public.notes()")
    assert found.counts == {"create": 1, "update": 0, "delete": 1}
    assert (await apply(shop, run.id, run.shapes, restoring=False)).applied == 2
    assert await one(shop, "select count(*) from public.audit") == 1
    await back(shop, run)
    assert [await bytes_of(shop, table) for table in ("public.shop", "public.audit")] == before


async def test_a_table_that_is_left_out_is_neither_planned_nor_taken_back(shop: Database) -> None:
    await trigger(shop, "insert into public.audit (what) values (tg_op); return null;")
    before = await bytes_of(shop, "public.shop")
    run, found = await rehearsed(shop, "delete from public.shop where id = 3", leaves=["public.audit"])
    assert set(found.shapes) == {"public.shop"}
    assert found.counts["delete"] == 1
    assert {note.code for note in found.notes} == {"note_left_out", "note_triggers", "note_sequences"}
    assert (await apply(shop, run.id, run.shapes, restoring=False)).applied == 1
    assert await one(shop, "select count(*) from public.audit") == 1
    await back(shop, run)
    assert await bytes_of(shop, "public.shop") == before
    assert await one(shop, "select count(*) from public.audit") == 1


async def test_a_trigger_that_shapes_its_own_row_is_no_harm(shop: Database) -> None:
    await trigger(shop, "new.name := upper(new.name); return new;", "before update")
    before = await bytes_of(shop, "public.shop")
    run, found = await rehearsed(shop, "update public.shop set name = 'new ' || name where id < 3")
    assert found.counts["update"] == 2
    assert await one(shop, "select after[2] from dure.change where run_id = %s and key = '{1}'", [run.id]) == "NEW S1"
    assert (await apply(shop, run.id, run.shapes, restoring=False)).applied == 2
    await back(shop, run)
    assert await bytes_of(shop, "public.shop") == before


async def test_policies_that_hide_rows_are_an_error_and_no_filter(shop: Database) -> None:
    role = f"limited_{(await one(shop, 'select current_database()'))[-12:]}"
    await rows(shop, "alter table public.shop enable row level security")
    await rows(shop, "create policy few on public.shop using (id < 2)")
    await rows(shop, f"create role {role} login")
    try:
        await rows(shop, f"grant select, update on public.shop to {role}; grant dure_system, dure_app to {role}")
        await rows(shop, f"grant usage on schema public, dure to {role}")
        run_id = await new_run(shop)
        async with Database(with_user(shop.url, role)) as limited:
            with pytest.raises(Invalid, match="row-level security"):
                await rehearse(
                    limited,
                    run_id=run_id,
                    tenant_id=TENANT,
                    statement="update public.shop set name = 'x'",
                    lock_timeout_s=1,
                )
    finally:
        await rows(shop, f"drop owned by {role}; drop role {role}")
