"""What users of the older system keep: one script for a SQL editor, and its seven tables by name."""

import re
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

import schema
import servers
from dure.db.migrate import migrate, script
from dure.db.pool import Database
from saving import contents

MESSAGES = [
    "✅ Distributed Agent Ecosystem Schema successfully created!",
    "🚀 Self-upgrading agent infrastructure ready",
    "📊 Tables: agent_registry, agent_hierarchy, agent_versions, realtime_channels, distributed_tasks, "
    "agent_communication_logs, agent_performance_history",
    "⚡ Indexes: 15+ performance indexes created",
    "📡 Channels: 8 default realtime channels configured",
    "📦 Versions: 5 initial agent versions added",
]
REGISTER = """insert into agent_registry (agent_id, agent_type, agent_class, version, status, last_heartbeat)
    values (%s, %s, %s, %s, 'active', now())"""
CHILD = """insert into agent_registry (agent_id, agent_class, version, parent_agent_id)
    values (%s, 'executor', '1.8.3', %s)"""
REFUSED = [
    ("insert into agent_versions (agent_class, version) values ('a', '1.0.0')", "dure releases"),
    ("update agent_versions set release_type = 'major'", "dure releases"),
    ("insert into realtime_channels (channel_name) values ('mine')", "dure channels"),
    ("delete from realtime_channels", "dure channels"),
    ("update distributed_tasks set status = 'cancelled'", "dure.cancel"),
    ("delete from distributed_tasks", "dure.cancel"),
    ("update agent_communication_logs set success = true", "append-only"),
    ("delete from agent_communication_logs", "append-only"),
    ("insert into agent_performance_history (agent_id) values ('a')", "by Dure itself"),
    ("delete from agent_registry", "dure agents retire"),
    ("update agent_registry set version = '9.9.9'", "register again"),
    ("update agent_registry set status = 'retired'", "dure agents drain"),
    ("update agent_hierarchy set parent_agent_id = null", "INSERT"),
]


class Editor:
    """A SQL editor: what it shows of a script's last statement, and the notices meanwhile."""

    def __init__(self, url: str) -> None:
        self.db = psycopg.connect(url, autocommit=True)
        self.notices: list[str] = []
        self.db.add_notice_handler(lambda said: self.notices.append(str(said.message_primary)))

    def paste(self, text: str) -> list[str]:
        self.notices.clear()
        cursor = self.db.execute(text.encode(), prepare=False)
        while cursor.nextset():
            pass
        return [row[0] for row in cursor.fetchall()]

    def rows(self, statement: str, *values: object) -> list[tuple]:
        cursor = self.db.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def editor(url: str) -> Iterator[Editor]:
    made = Editor(url)
    yield made
    made.db.close()


@pytest.fixture
def empty(empty_url: str) -> Iterator[Editor]:
    made = Editor(empty_url)
    yield made
    made.db.close()


