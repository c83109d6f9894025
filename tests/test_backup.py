"""Backup, restore, and the proof of a backup: what comes back is what was there, or nothing is changed."""

import asyncio
import re
import stat
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

import schema
import servers
from dure.db.backup import LATEST, BackupError, dump, inspect, prove, restore
from dure.db.migrate import check, migrate, migrations
from dure.db.pool import Database
from dure.errors import Conflict, LeaseLost
from queueing import rows, until
from saving import contents, fill, rewrite

NAME = re.compile(r"distributed_schema_backup_\d{8}_\d{6}\.sql")


@pytest.fixture
def saved_to(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "schema"


async def save(url: str, directory: Path, **given) -> Path:
    async with Database(url) as database:
        return (await dump(database, directory, **given)).path


async def bring_back(url: str, path: Path, **given):
    async with Database(url) as database:
        return await restore(database, path, save_to=path.parent, **given)


async def migrated(url: str, count: int | None = None) -> str:
    async with Database(url) as database:
        await migrate(database, wanted=migrations()[:count])
    return url


def refused(reason: str):
    return pytest.raises(BackupError, check=lambda error: error.reason == reason)


class TestThereAndBack:
    async def test_all_rows_and_the_whole_schema_come_back(self, url, empty_url, saved_to):
        fill(url)
        async with Database(url) as database:
            made = await dump(database, saved_to)
        assert NAME.fullmatch(made.path.name)
        assert (saved_to / LATEST).readlink() == Path(made.path.name)
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
        assert [one.name for one in saved_to.iterdir() if one.name not in {LATEST, made.path.name}] == []
        assert inspect(saved_to / LATEST) == made.head
        counted = {name: count for name, (count, _) in contents(url).items()}
        assert {one.table: one.rows for one in made.head.tables}.items() <= counted.items()
        restored = await bring_back(empty_url, made.path)
        assert (restored.saved, restored.sessions, restored.pending) == (None, 0, ())
        assert schema.describe(empty_url) == schema.describe(url)
        assert contents(empty_url) == contents(url)

    @pytest.mark.parametrize("by_parts", [False, True])
    async def test_any_sql_editor_restores_it(self, url, empty_url, saved_to, by_parts):
        fill(url)
        text = (await save(url, saved_to)).read_bytes().decode()
        pieces = re.split(r"(?m)^(?=--> )", text) if by_parts else [text]
        with psycopg.connect(empty_url, autocommit=True) as connection:
            for piece in pieces:
                # Editors have line ends of their own.
                cursor = connection.execute(piece.replace("\n", "\r\n").encode(), prepare=False)
                while cursor.nextset():
                    pass
            [message] = cursor.fetchone()
        assert f"migration {migrations()[-1].number}" in message
        assert contents(empty_url) == contents(url)
        with psycopg.connect(empty_url, autocommit=True) as connection, pytest.raises(psycopg.errors.RaiseException):
            connection.execute(text.encode(), prepare=False)

    async def test_numbers_go_on_where_they_were(self, url, empty_url, saved_to):
        fill(url)
        await bring_back(empty_url, await save(url, saved_to))
        statement = "insert into dure.event (actor, verb, subject) values ('a', 'v', 's') returning event_id"
        async with Database(url) as one, Database(empty_url) as other:
            assert await rows(other, statement) == await rows(one, statement)

    async def test_what_a_session_is_set_to_changes_nothing(self, url, saved_to):
        fill(url)
        before = inspect(await save(url, saved_to)).tables
        with psycopg.connect(url, autocommit=True) as connection:
            name = psycopg.sql.Identifier(connection.info.dbname)
            for setting in (
                "timezone = 'Asia/Seoul'",
                "datestyle = 'German'",
                "intervalstyle = 'iso_8601'",
                "bytea_output = 'escape'",
                "extra_float_digits = 0",
                "search_path = dure, public",
            ):
                connection.execute(psycopg.sql.SQL("alter database {} set " + setting).format(name))
        assert inspect(await save(url, saved_to)).tables == before

    async def test_two_of_one_second_have_two_names(self, url, saved_to):
        async with Database(url) as database:
            made = [await dump(database, saved_to) for _ in range(3)]
        assert len({one.path for one in made}) == 3
        assert (saved_to / LATEST).resolve() == made[-1].path.resolve()

    async def test_the_schema_alone(self, url, empty_url, saved_to):
        fill(url)
        path = await save(url, saved_to, rows=False)
        assert (inspect(path).has_rows, inspect(path).tables) == (False, ())
        await bring_back(empty_url, path)
        assert schema.describe(empty_url) == schema.describe(url)
        assert contents(empty_url)["job"][0] == 0
        assert contents(empty_url)["channel"][0] == 8

    @pytest.mark.parametrize("count", [8, 17])
    async def test_one_of_an_older_version_comes_back_and_is_migrated(self, new_url, url, saved_to, count):
        old = await migrated(new_url(), count)
        with psycopg.connect(old, autocommit=True) as connection:
            connection.execute("insert into dure.setting (name, value) values ('mine', '1')")
        path = await save(old, saved_to)
        back = new_url()
        restored = await bring_back(back, path)
        assert restored.pending == tuple(one.label for one in migrations()[count:])
        assert contents(back) == contents(old)
        await migrated(back)
        assert schema.describe(back) == schema.describe(url)
        async with Database(back) as database:
            assert await check(database) == []
            assert await rows(database, "select value from dure.setting where name = 'mine'") == [(1,)]


class TestSessions:
    async def test_who_was_at_work_is_not_alive_and_nothing_counts_as_a_crash(self, url, empty_url, saved_to):
        fill(url, end_sessions=False)
        epochs = "select agent_id, epoch from dure.agent order by 1"
        async with Database(url) as database:
            before = dict(await rows(database, epochs))
            taken = await rows(
                database, "select id from dure.claim_tasks('default', 'exec-1', %s, 1)", [before["exec-1"]]
            )
            assert len(taken) == 1
        path = await save(url, saved_to)
        assert (await bring_back(empty_url, path)).sessions == 2
        async with Database(empty_url) as database:
            assert await rows(database, "select agent_id, status, parent_agent_id from agent_registry order by 1") == [
                ("exec-1", "dead", "orch-1"),
                ("orch-1", "dead", None),
            ]
            assert await rows(database, "select state, crash_count from dure.job where id = %s", taken[0]) == [
                ("pending", 0)
            ]
            # It still runs somewhere, and says so.
            with pytest.raises(LeaseLost):
                await rows(database, "select dure.renew_agent('default', 'exec-1', %s)", [before["exec-1"]])
            await rows(
                database,
                "insert into agent_registry (agent_id, agent_type, agent_class, version) "
                "values ('exec-1', 'child', 'executor', '1.8.3')",
            )
            after = dict(await rows(database, epochs))
            assert after["exec-1"] > before["exec-1"] + 1000
            again = await rows(
                database, "select id from dure.claim_tasks('default', 'exec-1', %s, 9)", [after["exec-1"]]
            )
            assert taken[0] in again

    async def test_a_proof_compares_them_as_they_were(self, url, saved_to):
        fill(url, end_sessions=False)
        path = await save(url, saved_to)
        async with Database(url) as database:
            proof = await prove(database, path)
            assert await rows(database, "select from pg_database where datname like 'dure\\_verify\\_%%'") == []
        assert proof.head == inspect(path)


class TestWhileOthersWork:
    async def test_all_rows_are_of_one_moment(self, url, saved_to):
        both = [
            "dure.event (actor, verb, subject) values ('a', 'v', 's')",
            "dure.trouble values (gen_random_uuid(), 't', 'failed')",
        ]
        async with Database(url) as database:
            with psycopg.connect(url) as writer:
                # The backup reads dure.event, then waits for dure.job; what is committed meanwhile was not there.
                writer.execute("lock table dure.job in access exclusive mode")
                for one in both:
                    writer.execute(f"insert into {one}".encode())
                task = asyncio.create_task(dump(database, saved_to))
                await until(lambda: is_waiting(database))
                writer.commit()
            made = await task
        counts = {one.table: one.rows for one in made.head.tables}
        assert (counts["event"], counts["trouble"]) == (0, 0)
        assert (contents(url)["event"][0], contents(url)["trouble"][0]) == (1, 1)

    async def test_no_migration_runs_beside_it(self, url, saved_to, monkeypatch):
        monkeypatch.setattr("dure.db.backup.dumping.LOCK_TIMEOUT_S", 0.1)
        with psycopg.connect(url) as migrating:
            migrating.execute("select pg_advisory_xact_lock(%s)", [int.from_bytes(b"dure.mig")])
            with pytest.raises(Exception, match="in vain"):
                await save(url, saved_to)
        assert not saved_to.exists()

    async def test_a_restore_gives_up_when_somebody_keeps_a_table(self, url, saved_to, monkeypatch):
        monkeypatch.setattr("dure.db.backup.restoring.LOCK_TIMEOUT_S", 0.2)
        path = await save(url, saved_to)
        with psycopg.connect(url) as busy:
            busy.execute("insert into dure.setting (name, value) values ('mine', '1')")
            with refused("in_use"):
                await bring_back(url, path)
            busy.commit()
        assert contents(url)["setting"][0] == 2


async def is_waiting(database: Database) -> bool:
    statement = """select from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.application_name = 'dure/backup' and a.datname = current_database()"""
    return bool(await rows(database, statement))


class TestOverData:
    async def test_what_is_there_is_saved_first_and_the_link_stays(self, url, saved_to):
        path = await save(url, saved_to)
        fill(url)
        full = contents(url)
        restored = await bring_back(url, path)
        assert contents(url)["job"][0] == 0
        assert restored.saved is not None
        assert (saved_to / LATEST).resolve() == path.resolve()
        await bring_back(url, restored.saved.path)
        assert contents(url) == full

    async def test_what_others_built_on_it_is_never_lost(self, url, saved_to):
        path = await save(url, saved_to)
        made = (
            "create view public.my_jobs as select id, state from dure.job",
            "create table public.mine (job_id uuid references dure.job, at timestamptz default dure.now())",
            "create function public.my_count() returns bigint language sql return (select count(*) from dure.job)",
        )
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in made:
                connection.execute(statement)
        before = schema.describe(url)
        with refused("outsiders") as caught:
            await bring_back(url, path)
        assert all(name in str(caught.value) for name in ("my_jobs", "mine", "my_count"))
        assert schema.describe(url) == before
        assert len(list(saved_to.glob("distributed*"))) == 1

    async def test_somebody_elses_table_of_an_old_name_is_left_alone(self, new_url, saved_to, url):
        fill(url)
        path = await save(url, saved_to)
        other = new_url()
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute("create table public.agent_registry as select 'mine' as agent_id")
        await bring_back(other, path)
        with psycopg.connect(other, autocommit=True) as connection:
            assert connection.execute("select agent_id from public.agent_registry").fetchall() == [("mine",)]
            assert len(connection.execute("select from agent_hierarchy").fetchall()) == 1

    async def test_nothing_changes_when_the_last_step_fails(self, url, saved_to):
        path = await save(url, saved_to)
        rewrite(path, "'agents.research'", "'agents.besearch'")
        fill(url)
        before = contents(url)
        with refused("differs") as caught:
            await bring_back(url, path)
        assert "channel" in str(caught.value)
        assert contents(url) == before


class TestSpoiltFiles:
    async def test_cut_short(self, url, empty_url, saved_to):
        path = await save(url, saved_to)
        whole = path.read_bytes()
        for length in (0, 10, 5_000, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(BackupError) as caught:
                await bring_back(empty_url, path)
            assert caught.value.reason in {"cut_short", "not_a_backup"}
        with psycopg.connect(empty_url) as connection:
            assert connection.execute("select to_regnamespace('dure')").fetchone() == (None,)

    async def test_one_byte_changed(self, url, saved_to):
        path = await save(url, saved_to)
        whole = path.read_bytes()
        for at in (100, len(whole) // 2, len(whole) - 100):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with refused("altered"):
                inspect(path)

    async def test_a_forged_row_is_found_by_the_proof(self, url, saved_to):
        path = await save(url, saved_to)
        rewrite(path, "'Research Child Unit'", "'Research child unit'")
        async with Database(url) as database:
            with refused("differs") as caught:
                await prove(database, path)
            assert "release" in str(caught.value)
            assert await rows(database, "select from pg_database where datname like 'dure\\_verify\\_%%'") == []

    async def test_a_row_lost_on_the_way_stops_an_editor_too(self, url, empty_url, saved_to):
        path = await save(url, saved_to)
        text = path.read_text()
        lost = re.sub(r"(?m)^\('default', 'agents\.discovery'.*\n", "", text)
        assert lost != text
        with psycopg.connect(empty_url, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.RaiseException, match=r"dure\.channel has 7 rows instead of 8"):
                connection.execute(lost.encode(), prepare=False)
            connection.execute("rollback")
            assert connection.execute("select to_regnamespace('dure')").fetchone() == (None,)

    async def test_what_is_no_backup(self, tmp_path):
        other = tmp_path / "other.sql"
        other.write_text("select 1;\n")
        with refused("not_a_backup"):
            inspect(other)
        with refused("unreadable"):
            inspect(tmp_path / "nothing.sql")
        with refused("unreadable"):
            inspect(tmp_path)

    async def test_one_of_a_newer_version(self, url, empty_url, saved_to):
        path = await save(url, saved_to)
        rewrite(path, f"-- migration: {migrations()[-1].number:04}", "-- migration: 9999")
        with pytest.raises(Conflict, match="9999"):
            await bring_back(empty_url, path)


class TestWhatCannotBeSaved:
    async def test_where_nothing_is(self, empty_url, saved_to):
        with refused("no_schema"):
            await save(empty_url, saved_to)
        assert not saved_to.exists()

    async def test_a_schema_that_nobody_knows(self, url, saved_to):
        path = await save(url, saved_to)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("update dure.migration set checksum = repeat('0', 64) where number = 8")
            with pytest.raises(Conflict, match="0008_faces"):
                await save(url, saved_to)
            connection.execute("insert into dure.migration values (9999, 'later', 'pre', repeat('0', 64))")
            connection.execute("delete from dure.migration where number = 8")
            before = contents(url)
            # It could not be saved, so it is not replaced.
            for attempt in (save(url, saved_to), bring_back(url, path)):
                with pytest.raises(Conflict, match="9999"):
                    await attempt
        assert contents(url) == before
        assert len(list(saved_to.glob("*.sql"))) == 2

    async def test_where_nothing_can_be_written(self, url, tmp_path):
        (tmp_path / "file").write_text("")
        with refused("unwritable"):
            await save(url, tmp_path / "file" / "below")

    async def test_a_role_that_may_not_make_databases(self, url, admin, saved_to):
        path = await save(url, saved_to)
        name = f"plain_{uuid4().hex[:8]}"
        admin.execute(f'create role "{name}" login')
        try:
            async with Database(servers.with_user(url, name)) as database:
                with refused("no_database") as caught:
                    await prove(database, path)
            assert name in str(caught.value)
        finally:
            admin.execute(f'drop role "{name}"')


def test_every_sentence_can_be_said_in_both_languages(tmp_path):
    error = BackupError("unwritable", path=tmp_path, text="No space left on device")
    assert "No space left" in error.text("en")
    assert error.text("ko") != error.text("en")
