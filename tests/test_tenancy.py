"""A tenant sees and touches what is its own, whatever it asks for; the engine's tables it does not see at all."""

from uuid import uuid4

import psycopg
import pytest

import servers
from sqlside import refused

A, B = "tenant-a", "tenant-b"
RUN = (
    "insert into dure.run (tenant_id, operation, author, state, plan_hash)"
    " values (%s, 'o', 'secret', 'planned', repeat('0', 64)) returning id"
)
OF_A_RUN = (
    "insert into dure.slice (run_id, no, tenant_id, subjects) values (%(run)s, 0, %(tenant)s, '[]')",
    "insert into dure.run_scope (run_id, slice, scope, tenant_id, population) values (%(run)s, 0, 's', %(tenant)s, 1)",
    "insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, ask, key, before)"
    " values (%(run)s, 1, 0, %(tenant)s, 's', 'delete', true, '{1}', '{secret}')",
    "insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash)"
    " values (%(run)s, 0, %(tenant)s, 'tables', 1, 1, 1, '')",
    "insert into dure.outcome (run_id, seq, tenant_id, state) values (%(run)s, 1, %(tenant)s, 'conflict')",
    "insert into dure.answer (run_id, seq, tenant_id, accepted, actor) values (%(run)s, 1, %(tenant)s, true, 'x')",
    "insert into dure.approval (run_id, tenant_id, plan_hash, decision, actor)"
    " values (%(run)s, %(tenant)s, '0', 'approve', 'x')",
    "insert into dure.calendar (tenant_id, name, entries, updated_by) values (%(tenant)s, 'secret', '{}', 'x')",
    "insert into dure.schedule (id, tenant_id, name, rule, zone, handler, author)"
    " values (%(run)s, %(tenant)s, 'secret', '{}', 'UTC', 't.h', 'x')",
    "insert into dure.fire (schedule_id, fire_at, tenant_id, outcome, reason)"
    " values (%(run)s, now(), %(tenant)s, 'missed', '{\"code\": \"missed\"}')",
    "insert into dure.backfill (id, tenant_id, schedule_id, from_at, until_at, which, at_once, author)"
    " values (%(run)s, %(tenant)s, %(run)s, now() - interval '1 day', now(), 'all', 1, 'x')",
    "insert into dure.backfill_fire (backfill_id, fire_at, tenant_id) values (%(run)s, now(), %(tenant)s)",
    "insert into dure.window (tenant_id, key, schedule_id, every_s, started_at, ends_at, author)"
    " values (%(tenant)s, 'secret', %(run)s, 60, now(), now() + interval '1 hour', 'x')",
    "insert into dure.notion_page (tenant_id, page_id) values (%(tenant)s, 'p')",
    "insert into dure.notion_todo (tenant_id, page_id, block_id, position, text, text_hash)"
    " values (%(tenant)s, 'p', 'b', 0, 'secret', repeat('0', 64))",
    "insert into dure.a2a_turn (job_id, tenant_id, task_id, turn, context_id, actor, message_id, digest)"
    " select id, tenant_id, id, 1, 'secret', 'x', 'm', '' from dure.job where tenant_id = %(tenant)s limit 1",
    "insert into dure.a2a_remote (job_id, tenant_id, agent_id, remote_task_id)"
    " select id, tenant_id, 'far', 'secret' from dure.job where tenant_id = %(tenant)s limit 1",
    "insert into dure.agent (tenant_id, agent_id, class, version, trees, lease_s)"
    " values (%(tenant)s, 'far', 'c', '1.0.0', '{far}', 10)",
    "select dure.register_agent(%(tenant)s, jsonb_build_object("
    "'agent_id', 'near', 'class', 'plain', 'version', '1.0.0', 'parent_id', 'far'))",
    'select dure.submit_task(%(tenant)s, \'{"class": "plain", "strategy": "sticky", "sticky_key": "secret"}\')',
    "insert into dure.a2a_bridge (tenant_id, agent_id) values (%(tenant)s, 'far')",
    "insert into dure.channel (tenant_id, name, created_by) values (%(tenant)s, 'secret', 'x')",
    "insert into dure.listening (hub_id, tenant_id, channel, subscribers, until)"
    " values (%(run)s, %(tenant)s, 'secret', 1, now() + interval '1 hour')",
    "select dure.publish(%(tenant)s, 'secret', '{}', p_to => 'x')",
    "select dure.make_release(%(tenant)s, 'c', v, 'minor', 'secret') from unnest(array['1.0.0', '1.1.0']) v",
    "insert into dure.rollout (id, tenant_id, class, from_version, to_version, strategy, steps, max_parallel,"
    " min_healthy_s, progress_deadline_s, auto_promote, auto_revert, in_flight, gates, author)"
    " values (%(run)s, %(tenant)s, 'c', '1.0.0', '1.1.0', 'rolling', '[{}]', 1, 1, 1, true, true, 'drain', '{}', 'x')",
    "insert into dure.rollout_agent (rollout_id, agent_id, tenant_id, step) values (%(run)s, 'a', %(tenant)s, 0)",
    "insert into dure.rollout_event (rollout_id, tenant_id, actor, kind) values (%(run)s, %(tenant)s, 'x', 'started')",
    "select dure.sample(%(tenant)s, 'a', 'c', '1.0.0', 'task', true, 1)",
    "insert into dure.agent_minute (tenant_id, class, minute, version, agent_id)"
    " values (%(tenant)s, 'c', date_trunc('minute', now()), '1.0.0', 'a')",
    "insert into dure.intent_policy (tenant_id, key, allowed, updated_by) values (%(tenant)s, '*', true, 'x')",
    "insert into dure.intent_use (tenant_id, key, day, count) values (%(tenant)s, 'a.b', current_date, 1)",
    "insert into dure.intent_request (id, tenant_id, key, params, scope, actor, source, decision)"
    " values (%(run)s, %(tenant)s, 'a.b', '{}', 'viewer', 'secret', 'api', 'waiting')",
    "insert into dure.intent_ask (tenant_id, sentence, lang, actor, candidates, request_id)"
    " values (%(tenant)s, 'secret', 'en', 'x', '[]', %(run)s)",
    "select dure.learn_pattern(%(tenant)s, 'a secret sentence', 'a.b', 'en', null, 'x')",
    "select dure.outbox_put(%(tenant)s, %(run)s, 'x', 'sms', 'x', '', 'secret', null, 60)",
    "select dure.seal_log()",
)
LOGGED = "select dure.log_message(%s, 'x', 'y', 'z', 'secret', null, null, null, null, true)"