class TestScript:
    def test_on_an_empty_database_and_again(self, empty, empty_url, url):
        assert empty.paste(script(agents=True)) == MESSAGES
        assert empty.notices == MESSAGES
        assert schema.describe(empty_url) == schema.describe(url)
        before = schema.describe(empty_url), contents(empty_url)
        assert empty.paste(script(agents=True)) == MESSAGES
        assert empty.notices == MESSAGES
        assert (schema.describe(empty_url), contents(empty_url)) == before

    def test_part_by_part(self, empty):
        pieces = re.split(r"(?m)^(?=-- \d{4}_|do \$dure_agents|select r as)", script(agents=True))
        for piece in pieces[:-1]:
            empty.db.execute(piece.encode(), prepare=False)
        assert empty.paste(pieces[-1]) == MESSAGES

    def test_the_documents_own_queries(self, empty):
        empty.paste(script(agents=True))
        assert {"agent_registry", "agent_hierarchy", "agent_versions", "agent_communication_logs"} <= {
            name
            for (name,) in empty.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' "
                "AND table_name LIKE '%agent%' ORDER BY table_name"
            )
        }
        channels = empty.rows("SELECT channel_name, channel_type FROM realtime_channels ORDER BY channel_name")
        assert [name for name, _ in channels] == sorted(
            ["agents.discovery", "agents.heartbeat", "tasks.distribution", "system.health"]
            + [f"agents.{name}" for name in ("orchestrator", "executor", "indexing", "research")]
        )
        assert empty.rows("SELECT agent_class, version, release_type FROM agent_versions ORDER BY agent_class") == [
            ("executor", "1.8.3", "patch"),
            ("indexing", "1.7.1", "patch"),
            ("orchestrator", "2.1.0", "minor"),
            ("research", "1.9.0", "minor"),
            ("test-system", "1.0.0", "initial"),
        ]

    def test_a_name_that_is_taken_is_said_and_left_alone(self, empty):
        empty.rows("create table public.agent_registry (agent_id text)")
        empty.rows("insert into public.agent_registry values ('mine')")
        said = empty.paste(script(agents=True))
        assert "agent_registry" in said[0]
        assert said[1].startswith("📊 Tables: agent_hierarchy, agent_versions")
        assert MESSAGES[0] not in said
        assert any("agent_registry is not Dure's" in notice for notice in empty.notices)
        assert empty.rows("select * from public.agent_registry") == [("mine",)]
        empty.rows("alter table public.agent_registry rename to agent_registry_old")
        assert empty.paste(script(agents=True)) == MESSAGES

    def test_what_is_there_is_counted(self, editor):
        for table in ("agent_performance_history", "realtime_channels"):
            editor.rows(f"drop view public.{table}")
        editor.rows("delete from dure.release where class = 'research'")
        said = [row[0] for row in editor.rows("select * from dure.agents_report()")]
        assert "realtime_channels, agent_performance_history" in said[0]
        assert said[-1] == "📦 Versions: 4 initial agent versions added"

    def test_without_being_superuser(self, empty_url, admin):
        owner, name = f"owner_{uuid4().hex[:8]}", servers.urlsplit(empty_url).path[1:]
        admin.execute(f'create role "{owner}" login createrole')
        try:
            for role in ("dure_app", "dure_system"):
                admin.execute(f'grant {role} to "{owner}" with admin option')
            admin.execute(f'alter database "{name}" owner to "{owner}"')
            made = Editor(servers.with_user(empty_url, owner))
            made.rows("set role none")
            assert made.paste(script(agents=True)) == MESSAGES
            assert made.paste(script(agents=True)) == MESSAGES
            made.rows(REGISTER, "a-1", "parent", "orchestrator", "2.1.0")
            assert made.rows("select agent_id, status from agent_registry") == [("a-1", "alive")]
            made.db.close()
        finally:
            servers.drop(admin, name)
            admin.execute(f'drop role "{owner}"')


