"""The hot statements read by index whatever is in the tables, and their updates stay where the row is."""

import json

import psycopg
import pytest

from dure.db.sql import load
from sqlside import CLAIM, FINISH, RENEW, SETTLE

JOBS = 60_000
BIG = {"job", "ready", "held", "later", "dependency", "trouble"}


@pytest.fixture
def full(url, side):
    """A queue with many jobs waiting and many ended; statistics say so."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("set session_replication_role = replica")
        side.enqueue()
        [(lane,)] = side.rows("select lane_id from dure.lane")
        owner.execute(
            "insert into dure.job (tenant_id, handler, lane_id, state, finished_at) "
            "select 'acme', 't.h', %s, case when n %% 2 = 0 then 'pending' else 'completed' end, "
            "case when n %% 2 = 1 then now() end from generate_series(1, %s) n",
            [lane, JOBS],
        )
        owner.execute(
            "insert into dure.ready (lane_id, rank, first_id, ids) "
            "select lane_id, 0, id, array[id] from dure.job where state = 'pending'"
        )
        owner.execute("vacuum analyze")
    return side


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def generic(side, statement, values):
    """The plan that a worker's prepared statement has, whatever its values."""
    side.db.execute("set plan_cache_mode = force_generic_plan")
    names = list(values)
    text = statement
    for at, name in enumerate(names, 1):
        text = text.replace(f"%({name})s", f"${at}")
    side.db.execute(
        psycopg.sql.SQL("prepare planned ({}) as " + text).format(psycopg.sql.SQL(", ".join(values.values())))
    )
    nulls = ", ".join(["null"] * len(names))
    return side.one(f"explain (format json) execute planned ({nulls})")[0]["Plan"]


CLAIM_TYPES = {
    "walk": "boolean", "lanes": "integer[]", "ranks": "smallint[]", "ids": "uuid[]", "queues": "text[]",
    "shunned": "integer[]", "tenant": "text", "most": "integer", "worker": "bigint", "bundles": "integer",
}  # fmt: skip
STATEMENTS = {
    "claim": (CLAIM, CLAIM_TYPES),
    "finish": (FINISH, {"ids": "text", "claims": "bigint[]", "results": "text[]", "closed": "bigint[]"}),
    "renew": (RENEW, {"worker": "bigint", "running": "integer"}),
    "claimed": (load("dure.queue", "claimed"), {"claim": "bigint"}),
    "finished": (load("dure.queue", "finished"), {"ids": "text", "claims": "bigint[]"}),
    "newest": (load("dure.queue", "jobs_newest"), {"before": "text", "most": "integer"}),
    "trouble": (load("dure.queue", "jobs_in_trouble"), {"state": "text", "before": "text", "most": "integer"}),
    "children": (load("dure.queue", "jobs_of_parent"), {"parent_id": "text", "before": "text", "most": "integer"}),
}


def test_no_statement_reads_a_large_table_from_end_to_end(full):
    found = {}
    for name, (statement, types) in STATEMENTS.items():
        used = {key: kind for key, kind in types.items() if f"%({key})s" in statement}
        plan = generic(full, statement, used)
        found[name] = [
            node["Relation Name"]
            for node in nodes(plan)
            if node["Node Type"] in ("Seq Scan", "Sort") and node.get("Relation Name") in BIG
        ]
        full.db.execute("deallocate planned")
    assert found == {name: [] for name in STATEMENTS}


@pytest.mark.parametrize("role", ["dure_app", "dure_system"])
def test_a_page_of_the_list_reads_no_more_than_the_page(full, url, role):
    with psycopg.connect(url) as connection:
        connection.execute(f"set role {role}")
        connection.execute("select set_config('dure.tenant_id', 'acme', false)")
        values = {"before": "ffffffff-ffff-ffff-ffff-ffffffffffff", "most": 50}
        explained = "explain (analyze, timing off, summary off, costs off, format json) "
        plan = connection.execute(explained + load("dure.queue", "jobs_newest"), values).fetchone()[0][0]["Plan"]
    assert max(node["Actual Rows"] for node in nodes(plan)) <= 50
    assert {node["Node Type"] for node in nodes(plan)} & {"Sort", "Seq Scan"} == set()


def test_a_claim_reads_what_it_takes(full):
    worker = full.worker()
    values = {"walk": True, "lanes": [], "ranks": [], "ids": [], "queues": [], "shunned": [], "tenant": "", "most": 100,
              "worker": worker, "bundles": 100}  # fmt: skip
    full.db.execute("begin")
    plan = full.one("explain (analyze, timing off, summary off, costs off, format json) " + CLAIM, values)[0]["Plan"]
    full.db.execute("rollback")
    most = {"ready": 0, "job": 0}
    for node in nodes(plan):
        if node.get("Relation Name") in most and "Scan" in node["Node Type"]:
            most[node["Relation Name"]] = max(most[node["Relation Name"]], node["Actual Rows"] * node["Actual Loops"])
    assert 0 < most["ready"] <= 100
    assert 0 < most["job"] <= 100


def counts(url, table):
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("select pg_stat_clear_snapshot()")
        return owner.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where schemaname = 'dure' and relname = %s",
            [table],
        ).fetchone()


def tidy(url):
    """Remove old versions of rows for certain; in passing, a backend leaves them while any database is written to."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("vacuum dure.job")


def test_claims_and_completions_are_hot(url, side):
    side.enqueue_many(2000)
    jobs = side.claim(side.worker(), 2000)
    tidy(url)
    side.finish(*sorted(jobs), result='{"ok": true}')
    assert side.states() == {"completed": 2000}
    side.db.execute("select pg_stat_force_next_flush()")
    assert counts(url, "job") == (4000, 4000)


def test_a_lease_is_renewed_in_place(url, side):
    worker = side.worker()
    for n in range(20):
        side.db.execute(RENEW, {"worker": worker, "running": n})
    side.db.execute("select pg_stat_force_next_flush()")
    assert counts(url, "worker") == (20, 20)


def test_a_retry_and_a_progress_are_hot_too(url, side):
    side.enqueue_many(20)
    jobs = side.claim(side.worker())
    tidy(url)
    outcomes = [{"id": job.id, "claim_id": job.claim_id, "outcome": "retried", "delay_s": 1} for job in jobs]
    side.db.execute(SETTLE, {"outcomes": json.dumps(outcomes), "closed": []})
    report = load("dure.queue", "write_progress")
    for n in range(2):
        lines = [{"job_id": job.id, "tenant_id": "acme", "done": n, "total": 5, "note": ""} for job in jobs]
        side.db.execute(report, {"reports": json.dumps(lines)})
    side.db.execute("select pg_stat_force_next_flush()")
    assert counts(url, "job") == (40, 40)
    assert counts(url, "progress") == (20, 20)
