"""The queue for a client that knows nothing of Dure but a table of the old system's name, and for any client of SQL."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from dure.db.migrate import migrate, script
from dure.db.pool import Database
from sqlside import refused

COLUMNS = {
    "id": "uuid",
    "tenant_id": "text",
    "intent_key": "text",
    "intent_params": "jsonb",
    "status": "text",
    "retry_count": "integer",
    "max_retries": "integer",
    "created_at": "timestamp with time zone",
    "executed_at": "timestamp with time zone",
    "completed_at": "timestamp with time zone",
    "error_message": "text",
}
INSERT = "insert into job_executions (tenant_id, intent_key, intent_params) values (%s, %s, %s)"


@contextmanager
def listening(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("listen dure_ready")
        yield lambda: [note.channel for note in connection.notifies(timeout=0.2, stop_after=1)]


class TestInsert:
    def test_one_row_becomes_a_job(self, side):
        tenant = uuid4()
        side.db.execute(INSERT, [tenant, "t.h", json.dumps({"student_id": 7})])
        [job] = side.claim(side.worker())
        assert job.tenant_id == str(tenant)
        assert side.one("select params from dure.job where id = %s", [job.id]) == {"student_id": 7}

    def test_returning_shows_the_job(self, side):
        columns = ", ".join(COLUMNS)
        [row] = side.rows(f"{INSERT} returning {columns}", ["acme", "t.h", "{}"])
        shown = dict(zip(COLUMNS, row, strict=True))
        assert isinstance(shown["id"], UUID)
        assert shown["status"] == "pending"
        assert (shown["retry_count"], shown["max_retries"]) == (0, 3)
        assert isinstance(shown["created_at"], datetime)
        assert shown["executed_at"] is shown["completed_at"] is shown["error_message"] is None
        assert side.rows(f"select {columns} from job_executions") == [row]

    def test_many_rows(self, side):
        rows = side.rows(
            "insert into job_executions (tenant_id, intent_key) "
            "values ('a', 't.h'), ('b', 't.h'), ('a', 't.h') returning id"
        )
        assert len({row[0] for row in rows}) == len(side.claim(side.worker())) == 3

    def test_insert_select_and_copy(self, side):
        side.db.execute(
            "insert into job_executions (tenant_id, intent_key, intent_params, max_retries) "
            "select 'acme', 't.h', jsonb_build_object('n', n), 5 from generate_series(1, 50) n"
        )
        with side.db.cursor().copy("copy job_executions (tenant_id, intent_key, intent_params) from stdin") as copy:
            copy.write_row(["acme", "t.h", '{"n": 51}'])
        assert side.rows("select max_retries, count(*)::int from job_executions group by 1 order by 1") == [
            (3, 1),
            (5, 50),
        ]

    def test_the_parameters_may_be_left_out(self, side):
        side.db.execute("insert into job_executions (tenant_id, intent_key) values ('acme', 't.h')")
        side.db.execute(
            "insert into job_executions (tenant_id, intent_key, intent_params) values ('acme', 't.h', null)"
        )
        assert side.rows("select intent_params from job_executions") == [({},), ({},)]

    def test_a_session_of_a_tenant_need_not_name_it(self, url, side):
        with psycopg.connect(url) as app:
            app.execute("set role dure_app")
            app.execute("select set_config('dure.tenant_id', 'acme', true)")
            app.execute("insert into job_executions (intent_key) values ('t.h')")
            with refused("refused", "tenant_id"), app.transaction():
                app.execute("insert into job_executions (tenant_id, intent_key) values ('other', 't.h')")
        assert side.rows("select tenant_id from dure.job") == [("acme",)]

    @pytest.mark.parametrize(
        ("columns", "code", "field"),
        [
            ({"intent_key": "t.none"}, "unknown_handler", "handler"),
            ({"intent_key": None}, "missing", "intent_key"),
            ({"tenant_id": None}, "missing", "tenant_id"),
            ({"tenant_id": "a/b"}, "wrong_format", "tenant_id"),
            ({"intent_params": "[]"}, "wrong_type", "params"),
            ({"intent_params": "{}"}, "missing", "params.student_id"),
            ({"intent_params": '{"student_id": "x"}'}, "wrong_type", "params.student_id"),
            ({"status": "completed"}, "not_one_of", "status"),
            ({"id": str(uuid4())}, "unknown_field", "id"),
            ({"max_retries": 1000}, "out_of_range", "max_retries"),
            ({"retry_count": 2}, "refused", "job_executions"),
            ({"completed_at": "2026-01-01"}, "refused", "job_executions"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
    )
    def test_what_is_wrong_is_named(self, side, columns, code, field):
        schema = {"type": "object", "properties": {"student_id": {"type": "integer"}}, "required": ["student_id"]}
        side.handler("t.m", params_schema=schema)
        row = {"tenant_id": "acme", "intent_key": "t.m", "intent_params": '{"student_id": 1}', **columns}
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        with refused(code, field):
            side.db.execute(f"insert into job_executions ({names}) values ({marks})", list(row.values()))
        assert side.states() == {}


class TestWake:
    def test_a_sleeping_worker_is_woken_once_a_transaction(self, url, side):
        side.db.execute("update dure.worker set listening = true where worker_id = %s", [side.worker()])
        with listening(url) as notes:
            with side.transaction():
                side.db.execute(
                    "insert into job_executions (tenant_id, intent_key) values ('acme', 't.h'), ('acme', 't.h')"
                )
                assert notes() == []
            assert notes() == ["dure_ready"]
            assert notes() == []

    @pytest.mark.parametrize("state", ["busy", "ended", "none"])
    def test_nobody_is_told_when_nobody_sleeps(self, url, side, state):
        if state != "none":
            worker = side.worker()
        if state == "ended":
            side.db.execute("update dure.worker set listening = true, ended_at = now() where worker_id = %s", [worker])
        with listening(url) as notes:
            side.db.execute("insert into job_executions (tenant_id, intent_key) values ('acme', 't.h')")
            assert notes() == []

    def test_not_for_what_was_rolled_back(self, url, side):
        side.db.execute("update dure.worker set listening = true where worker_id = %s", [side.worker()])
        with listening(url) as notes:
            side.db.execute("begin")
            side.enqueue()
            side.db.execute("rollback")
            assert notes() == []


class TestSelect:
    def test_the_columns_are_those_of_the_old_table(self, side):
        rows = side.rows(
            "select column_name::text, data_type::text from information_schema.columns "
            "where table_name = 'job_executions' order by ordinal_position"
        )
        assert dict(rows) == COLUMNS
        assert [name for name, _ in rows] == list(COLUMNS)

    def test_a_whole_life(self, side, clock):
        job = side.enqueue(max_retries=1)
        shown = "select status, retry_count, executed_at, completed_at, error_message from job_executions where id = %s"
        worker = side.worker()

        def row():
            return side.rows(shown, [job])[0]

        assert row() == ("pending", 0, None, None, None)
        held = side.claim(worker)
        first = clock.now()
        assert row() == ("processing", 0, first, None, None)
        side.settle(*held, outcome="retried", delay_s=5, error_class="TimeoutError", error="too slow")
        assert row() == ("pending", 1, first, None, "too slow")
        clock.advance(6)
        side.promote()
        held = side.claim(worker)
        assert row() == ("processing", 1, clock.now(), None, "too slow")
        side.finish(*held)
        assert row() == ("completed", 1, clock.now(), clock.now(), None)

    def test_a_life_that_fails(self, side, clock):
        job = side.enqueue(max_retries=0)
        side.settle(*side.claim(side.worker()), outcome="retried", delay_s=5, error="no")
        rows = side.rows(
            "select status, retry_count, completed_at, error_message from job_executions where id = %s", [job]
        )
        assert rows == [("failed", 0, clock.now(), "no")]

    @pytest.mark.parametrize(
        "statement",
        ["update job_executions set status = 'pending'", "delete from job_executions where intent_key = 't.h'"],
    )
    @pytest.mark.parametrize("role", ["dure_app", "dure_system"])
    def test_nothing_is_changed_through_it(self, url, side, statement, role):
        side.enqueue()
        with psycopg.connect(url) as connection:
            connection.execute("select set_config('dure.tenant_id', 'acme', true)")
            connection.execute(f"set local role {role}")
            with pytest.raises(psycopg.Error, match=r"use dure.cancel\(id\) or dure.retry\(id\)"):
                connection.execute(statement)
        assert side.states() == {"pending": 1}


class TestEnqueue:
    def test_every_option_has_its_name(self, side, clock):
        parent, first = side.enqueue(), side.enqueue()
        job = side.one(
            """select dure.enqueue('t.h', '{"n": 1}', tenant_id => 'acme', queue => 'slow', priority => 5,
                 run_at => %(later)s, deadline_at => %(end)s, max_retries => 7, timeout_s => 1.5, unique_key => 'k',
                 unique_for_s => 60, depends_on => array[%(first)s]::uuid[], parent_id => %(parent)s,
                 tags => array['a', 'b'], limit_key => 'l')""",
            {"later": clock.later(60), "end": clock.later(120), "first": first, "parent": parent},
        )
        row = side.rows(
            """select priority, run_at, deadline_at, max_retries, timeout_s, unique_key, blocked_by, parent_id::text,
                 tags, limit_key, l.queue from dure.job j join dure.lane l using (lane_id) where id = %s""",
            [job],
        )
        assert row == [(5, clock.later(60), clock.later(120), 7, 1.5, "k", 1, parent, ["a", "b"], "l", "slow")]

    def test_defaults_are_those_of_the_handler(self, side):
        side.handler("t.d", queue="mail", max_retries=9, timeout_s=5)
        side.db.execute("select dure.enqueue('t.d', tenant_id => 'acme')")
        rows = side.rows(
            "select l.queue, max_retries, timeout_s, params from dure.job j join dure.lane l using (lane_id)"
        )
        assert rows == [("mail", 9, 5.0, {})]

    def test_a_delay_is_counted_from_now(self, side, clock):
        job = side.enqueue(delay_s=90)
        assert side.one("select run_at from dure.job where id = %s", [job]) == clock.later(90)
        assert side.claim(side.worker()) == []
        clock.advance(90)
        side.promote()
        assert len(side.claim(side.worker())) == 1

    def test_times_without_a_zone_are_those_of_the_session(self, side):
        side.db.execute("set time zone 'Asia/Seoul'")
        job = side.one("select dure.enqueue('t.h', tenant_id => 'acme', run_at => '2030-01-01 09:00')")
        assert side.one("select run_at from dure.job where id = %s", [job]) == datetime(2030, 1, 1, tzinfo=UTC)


class TestName:
    OWN = "create table public.job_executions as select 1 as id, 'mine' as note"

    async def test_somebodys_own_table_is_left_alone_until_it_is_renamed(self, empty_url):
        with psycopg.connect(empty_url, autocommit=True) as owner:
            owner.execute(self.OWN)
            async with Database(empty_url) as database:
                await migrate(database)
                assert owner.execute("select * from public.job_executions").fetchall() == [(1, "mine")]
                assert owner.execute("select count(*) from pg_trigger where tgname like 'dure%'").fetchone() == (0,)
                owner.execute("insert into dure.handler (handler) values ('t.h')")
                owner.execute("select dure.enqueue('t.h', tenant_id => 'acme')")
                owner.execute("alter table public.job_executions rename to job_executions_old")
                await migrate(database)
            owner.execute("insert into job_executions (tenant_id, intent_key) values ('acme', 't.h')")
            assert owner.execute("select count(*) from job_executions").fetchone() == (2,)
            assert owner.execute("select * from job_executions_old").fetchall() == [(1, "mine")]

    def test_a_warning_says_so(self, empty_url):
        warnings = []
        with psycopg.connect(empty_url, autocommit=True) as owner:
            owner.add_notice_handler(lambda notice: warnings.append((notice.severity, notice.message_primary)))
            owner.execute(self.OWN)
            owner.execute(script(), prepare=False)
            assert [severity for severity, text in warnings if "job_executions" in text] == ["WARNING", "WARNING"]
            owner.execute("drop table public.job_executions")
            warnings.clear()
            owner.execute(script(), prepare=False)
            assert warnings == []
            assert owner.execute("select count(*) from job_executions").fetchone() == (0,)

    def test_without_a_public_schema_all_else_works(self, empty_url):
        with psycopg.connect(empty_url, autocommit=True) as owner:
            owner.execute("drop schema public")
            owner.execute(script(), prepare=False)
            owner.execute("insert into dure.handler (handler) values ('t.h')")
            assert owner.execute("select dure.enqueue('t.h', tenant_id => 'acme')").fetchone() is not None
