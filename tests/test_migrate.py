import asyncio
import dataclasses
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
import structlog

import schema
import servers
from dure.db import migrate as module
from dure.db.migrate import Migration, check, migrate, migrations, script, status
from dure.db.pool import Database
from dure.errors import Conflict, DureError, Refused, Unavailable
from waiting import until

FOUNDATION = migrations()[0]


def file(number: int, text: str, phase: str = "pre", name: str = "extra") -> Migration:
    return Migration(number, name, phase, text)


def made(number: int) -> str:
    return f"create table if not exists dure.extra_{number} (id int primary key)"


def paste(url: str, text: str) -> str:
    """Run a script as an SQL editor does, all in one message, and answer what its last statement shows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text, prepare=False)
        while cursor.nextset():
            pass
        return cursor.fetchone()[0]


async def run(url: str, **given) -> list[str]:
    async with Database(url) as database:
        return [f"{one.number:04}_{one.name}.{one.phase}" for one in await migrate(database, **given)]


async def problems(url: str, **given) -> list[str]:
    async with Database(url) as database:
        return await check(database, **given)


async def tables(url: str) -> set[str]:
    return {
        line.split()[1] for line in schema.describe(url) if line.startswith("relation dure.extra") and "kind=r" in line
    }


class TestSchema:
    async def test_the_script_and_migrate_give_the_same(self, new_url):
        migrated, pasted = new_url(), new_url()
        assert await run(migrated) == [one.label for one in migrations()]
        message = paste(pasted, script())
        assert f"migration {migrations()[-1].number}" in message
        assert schema.describe(pasted) == schema.describe(migrated)
        assert await problems(pasted) == await problems(migrated) == []

    async def test_statement_by_statement_the_script_does_the_same(self, new_url):
        whole, parts = new_url(), new_url()
        paste(whole, script())
        pieces = script().split("\n-- 0")
        with psycopg.connect(parts, autocommit=True) as connection:
            for piece in [pieces[0], *("-- 0" + piece for piece in pieces[1:])]:
                connection.execute(piece, prepare=False)
        assert schema.describe(parts) == schema.describe(whole)

    @pytest.mark.parametrize("count", range(1, len(migrations())))
    async def test_the_script_upgrades_what_migrate_began(self, new_url, url, count):
        begun = new_url()
        await run(begun, wanted=migrations()[:count])
        paste(begun, script())
        assert schema.describe(begun) == schema.describe(url)

    async def test_a_second_time_changes_nothing(self, url):
        before, when = schema.describe(url), await _times(url)
        assert await run(url) == []
        paste(url, script())
        assert await run(url) == []
        assert (schema.describe(url), await _times(url)) == (before, when)

    async def test_each_file_can_be_run_again_from_its_start(self, url):
        before = schema.describe(url)
        with psycopg.connect(url) as connection:
            for one in migrations():
                connection.execute(one.text, prepare=False)
            connection.execute("select dure.seal()")
        assert schema.describe(url) == before

    def test_the_comparison_sees_what_differs(self, url):
        before = schema.describe(url)
        for statement in (
            "alter table dure.setting alter value set default '1'",
            "grant select on dure.setting to public",
            "alter table dure.setting set (fillfactor = 50)",
            "create index on dure.setting (value)",
            "alter function dure.now() volatile",
            "alter table dure.setting disable row level security, enable row level security",
        ):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement)
            after = schema.describe(url)
            assert after != before
            before = after

    def test_numbers_have_no_gaps_and_one_name(self):
        names = {one.number: one.name for one in migrations()}
        assert list(names) == list(range(1, len(names) + 1))
        assert all(names[one.number] == one.name for one in migrations())

    def test_public_may_do_nothing(self, url, admin):
        outsider = f"outsider_{uuid4().hex[:8]}"
        admin.execute(f"create role {outsider}")
        try:
            with psycopg.connect(url) as connection:
                allowed = connection.execute(
                    """select oid::regprocedure::text from pg_proc
                       where pronamespace = 'dure'::regnamespace
                         and has_function_privilege(%(who)s, oid, 'execute')
                       union all
                       select oid::regclass::text from pg_class
                       where relnamespace = 'dure'::regnamespace and relkind in ('r', 'v', 'm', 'p')
                         and has_table_privilege(%(who)s, oid, 'select, insert, update, delete')
                       union all
                       select 'schema' where has_schema_privilege(%(who)s, 'dure', 'usage, create')""",
                    {"who": outsider},
                ).fetchall()
        finally:
            admin.execute(f"drop role {outsider}")
        assert allowed == []


async def _times(url: str) -> list[datetime | None]:
    async with Database(url) as database:
        return [one.applied_at for one in await status(database)]


class TestOrder:
    async def test_pre_and_post(self, empty_url):
        wanted = [
            FOUNDATION,
            file(2, made(2)),
            file(2, "drop table if exists dure.extra_2", "post"),
            file(3, made(3)),
        ]
        assert await run(empty_url, wanted=wanted, post=False) == [
            "0001_foundation.pre",
            "0002_extra.pre",
            "0003_extra.pre",
        ]
        assert await tables(empty_url) == {"dure.extra_2", "dure.extra_3"}
        assert await problems(empty_url, wanted=wanted) == ["Migration 0002_extra.post has not been applied."]
        assert await run(empty_url, wanted=wanted) == ["0002_extra.post"]
        assert await tables(empty_url) == {"dure.extra_3"}

    async def test_the_script_without_post(self, empty_url):
        wanted = [FOUNDATION, file(2, made(2)), file(2, "drop table if exists dure.extra_2", "post")]
        paste(empty_url, script(include_post=False, wanted=wanted))
        assert await tables(empty_url) == {"dure.extra_2"}
        paste(empty_url, script(wanted=wanted))
        assert await tables(empty_url) == set()

    async def test_the_script_keeps_any_quoting(self, empty_url):
        tricky = """create or replace function dure.extra() returns text language sql as
            $dure_file_0002$ select '$dure_part_0002$ it''s {} %s \\' $dure_file_0002$"""
        wanted = [FOUNDATION, file(2, tricky)]
        paste(empty_url, script(wanted=wanted))
        with psycopg.connect(empty_url) as connection:
            row = connection.execute("select dure.extra()").fetchone()
        assert row == ("$dure_part_0002$ it's {} %s \\",)
        assert await problems(empty_url, wanted=wanted) == []

    async def test_nothing_at_all_yet(self, empty_url):
        async with Database(empty_url) as database:
            assert [one.applied_at for one in await status(database)] == [None] * len(migrations())
            assert len(await check(database)) == len(migrations())


class TestBadDays:
    async def test_a_failing_file_leaves_nothing_and_is_taken_up_again(self, empty_url):
        broken = [FOUNDATION, file(2, made(2)), file(3, f"{made(3)}; select 1 / 0"), file(4, made(4))]
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            await run(empty_url, wanted=broken)
        assert caught.value.__notes__ == ["in migration 0003_extra.pre"]
        assert await tables(empty_url) == {"dure.extra_2"}
        mended = [*broken[:2], file(3, made(3)), broken[3]]
        assert await run(empty_url, wanted=mended) == ["0003_extra.pre", "0004_extra.pre"]

    async def test_a_killed_migration_is_taken_up_again(self, empty_url, admin):
        slow = [FOUNDATION, file(2, f"{made(2)}; select pg_sleep(60)"), file(3, made(3))]
        async with Database(empty_url) as database:
            running = asyncio.create_task(migrate(database, wanted=slow))
            await until(
                lambda: admin.execute(
                    """select pg_terminate_backend(pid, 5000) from pg_stat_activity
                       where datname = %s and wait_event = 'PgSleep'""",
                    [database.describe()["dbname"]],
                ).fetchall()
            )
            with pytest.raises(Unavailable):
                await running
            assert await tables(empty_url) == set()
            assert len(await migrate(database, wanted=[FOUNDATION, file(2, made(2)), file(3, made(3))])) == 2

    async def test_two_at_the_same_time(self, empty_url):
        lists = await asyncio.gather(*(run(empty_url) for _ in range(4)))
        assert sorted(label for labels in lists for label in labels) == sorted(one.label for one in migrations())

    async def test_the_script_and_migrate_at_the_same_time(self, empty_url, url):
        await asyncio.gather(run(empty_url), asyncio.to_thread(paste, empty_url, script()), run(empty_url))
        assert schema.describe(empty_url) == schema.describe(url)

    async def test_many_databases_of_one_server_at_the_same_time(self, new_url):
        """They make the same roles, with no lock in common; new names, as on a fresh server."""
        name = f"many_{uuid4().hex[:8]}"
        text = FOUNDATION.text.replace("dure_app", f"{name}_app").replace("dure_system", f"{name}_system")
        urls = [new_url() for _ in range(6)]
        await asyncio.gather(*(run(url, wanted=[dataclasses.replace(FOUNDATION, text=text)]) for url in urls))
        assert len({tuple(schema.describe(url)) for url in urls}) == 1

    async def test_a_changed_file_is_reported_and_refused(self, empty_url):
        before = [FOUNDATION, file(2, made(2))]
        after = [FOUNDATION, file(2, made(2) + " "), file(3, made(3))]
        await run(empty_url, wanted=before)
        assert await problems(empty_url, wanted=after) == [
            "Migration 0002_extra.pre was changed after it had been applied.",
            "Migration 0003_extra.pre has not been applied.",
        ]
        with pytest.raises(Conflict, match=r"0002_extra"):
            await run(empty_url, wanted=after)
        with pytest.raises(psycopg.errors.RaiseException, match="0002_extra\\.pre was changed"):
            paste(empty_url, script(wanted=after))
        assert await tables(empty_url) == {"dure.extra_2"}

    async def test_other_line_ends_are_no_change(self, tmp_path, monkeypatch):
        folder = tmp_path / "migrations"
        folder.mkdir()
        (folder / "0001_x.pre.sql").write_bytes(b"select 1;\r\nselect 2;\r\n")
        monkeypatch.setattr(module.resources, "files", lambda _package: tmp_path)
        (read,) = module.migrations.__wrapped__()
        assert read.checksum == file(1, "select 1;\nselect 2;\n").checksum
        (folder / "2_y.sql").write_text("")
        with pytest.raises(ValueError, match="is no name of a migration"):
            module.migrations.__wrapped__()

    async def test_older_code_on_a_newer_database(self, empty_url):
        await run(empty_url, wanted=[FOUNDATION, file(2, made(2)), file(3, made(3))])
        older = [FOUNDATION, file(2, made(2))]
        assert await problems(empty_url, wanted=older) == [
            "The database has migration 0003_extra.pre, which this version of Dure does not know."
        ]
        # A replica that restarts in the middle of a deployment has nothing to do, and must start.
        assert await run(empty_url, wanted=older) == []
        with pytest.raises(Conflict, match="migration 3"):
            await run(empty_url, wanted=[*older, file(2, "select 1", "post")])

    async def test_a_busy_table_is_waited_for_in_small_bites(self, empty_url, monkeypatch):
        monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.05)
        await run(empty_url, wanted=[FOUNDATION])
        wanted = [FOUNDATION, file(2, "alter table dure.setting add column if not exists extra int")]
        with psycopg.connect(empty_url) as reader, structlog.testing.capture_logs() as logs:
            reader.execute("select * from dure.setting")
            running = asyncio.create_task(run(empty_url, wanted=wanted))
            await until(lambda: any(line["event"] == "migration.waits" for line in logs))
            reader.rollback()
            assert await running == ["0002_extra.pre"]


class TestRoles:
    @pytest.fixture
    def owner(self, admin, new_url):
        """A login that is no superuser, and a database of its own."""
        name = f"owner_{uuid4().hex[:8]}"
        admin.execute(f"create role {name} login")
        url = new_url()
        admin.execute(f'alter database "{url.split("/")[3].split("?")[0]}" owner to {name}')
        yield servers.with_user(url, name)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"drop owned by {name} cascade")
            connection.execute(f"reassign owned by {name} to current_user")
        admin.execute(f"drop role {name}")

    async def test_what_an_administrator_must_do_is_said_exactly(self, owner, admin, template):
        with pytest.raises(Refused) as caught:
            await run(owner)
        with pytest.raises(psycopg.Error) as pasted:
            paste(owner, script())
        statements = str(caught.value.params["statements"])
        assert statements in str(caught.value)
        assert statements in caught.value.text("ko")
        assert statements in str(pasted.value)
        for statement in statements.splitlines():
            admin.execute(statement)
        await run(owner)
        async with Database(owner) as database, database.tenant_tx("acme") as tx:
            row = await (
                await tx.execute("select current_user, session_user like 'owner_%', dure.now() is null")
            ).fetchone()
        assert row == ("dure_app", True, False)

    async def test_a_role_that_may_create_roles_needs_no_administrator(self, owner, admin, template, monkeypatch):
        """With names of its own, since the usual roles belong to the server's superuser."""
        name = owner.split("//")[1].split("@")[0]
        admin.execute(f"alter role {name} createrole")
        own = FOUNDATION.text.replace("dure_app", f"{name}_app").replace("dure_system", f"{name}_system")
        wanted = [dataclasses.replace(FOUNDATION, text=own)]
        try:
            await run(owner, wanted=wanted)
            with psycopg.connect(owner) as connection:
                connection.execute(f"set role {name}_app")
                connection.execute("select dure.now(), dure.uuid7(), dure.tenant_id()")
                connection.execute("reset role")
                connection.execute(f"set role {name}_system")
                connection.execute("select * from dure.setting")
        finally:
            with psycopg.connect(owner) as connection:
                connection.execute("drop schema if exists dure cascade")
            admin.execute(f"drop role if exists {name}_app, {name}_system")

    async def test_no_right_to_make_a_schema(self, owner, admin, template):
        name = owner.split("//")[1].split("@")[0]
        database = owner.split("/")[3].split("?")[0]
        admin.execute(f"grant dure_app, dure_system to {name}")
        admin.execute(f'alter database "{database}" owner to current_user')
        with pytest.raises(DureError, match=f"grant create on database {database} to {name};"):
            await run(owner)


