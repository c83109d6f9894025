import asyncio
import random
import time
from contextlib import AsyncExitStack, suppress

import psycopg
import pytest
from psycopg import sql

from dure.db import pool
from dure.db.pool import SYSTEM_ROLE, Database
from dure.errors import Invalid, Unavailable
from dure.settings import Settings
from proxies import proxied

TENANTS = ("acme", "globex", "학원")


@pytest.fixture
async def things(database: Database) -> Database:
    """One protected table with a row for each tenant."""
    async with database.owner_tx() as tx:
        await tx.execute("create table dure.thing (tenant_id text not null, name text not null)", prepare=False)
        await tx.execute("grant select, insert, update, delete on dure.thing to dure_app, dure_system")
        await tx.execute("call dure.protect('dure.thing')")
        for tenant in TENANTS:
            await tx.execute("insert into dure.thing values (%s, 'first')", [tenant])
    return database


async def rows(tx, statement, params=()):
    return await (await tx.execute(statement, params)).fetchall()


async def end_every_session(admin, database):
    """Kill what is connected to the database, as a restart of the server does."""
    admin.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s",
        [database.describe()["dbname"]],
    )


class TestTenants:
    async def test_a_tenant_sees_its_own_rows(self, things):
        for tenant in TENANTS:
            async with things.tenant_tx(tenant) as tx:
                assert await rows(tx, "select tenant_id from dure.thing") == [(tenant,)]
                assert await rows(tx, "select current_user, dure.tenant_id()") == [("dure_app", tenant)]

    async def test_without_a_tenant_there_are_no_rows(self, things):
        async with things.owner_tx() as tx:
            await tx.execute("set local role dure_app")
            assert await rows(tx, "select * from dure.thing") == []
            await tx.execute("select set_config('dure.tenant_id', '', true)")
            assert await rows(tx, "select * from dure.thing") == []
            assert await rows(tx, "update dure.thing set name = 'x' returning 1") == []

    async def test_a_tenant_cannot_write_for_another(self, things):
        for statement in (
            "insert into dure.thing values ('globex', 'x')",
            "update dure.thing set tenant_id = 'globex'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with things.tenant_tx("acme") as tx:
                    await tx.execute(statement)

    async def test_a_tenant_owns_nothing(self, things):
        for statement in (
            "drop table dure.thing",
            "alter table dure.thing disable row level security",
            "create table dure.mine ()",
            "update dure.clock set fake_now = now()",
            "select * from dure.setting",
            "select dure.seal()",
            "call dure.protect('dure.thing')",
            "set local role dure_system",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):  # noqa: PT012
                async with things.tenant_tx("acme") as tx:
                    # The session's own role may be a superuser here, which could become anybody again.
                    await tx.execute("set local session authorization dure_app")
                    await tx.execute(statement)

    async def test_the_system_sees_all(self, things):
        async with things.system_tx() as tx:
            assert len(await rows(tx, "select * from dure.thing")) == len(TENANTS)
            assert await rows(tx, "select current_user, dure.tenant_id()") == [("dure_system", None)]

    @pytest.mark.parametrize("tenant", ["", " ", "a\x00b", "x" * 201, "'; drop table dure.thing; --", "\ud800"])
    async def test_a_bad_tenant_is_refused(self, database, tenant):
        with pytest.raises(Invalid):
            async with database.tenant_tx(tenant):
                pass

    async def test_an_index_serves_the_tenant(self, things):
        """The policy is inlined: a function call for each row would read the whole table."""
        async with things.owner_tx() as tx:
            await tx.execute("insert into dure.thing select 'other' || n % 1000, '' from generate_series(1, 20000) n")
            await tx.execute("create index on dure.thing (tenant_id)")
            await tx.execute("analyze dure.thing")
        async with things.tenant_tx("other7") as tx:
            plan = "\n".join(row[0] for row in await rows(tx, "explain select * from dure.thing"))
        assert "Index Cond: (tenant_id = " in plan

    async def test_protect_twice_changes_nothing(self, things):
        policies = "select oid, polname from pg_policy order by polname"
        async with things.owner_tx() as tx:
            before = await rows(tx, policies)
            await tx.execute("call dure.protect('dure.thing')")
            assert await rows(tx, policies) == before


async def one_borrower(database: Database, tenant: str, chance: random.Random) -> None:
    """Meet one of the fates of a transaction, and check at its beginning that nothing was left there."""
    fate = chance.choice(
        ["well", "sql error", "exception", "cancelled", "cancelled twice", "killed", "set", "savepoint"]
    )
    with suppress(psycopg.Error, ZeroDivisionError, asyncio.CancelledError, Unavailable):
        async with database.tenant_tx(tenant) as tx:
            assert await rows(tx, "select current_user, dure.tenant_id(), current_setting('x.y', true)") in (
                [("dure_app", tenant, None)],
                [("dure_app", tenant, "")],
            )
            assert {row[0] for row in await rows(tx, "select tenant_id from dure.thing")} == {tenant}
            match fate:
                case "sql error":
                    await tx.execute("select 1 / 0")
                case "exception":
                    raise ZeroDivisionError
                case "cancelled" | "cancelled twice":
                    task = asyncio.current_task()
                    asyncio.get_running_loop().call_later(0.005, task.cancel)
                    if fate == "cancelled twice":
                        asyncio.get_running_loop().call_later(0.006, task.cancel)
                    await tx.execute("select pg_sleep(5)")
                case "killed":
                    await tx.execute("select pg_terminate_backend(pg_backend_pid())")
                case "set":
                    await tx.execute("select set_config('x.y', 'left', true)")
                case "savepoint":
                    with suppress(psycopg.Error):
                        async with tx.transaction():
                            await tx.execute("select 1 / 0")
                    await tx.execute("select 1")


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_leaks_to_the_next_borrower(things, seed):
    chance = random.Random(seed)
    async with Database(things.url, max_size=3) as shared:
        for _ in range(12):
            # As tasks of their own: a cancellation that comes late must hit nobody else.
            await asyncio.gather(
                *(asyncio.create_task(one_borrower(shared, chance.choice(TENANTS), chance)) for _ in range(8)),
                return_exceptions=False,
            )
            async with shared.owner_tx() as tx:
                user, login, tenant = (await rows(tx, "select current_user, session_user, dure.tenant_id()"))[0]
                assert (user, tenant) == (login, None)
        # Every connection came home: three can be had at the same time.
        async with shared.system_tx() as one, shared.system_tx() as two, shared.system_tx() as three:
            assert len({connection.info.backend_pid for connection in (one, two, three)}) == 3


class TestTransactions:
    async def test_commits_at_the_end_and_rolls_back_after_an_error(self, things):
        async with things.tenant_tx("acme") as tx:
            await tx.execute("insert into dure.thing values ('acme', 'kept')")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with things.tenant_tx("acme") as tx:
                await tx.execute("insert into dure.thing values ('acme', 'lost')")
                raise ZeroDivisionError
        async with things.tenant_tx("acme") as tx:
            assert await rows(tx, "select name from dure.thing order by 1") == [("first",), ("kept",)]

    async def test_when_the_block_is_left_its_locks_are_free(self, things, caplog):
        for fate in (ZeroDivisionError, asyncio.CancelledError):
            with pytest.raises(fate):  # noqa: PT012
                async with things.system_tx() as tx:
                    await tx.execute("select * from dure.thing for update")
                    raise fate
            async with things.system_tx() as one, things.system_tx() as two:
                await one.execute("select * from dure.thing for update nowait")
                assert two is not one
        # The pool had nothing to mend.
        assert [record.message for record in caplog.records if record.name.startswith("psycopg")] == []

    async def test_a_swallowed_error_is_no_commit(self, things):
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):  # noqa: PT012
            async with things.tenant_tx("acme") as tx:
                await tx.execute("insert into dure.thing values ('acme', 'lost')")
                with suppress(psycopg.Error):
                    await tx.execute("select 1 / 0")

    async def test_a_commit_inside_is_told(self, things):
        with pytest.raises(psycopg.ProgrammingError, match="ended inside"):
            async with things.tenant_tx("acme") as tx:
                await tx.commit()

    async def test_rows_are_tuples_and_times_are_utc(self, database):
        async with database.system_tx() as tx:
            row = (await rows(tx, "select now(), current_setting('timezone')"))[0]
        assert type(row) is tuple
        assert row[0].utcoffset().total_seconds() == 0
        assert row[1] == "UTC"

    async def test_a_role_set_in_the_database_does_not_change_the_text_of_values(self, database):
        async with database.owner_tx() as tx:
            for setting in ("timezone = 'Asia/Seoul'", "datestyle = 'German'", "bytea_output = 'escape'"):
                name = sql.Identifier(str(database.describe()["dbname"]))
                await tx.execute(sql.SQL("alter database {} set " + setting).format(name))
        async with Database(database.url) as fresh, fresh.system_tx() as tx:
            assert await rows(tx, "select '2026-01-02T00:00Z'::timestamptz::text, '\\xff'::bytea::text") == [
                ("2026-01-02 00:00:00+00", "\\xff")
            ]