@pytest.fixture
def app(url):
    """A session of tenant A as the application's role."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select set_config('dure.tenant_id', %s, false)", [A])
        connection.execute("set role dure_app")
        yield connection


@pytest.fixture
def both(side):
    """Something of each tenant in every table that has tenants; answers a job of each."""
    jobs = {}
    for tenant in (A, B):
        failed, jobs[tenant] = side.enqueue(tenant=tenant), side.enqueue(tenant=tenant, unique_key="k")
        side.db.execute(
            "insert into dure.job_log (job_id, tenant_id, attempt, level, message) "
            "values (%s, %s, 1, 'info', 'secret')",
            [failed, tenant],
        )
        side.db.execute("insert into dure.progress (job_id, tenant_id, done) values (%s, %s, 1)", [failed, tenant])
        side.db.execute("insert into dure.event (tenant_id, actor, verb, subject) values (%s, 'x', 'y', 'z')", [tenant])
        side.db.execute(
            "insert into dure.api_key (tenant_id, name, digest, scope) values (%s, 'n', %s, 'viewer')",
            [tenant, tenant.encode()],
        )
        side.db.execute(
            "insert into dure.idempotency (tenant_id, key, route, digest) values (%s, 'k', 'POST /v1/jobs', '')",
            [tenant],
        )
        side.db.execute("insert into dure.limit (tenant_id, concurrency_max) values (%s, 100)", [tenant])
        side.db.execute(
            "insert into dure.agent_knowledge_history (tenant_id, knowledge_type, knowledge_id, operation)"
            " values (%s, 'SKILL', 'secret', 'CREATE')",
            [tenant],
        )
        run = side.db.execute(RUN, [tenant]).fetchone()[0]
        for statement in OF_A_RUN:
            side.db.execute(statement, {"run": run, "tenant": tenant})
        side.fail(*[job for job in side.claim(side.worker()) if job.id == failed])
    for tenant in (A, B):
        # What the other's sealing took along.
        side.db.execute(LOGGED, [tenant])
    # The ones that were claimed only by the way wait again.
    side.db.execute("update dure.job set state = 'pending', claim_id = null where state = 'processing'")
    side.db.execute("select dure.place(array_agg(id)) from dure.job where state = 'pending'")
    return jobs


def tables(side, *, with_tenant):
    return [
        row[0]
        for row in side.rows(
            "select relname::text from pg_class c where relnamespace = 'dure'::regnamespace and relkind in ('r', 'p') "
            "and exists (select from pg_attribute where attrelid = c.oid and attname = 'tenant_id') = %s order by 1",
            [with_tenant],
        )
    ]


def readable(connection, table, tenant=None):
    """The rows of a table that this session can read, of one tenant or all; None when it may not even ask."""
    try:
        where, values = ("where tenant_id = %s", [tenant]) if tenant else ("", [])
        return connection.execute(f"select count(*) from dure.{table} {where}", values).fetchone()[0]
    except psycopg.errors.InsufficientPrivilege:
        return None


def test_every_table_with_tenants_was_filled(side, both):
    parts = {row[0] for row in side.rows("select relname::text from pg_class where relispartition")}
    for table in set(tables(side, with_tenant=True)) - parts:
        found = {row[0] for row in side.rows(f"select distinct tenant_id from dure.{table} where tenant_id <> ''")}
        # The first tenant has its channels and releases from the beginning.
        assert found - {"default"} == {A, B}, table


def test_a_tenant_reads_its_own_rows_and_no_others(side, app, both):
    seen = {table: (readable(app, table, A), readable(app, table, B)) for table in tables(side, with_tenant=True)}
    assert all(not other for _, other in seen.values()), seen
    own = {table for table, (mine, _) in seen.items() if mine}
    assert own >= {"run", "change", "outcome", "approval"}
    assert own >= {"job", "attempt", "trouble", "job_log", "progress", "lane", "event", "idempotency"}
    assert app.execute("select distinct tenant_id from job_executions").fetchall() == [(A,)]


def test_without_a_tenant_there_are_no_rows(url, side, both):
    with psycopg.connect(url, autocommit=True) as nobody:
        nobody.execute("set role dure_app")
        for setting in ("", "reset"):
            if setting == "":
                nobody.execute("select set_config('dure.tenant_id', '', false)")
            # Which workers there are anyone may know; of agents' sessions nothing is said.
            for table in set(tables(side, with_tenant=True)) - {"worker"}:
                assert not readable(nobody, table), table
            assert nobody.execute("select count(*) from dure.worker where agent_id is not null").fetchone() == (0,)
            assert nobody.execute("select count(*) from job_executions").fetchone() == (0,)
        with refused("refused", "tenant_id"):
            nobody.execute("select dure.enqueue('t.h', tenant_id => %s)", [A])
        with refused("missing", "tenant_id"):
            nobody.execute("select dure.enqueue('t.h')")
        with refused("not_found"):
            nobody.execute("select dure.cancel(%s)", [both[A]])


def test_the_tables_of_the_engine_are_not_there_for_a_tenant(side, app, both):
    open_to_all = {"handler", "queue", "worker", "migration", "clock", "operation"}
    for table in tables(side, with_tenant=False):
        if table not in open_to_all:
            assert readable(app, table) is None, table


def test_nothing_can_be_written_past_the_functions(side, app, both):
    for table in (*tables(side, with_tenant=True), *tables(side, with_tenant=False)):
        if table == "idempotency":
            continue
        for statement in (f"delete from dure.{table}", f"insert into dure.{table} default values"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.NotNullViolation)) as caught:
                app.execute(statement)
            assert isinstance(caught.value, psycopg.errors.InsufficientPrivilege), statement


def test_nothing_can_be_done_to_another_tenants_jobs(side, app, both):
    mine, theirs = both[A], both[B]
    before = side.one("select count(*) from dure.job where tenant_id = %s", [B])
    for call in ("dure.cancel(%s)", "dure.retry(%s)", "dure.why(%s)"):
        with refused("not_found"):
            app.execute(f"select {call}", [theirs])
    with refused("not_found"):
        app.execute("select dure.depend(%s, %s::uuid[])", [theirs, [mine]])
    with refused("not_found"):
        app.execute("select dure.depend(%s, %s::uuid[])", [mine, [theirs]])
    for option in ("depends_on => array[%s]::uuid[]", "parent_id => %s"):
        with refused("not_found"):
            app.execute(f"select dure.enqueue('t.h', {option})", [theirs])
    with refused("refused", "tenant_id"):
        app.execute("select dure.enqueue('t.h', tenant_id => %s)", [B])
    assert side.state(theirs) == "pending"
    assert side.one("select count(*) from dure.job where tenant_id = %s", [B]) == before


def test_what_is_its_own_can_be_cancelled_tried_again_and_made_to_wait(side, app, both):
    mine = str(both[A])
    other = app.execute("select dure.enqueue('t.h')").fetchone()[0]
    app.execute("select dure.depend(%s, %s::uuid[])", [mine, [other]])
    assert app.execute("select dure.cancel(%s)", [other]).fetchone() == ("cancelled",)
    assert app.execute("select status from job_executions where id = %s", [mine]).fetchone() == ("cancelled",)
    assert app.execute("select dure.retry(%s)", [mine]).fetchone() == ("pending",)


def test_functions_of_the_engine_are_not_for_tenants(side, app):
    allowed = {
        row[0]
        for row in side.rows(
            "select proname::text from pg_proc where pronamespace = 'dure'::regnamespace "
            "and has_function_privilege('dure_app', oid, 'execute') and prosecdef and prorettype <> 'trigger'::regtype"
        )
    }
    for call in ("sweep()", "bury(array[1::bigint])", "settle('[]')", "after_end('{}')", "promote()", "wake()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(f"select dure.{call}")
    assert allowed >= {"enqueue_batch", "cancel", "retry", "depend"}
    assert not allowed & {
        "sweep",
        "bury",
        "settle",
        "after_end",
        "prune",
        "promote",
        "claim_limited",
        "mark_started",
        "wake",
    }


def test_no_function_is_for_everyone(url, admin):
    with psycopg.connect(url, autocommit=True) as owner:
        loose = owner.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'dure'::regnamespace "
            "and has_function_privilege('pg_monitor', oid, 'execute')"
        ).fetchall()
    assert loose == []


def test_functions_that_act_as_the_owner_cannot_be_led_astray(url):
    # pg_temp last: left out it comes first, and whoever may make a temporary type would run code as the owner.
    with psycopg.connect(url, autocommit=True) as owner:
        rows = owner.execute(
            "select oid::regprocedure::text, proconfig from pg_proc "
            "where pronamespace = 'dure'::regnamespace and prosecdef"
        ).fetchall()
    assert len(rows) > 10
    assert [name for name, config in rows if "search_path=pg_catalog, pg_temp" not in (config or [])] == []


def test_a_temporary_type_does_not_get_into_them(url, side, app):
    app.execute("create temp table stolen (who text)")
    app.execute(
        "create function pg_temp.spy(text) returns boolean language sql as "
        "'insert into stolen select current_user; select true'"
    )
    app.execute("create domain pg_temp.uuid as text check (pg_temp.spy(value))")
    app.execute("create domain pg_temp.jsonpath as text check (pg_temp.spy(value))")
    job = app.execute("select dure.enqueue_batch('t.h', '[{}]', null, '{\"run_at\": \"2030-01-01\"}')").fetchone()
    assert job is not None
    assert app.execute("select count(*) from stolen").fetchone() == (0,)


@pytest.fixture
def login(admin, url):
    """A role that may log in, and is a member of the application's role and of nothing else."""
    name = f"web_{uuid4().hex[:8]}"
    admin.execute(f"create role {name} login in role dure_app")
    yield servers.with_user(url, name)
    admin.execute(f"drop role {name}")


def test_a_login_of_the_application_needs_no_set_role(side, both, login):
    with psycopg.connect(login, autocommit=True) as web:
        assert web.execute("select count(*) from job_executions").fetchone() == (0,)
        with refused("refused", "tenant_id"):
            web.execute("insert into job_executions (tenant_id, intent_key) values (%s, 't.h')", [A])
        web.execute("select set_config('dure.tenant_id', %s, false)", [A])
        [(job,)] = web.execute("insert into job_executions (intent_key) values ('t.h') returning id").fetchall()
        assert web.execute("select status from job_executions where id = %s", [job]).fetchone() == ("pending",)
        assert web.execute("select count(*) from dure.job where tenant_id = %s", [B]).fetchone() == (0,)
        assert web.execute("select dure.cancel(%s)", [job]).fetchone() == ("cancelled",)
        with refused("not_found"):
            web.execute("select dure.cancel(%s)", [both[B]])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute("set role dure_system")