class TestFoundation:
    async def test_the_clock_can_be_held_still(self, database):
        moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
        async with database.owner_tx() as tx:
            await tx.execute("update dure.clock set fake_now = %s", [moment])
        for transaction in (database.system_tx(), database.tenant_tx("acme")):
            async with transaction as tx:
                assert await (await tx.execute("select dure.now()")).fetchone() == (moment,)
        async with database.owner_tx() as tx:
            await tx.execute("update dure.clock set fake_now = null")
            row = await (
                await tx.execute("select abs(extract(epoch from dure.now() - clock_timestamp())) < 5")
            ).fetchone()
        assert row == (True,)

    async def test_there_is_one_clock(self, database):
        for statement in (
            "insert into dure.clock values (true, now())",
            "insert into dure.clock values (false, now())",
        ):
            with pytest.raises(psycopg.errors.IntegrityError):
                async with database.owner_tx() as tx:
                    await tx.execute(statement)

    @pytest.mark.parametrize("role", ["dure_app", "dure_system"])
    async def test_only_the_owner_may_set_the_clock(self, database, role):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # noqa: PT012
            async with database.owner_tx() as tx:
                await tx.execute(f"set local role {role}")
                await tx.execute("update dure.clock set fake_now = now()")


def test_the_script_names_its_parts():
    assert all(f"-- {one.label}" in script() for one in migrations())
    assert script().rstrip().endswith("as message;")