class TestBadDays:
    async def test_a_restarted_server_is_not_noticed_by_the_next(self, things, admin):
        async with things.system_tx() as one, things.system_tx() as two:
            assert one is not two
        await end_every_session(admin, things)
        for _ in range(4):
            async with things.system_tx() as tx:
                assert len(await rows(tx, "select * from dure.thing")) == 3

    async def test_a_connection_lost_in_the_middle_is_unavailable(self, things, admin):
        with pytest.raises(Unavailable):  # noqa: PT012
            async with things.system_tx() as tx:
                await end_every_session(admin, things)
                await tx.execute("select 1")

    async def test_start_says_at_once_why_it_cannot(self, database):
        with pytest.raises(Unavailable, match="does_not_exist"):
            await Database(database.url.replace("test_", "does_not_exist_")).start()

    async def test_a_database_that_is_away_is_told_in_time_and_found_again(self, url, monkeypatch):
        monkeypatch.setattr(pool, "BORROW_TIMEOUT_S", 1.0)
        async with proxied(url) as proxy, Database(proxy.url, max_size=2) as database:
            await proxy.refuse()
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(Unavailable):
                    async with database.system_tx():
                        pass
                assert time.monotonic() - began < 5
            await proxy.start()
            proxy.resume()
            monkeypatch.setattr(pool, "BORROW_TIMEOUT_S", 8.0)
            async with database.system_tx() as tx:
                await tx.execute("select 1")

    async def test_silent_connections_are_replaced(self, url, monkeypatch):
        """The first costs the patience of a BEGIN; the others are suspected, and cost less."""
        monkeypatch.setattr(pool, "BORROW_TIMEOUT_S", 4.0)
        monkeypatch.setattr(pool, "BEGIN_TIMEOUT_S", 1.0)
        monkeypatch.setattr(pool, "CHECK_TIMEOUT_S", 0.1)
        async with proxied(url) as proxy, Database(proxy.url, max_size=6) as database:
            async with AsyncExitStack() as stack:
                for _ in range(6):
                    await stack.enter_async_context(database.system_tx())
            proxy.silence()
            proxy.resume()
            async with database.system_tx() as tx:
                await tx.execute("select 1")

    async def test_stop_twice_and_use_after_stop(self, url):
        database = Database(url)
        await database.stop()
        await database.start()
        await database.start()
        await database.stop()
        await database.stop()
        with pytest.raises(Unavailable):
            async with database.system_tx():
                pass
        await database.start()
        async with database.system_tx() as tx:
            await tx.execute("select 1")
        await database.stop()