class TestTables:
    def test_an_agent_registers_itself_and_its_heartbeat_renews(self, editor, clock):
        editor.rows(REGISTER, "orch-1", "parent", "orchestrator", "2.1.0")
        [(status, beat)] = editor.rows("select status, last_heartbeat from agent_registry")
        assert (status, beat) == ("alive", clock.now())
        clock.advance(25)
        assert editor.rows("select status from agent_registry") == [("suspect",)]
        beaten = editor.rows(
            """update agent_registry
               set last_heartbeat = now(), updated_at = now(), performance_metrics = '{"cpu": 0.5}'
               where agent_id = 'orch-1' returning status, last_heartbeat, performance_metrics -> 'load'"""
        )
        assert beaten == [("alive", clock.now(), {"cpu": 0.5})]
        editor.rows("select dure.bury(array(select epoch from dure.agent))")
        with pytest.raises(psycopg.Error, match="register again"):
            editor.rows("update agent_registry set last_heartbeat = now()")
        editor.rows(REGISTER, "orch-1", "parent", "orchestrator", "2.1.0")
        assert editor.rows("select status from agent_registry") == [("alive",)]

    def test_a_child_names_its_parent_or_is_linked_later(self, editor):
        editor.rows(REGISTER, "orch-1", "parent", "orchestrator", "2.1.0")
        editor.rows(
            """insert into agent_registry
                   (agent_id, agent_class, version, parent_agent_id, capabilities, location, endpoints)
               values ('exec-1', 'executor', '1.8.3', 'orch-1', '{run}', 'seoul', '{"http": "http://a"}')"""
        )
        editor.rows(REGISTER, "exec-2", "child", "executor", "1.8.3")
        linked = editor.rows(
            """insert into agent_hierarchy (parent_agent_id, child_agent_id, communication_protocol, protocol_config)
               values ('orch-1', 'exec-2', 'websocket', '{"ping_s": 5}') returning connection_status"""
        )
        assert linked == [("connected",)]
        columns = "parent_agent_id, child_agent_id, communication_protocol, protocol_config"
        assert editor.rows(f"select {columns} from agent_hierarchy order by child_agent_id") == [
            ("orch-1", "exec-1", "dure", {}),
            ("orch-1", "exec-2", "websocket", {"ping_s": 5}),
        ]
        with pytest.raises(psycopg.Error):
            editor.rows("insert into agent_hierarchy (parent_agent_id, child_agent_id) values ('exec-1', 'orch-1')")

    def test_an_old_or_unknown_version_is_told_what_to_become(self, editor):
        with pytest.raises(psycopg.Error, match=r"upgrade to 1\.8\.3"):
            editor.rows(REGISTER, "exec-1", "child", "executor", "0.9.0")
        with pytest.raises(psycopg.Error):
            editor.rows(REGISTER, "not an id!", "child", "executor", "1.8.3")
        assert editor.rows("select * from agent_registry") == []

    def test_a_task_is_asked_for_claimed_and_seen(self, editor):
        editor.rows(REGISTER, "exec-1", "child", "executor", "1.8.3")
        [(first, status, strategy)] = editor.rows(
            """insert into distributed_tasks (title, payload, agent_class, priority)
               values ('a', '{"n": 1}', 'executor', 3)
               returning task_id, status, delegation_strategy"""
        )
        assert (status, strategy) == ("pending", "first_come")
        [(second,)] = editor.rows(
            """insert into distributed_tasks (title, dependencies, assigned_to_agent_id)
               values ('b', array[%s::uuid], 'exec-1') returning task_id""",
            first,
        )
        epoch = editor.rows("select epoch from dure.agent")[0][0]
        taken = editor.rows("select id from dure.claim_tasks('default', 'exec-1', %s, 10)", epoch)
        assert taken == [(first,)]
        assert editor.rows(
            "select task_id, status, assigned_to_agent_id, payload, dependencies from distributed_tasks order by title"
        ) == [
            (first, "processing", "exec-1", {"n": 1}, []),
            (second, "pending", "exec-1", {}, [first]),
        ]
        for wrong in (
            "(status) values ('completed')",
            "(task_id) values (gen_random_uuid())",
            "(result) values ('{}')",
        ):
            with pytest.raises(psycopg.Error):
                editor.rows(f"insert into distributed_tasks {wrong}")

    def test_what_agents_say_is_noted_at_once_and_chained_after(self, editor):
        editor.rows(
            """insert into agent_communication_logs (from_agent_id, to_agent_id, protocol, latency_ms, error_message)
               values ('a', 'b', 'http', 1.5, null), ('b', 'a', 'grpc', 2, 'timeout')"""
        )
        select = """select from_agent_id, to_agent_id, protocol, latency_ms, success, seq
            from agent_communication_logs order by latency_ms"""
        assert editor.rows(select) == [("a", "b", "http", 1.5, True, None), ("b", "a", "grpc", 2.0, False, None)]
        editor.rows("select dure.seal_log()")
        assert editor.rows(select) == [("a", "b", "http", 1.5, True, 1), ("b", "a", "grpc", 2.0, False, 2)]
        for wrong in (
            "(from_agent_id) values ('a')",
            "(protocol) values ('http')",
            "(from_agent_id, protocol, seq) values ('a', 'b', 9)",
        ):
            with pytest.raises(psycopg.Error):
                editor.rows(f"insert into agent_communication_logs {wrong}")

    def test_history_has_latencies_to_a_tenth(self, editor):
        editor.rows(
            """insert into dure.agent_minute
                   (tenant_id, class, minute, version, agent_id, tasks_ok, tasks_failed, latency)
               select 'default', 'executor', '2026-01-01Z', '1.8.3', 'exec-1', 95, 5,
                      array(select case n when dure.latency_bucket(10) then 90
                                          when dure.latency_bucket(500) then 10 else 0 end
                            from generate_series(0, 216) n)"""
        )
        [(rate, p50, p95)] = editor.rows(
            "select success_rate::float, latency_ms_p50, latency_ms_p95 from agent_performance_history"
        )
        assert rate == 0.95
        assert 10 <= p50 <= 11.1
        assert 500 <= p95 <= 551
        assert editor.rows("select dure.latency_at('{}', 0.5), dure.latency_at('{0,0}', 0.5)") == [(None, None)]

    def test_what_is_refused_says_what_to_do_instead(self, editor):
        editor.rows(REGISTER, "orch-1", "parent", "orchestrator", "2.1.0")
        editor.rows(CHILD, "e", "orch-1")
        editor.rows("insert into distributed_tasks (title) values ('a')")
        editor.rows("insert into agent_communication_logs (from_agent_id, protocol) values ('a', 'http')")
        for statement, instead in REFUSED:
            with pytest.raises(psycopg.Error, match=re.escape(instead)):
                editor.rows(statement)

    def test_a_tenant_sees_and_writes_its_own_alone(self, editor):
        names = editor.rows("select dure.agent_face_names()")[0][0]
        for tenant in ("acme", "other"):
            with editor.db.transaction():
                editor.rows("set local role dure_app")
                editor.rows("select set_config('dure.tenant_id', %s, true)", tenant)
                editor.rows(REGISTER, f"{tenant}-1", "parent", "orchestrator", "2.1.0")
                editor.rows(CHILD, f"{tenant}-2", f"{tenant}-1")
                editor.rows("insert into distributed_tasks (title) values (%s)", tenant)
                editor.rows(
                    "insert into agent_communication_logs (from_agent_id, protocol) values (%s, 'http')", tenant
                )
        editor.rows("select dure.seal_log()")
        editor.rows(
            """insert into dure.agent_minute (tenant_id, class, minute, version, agent_id, tasks_ok)
               select t, 'executor', '2026-01-01Z', '1.8.3', t || '-1', 1 from unnest(array['acme', 'other']) t"""
        )
        with editor.db.transaction():
            editor.rows("set local role dure_app")
            for name in names:
                assert editor.rows(f"select * from {name}") == []
            editor.rows("select set_config('dure.tenant_id', 'acme', true)")
            for name in names:
                seen = editor.rows(f"select distinct tenant_id from {name}")
                assert seen == [("acme",)], name
            with pytest.raises(psycopg.Error, match="its own tenant only"):
                editor.rows("insert into agent_registry (tenant_id, agent_id) values ('other', 'x')")


class TestBeginning:
    def test_every_tenant_begins_with_them_once(self, editor):
        count = """select (select count(*) from dure.channel where tenant_id = 'acme'),
                          (select count(*) from dure.release where tenant_id = 'acme')"""
        assert editor.rows(count) == [(0, 0)]
        for _ in range(2):
            editor.rows("select dure.begin_agents('acme')")
            assert editor.rows(count) == [(8, 5)]

    async def test_a_deployment_that_had_the_old_tables_keeps_them(self, empty, empty_url):
        empty.rows("create table public.realtime_channels (channel_name text)")
        async with Database(empty_url) as database:
            await migrate(database)
        assert empty.rows("select * from public.realtime_channels") == []
        assert empty.rows("select count(*) from agent_versions") == [(5,)]