class TestConnections:
    async def test_a_session_of_one_role(self, things):
        connection = await things.connect("worker", role=SYSTEM_ROLE)
        try:
            (row,) = await rows(connection, "select current_user, current_setting('application_name')")
            assert row == ("dure_system", "dure/worker")
            assert len(await rows(connection, "select * from dure.thing")) == 3
            assert connection.autocommit
        finally:
            await connection.close()

    async def test_options_of_the_url_stay(self, url):
        database = Database(f"{url}&options=-c%20work_mem%3D5MB")
        connection = await database.connect("x")
        assert await rows(connection, "select current_setting('work_mem'), current_setting('timezone')") == [
            ("5MB", "UTC")
        ]
        await connection.close()

    async def test_behind_a_pooler_nothing_belongs_to_the_session(self, url):
        settings = Settings(database_url=url, pooler=True)
        async with Database(settings) as database:
            for _ in range(10):
                async with database.tenant_tx("acme") as tx:
                    assert await rows(tx, "select current_setting('timezone'), dure.tenant_id()") == [("UTC", "acme")]
            async with database.system_tx() as tx:
                assert await rows(tx, "select count(*) from pg_prepared_statements") == [(0,)]

    def test_a_secret_is_in_no_description(self):
        database = Database("postgresql://me:hunter2@db/app")
        assert "hunter2" not in repr(database) + str(database.describe())
        with pytest.raises(Invalid, match="DURE_DATABASE_URL"):
            Database(Settings(database_url=None))
