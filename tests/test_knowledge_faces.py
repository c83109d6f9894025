"""What users of the old system keep: their curl commands, SQL and Python script, as their document has them."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from dure.db.migrate import migrate
from dure.db.pool import Database
from engine import Engine
from knowing import AGENT, Knowledge, distinct, environment, knowledge
from queueing import TENANT, one, rows
from web import Web, problem

JOB_ID = re.compile(r"batch_\d{8}_\d{6}_[0-9a-f]{8}")
SCRIPT = """
import asyncio
from core.batch_deduplicator import BatchDeduplicator

async def main():
    deduplicator = BatchDeduplicator()
    result = await deduplicator.execute_batch_deduplication(
        agent_id=None,  # None이면 모든 에이전트
        dry_run=True   # True면 분석만, False면 실제 실행
    )
    print(result)

asyncio.run(main())
"""
COPY = """
INSERT INTO public.agent_knowledge_history (
    knowledge_type, knowledge_id, knowledge_name, agent_id, tenant_id, operation,
    previous_content, new_content, feedback_content, created_at
)
SELECT
    'SKILL' as knowledge_type,
    skill_name as knowledge_id,
    skill_name as knowledge_name,
    agent_id,
    tenant_id,
    operation,
    previous_content::jsonb,
    new_content::jsonb,
    feedback_content,
    created_at
FROM public.skill_history;
"""


@pytest.fixture
async def known(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Knowledge]:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    async with knowledge(database, tmp_path) as made:
        yield made


@pytest.fixture
async def web(known: Knowledge) -> AsyncIterator[httpx.AsyncClient]:
    async with Web(Engine(known.database)).client() as client:
        yield client


async def twins(known: Knowledge) -> None:
    await known.memories(["차를 좋아한다"] * 2 + [distinct(n) for n in range(3)])
    await known.memories(["커피를 좋아한다"] * 2 + [distinct(n) for n in range(5, 8)], agent="agent-2")


class TestHttp:
    async def test_a_dry_run_shows_and_changes_nothing(self, known: Knowledge, web: httpx.AsyncClient) -> None:
        await twins(known)
        before = await known.fingerprint()
        answer = await web.get("/batch/deduplicate?dry_run=true")
        job = answer.json()
        assert answer.status_code == 200, answer.text
        assert JOB_ID.fullmatch(job["job_id"])
        assert (job["status"], job["dry_run"], job["success"], job["agent_id"]) == ("completed", True, True, None)
        assert (job["total_agents"], job["deleted_count"], job["moved_count"]) == (2, 2, 0)
        assert job["completed_at"] is not None
        assert await known.fingerprint() == before

    async def test_a_dry_run_is_what_happens_when_nobody_says(self, known: Knowledge, web: httpx.AsyncClient) -> None:
        await twins(known)
        assert (await web.get("/batch/deduplicate")).json()["dry_run"] is True
        assert (await web.post("/batch/deduplicate")).json()["dry_run"] is True
        assert len(await known.texts()) == 10

    async def test_the_environment_says_what_happens_when_nobody_says(self, known, web, monkeypatch) -> None:
        await twins(known)
        monkeypatch.setenv("BATCH_DEDUP_DRY_RUN", "false")
        assert (await web.get("/batch/deduplicate")).json()["dry_run"] is False
        assert len(await known.texts()) == 8

    async def test_one_agent_then_history_then_the_way_back(self, known: Knowledge, web: httpx.AsyncClient) -> None:
        await twins(known)
        before = await known.fingerprint()
        job = (await web.get(f"/batch/deduplicate?agent_id={AGENT}&dry_run=false")).json()
        assert (job["status"], job["dry_run"], job["agent_id"], job["deleted_count"]) == ("completed", False, AGENT, 1)
        assert (await known.texts()).count("커피를 좋아한다") == 2
        listed = (await web.get("/batch/history?limit=10")).json()
        assert (listed["count"], listed["history"][0]["job_id"]) == (1, job["job_id"])
        shown = (await web.get(f"/batch/history?job_id={job['job_id']}")).json()["history"][0]
        assert [change["operation"] for change in shown["changes"] if change["state"] == "applied"] == ["delete"]
        back = await web.post(f"/batch/rollback/{job['job_id']}")
        assert (back.status_code, back.json()["status"], back.json()["rollback_of"]) == (
            200,
            "completed",
            job["job_id"],
        )
        assert await known.fingerprint() == before
        assert (await web.get(f"/batch/history?job_id={job['job_id']}")).json()["history"][0]["rolled_back"] is True
        assert (await web.get("/batch/history")).json()["count"] == 2

    async def test_what_cannot_be_taken_back(self, known: Knowledge, web: httpx.AsyncClient) -> None:
        await twins(known)
        dry = (await web.get("/batch/deduplicate?dry_run=true")).json()
        problem(await web.post(f"/batch/rollback/{dry['job_id']}"), 409, "conflict")
        problem(await web.post("/batch/rollback/batch_20250101_120000_abc123"), 404, "not_found")
        problem(await web.get("/batch/history?job_id=batch_20250101_120000_abc123"), 404, "not_found")
        problem(await web.post("/batch/rollback/batch_20259901_120000_abc123ff"), 404, "not_found")
        real = (await web.post("/batch/deduplicate?dry_run=false")).json()
        assert (await web.post(f"/batch/rollback/{real['run_id']}")).status_code == 200
        problem(await web.post(f"/batch/rollback/{real['job_id']}"), 409, "conflict")

    async def test_a_guard_that_refuses_is_said_and_nothing_changes(self, known, web) -> None:
        await known.memories(["차를 좋아한다"] * 3)
        job = (await web.post("/batch/deduplicate?dry_run=false")).json()
        assert (job["status"], job["success"], job["deleted_count"]) == ("refused", False, 0)
        assert "66.7" in job["error"]
        assert len(await known.texts()) == 3

    @pytest.mark.parametrize(
        "headers", [{"Origin": "http://localhost:8000"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Mode": "navigate"}]
    )
    async def test_a_browsers_get_changes_nothing(self, known, web, headers) -> None:
        await twins(known)
        refused = await web.get("/batch/deduplicate?dry_run=false", headers=headers)
        problem(refused, 403, "refused")
        assert len(await known.texts()) == 10
        assert (await web.get("/batch/deduplicate?dry_run=true", headers=headers)).status_code == 200

    async def test_a_tenants_key_sees_and_changes_its_own_alone(self, known: Knowledge) -> None:
        await twins(known)
        await known.memories(["차를 좋아한다"] * 2 + [distinct(n) for n in range(20, 24)], agent="b-1", tenant="b")
        made = Web(Engine(known.database))
        ours, theirs = await made.key("operator", TENANT), await made.key("operator", "b")
        viewer = await made.key("viewer", TENANT)
        async with made.client(ours) as client:
            job = (await client.post("/batch/deduplicate?dry_run=false")).json()
        assert job["deleted_count"] == 2
        async with made.client(theirs) as client:
            problem(await client.post(f"/batch/rollback/{job['job_id']}"), 404, "not_found")
            assert (await client.get("/batch/history")).json()["count"] == 0
            assert (await client.post("/batch/deduplicate?dry_run=false")).json()["deleted_count"] == 1
        async with made.client(viewer) as client:
            problem(await client.get("/batch/deduplicate?dry_run=true"), 403, "refused")
            assert (await client.get("/batch/history")).json()["count"] == 1

    async def test_what_takes_long_goes_on_and_is_found_later(self, known, web, monkeypatch) -> None:
        await twins(known)
        monkeypatch.setenv("DURE_BATCH_WAIT_S", "0")
        answer = await web.post("/batch/deduplicate?dry_run=false")
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        run = await known.runs.settled(answer.json()["run_id"])
        assert (run.state, run.applied) == ("applied", 2)


class TestSql:
    async def test_the_history_of_skills_is_copied_as_the_document_says(self, known: Knowledge) -> None:
        await rows(
            known.database,
            "create table public.skill_history (id uuid default gen_random_uuid(), skill_name text, agent_id text,"
            " tenant_id text, operation text, previous_content text, new_content text, feedback_content text,"
            " created_at timestamptz)",
        )
        await rows(
            known.database,
            "insert into public.skill_history (skill_name, agent_id, tenant_id, operation, previous_content,"
            " new_content, feedback_content, created_at) values"
            " ('refund', 'a', 'acme', 'CREATE', null, '{\"SKILL.md\": \"x\"}', 'good', '2025-01-01'),"
            " ('refund', 'a', null, 'DELETE', '{\"SKILL.md\": \"x\"}', null, null, '2025-02-01')",
        )
        await rows(known.database, COPY)
        found = await rows(
            known.database,
            "select knowledge_type, knowledge_id, tenant_id, operation, new_content ->> 'SKILL.md', feedback_content,"
            " created_at::date::text from public.agent_knowledge_history order by created_at",
        )
        assert found == [
            ("SKILL", "refund", "acme", "CREATE", "x", "good", "2025-01-01"),
            ("SKILL", "refund", "default", "DELETE", None, None, "2025-02-01"),
        ]

    async def test_the_tables_tell_what_was_done_and_what_was_there(self, known: Knowledge) -> None:
        await twins(known)
        await known.rule("r1", "배송", [['"VIP"', "0"]])
        await known.rule("r2", "배송 사본", [['"VIP"', "0"]])
        run = await known.plan()
        assert (await known.apply(run)).applied == 3
        columns = "job_type, dry_run, status, deleted_count, rolled_back"
        jobs = f"select {columns} from public.batch_job_history order by created_at"
        assert await rows(known.database, jobs) == [("deduplication", False, "completed", 3, False)]
        backup = await rows(
            known.database,
            "select knowledge_type, backup_content -> 'payload' ->> 'data', backup_content ? 'vector', restored"
            " from public.batch_job_backup order by 1, 2",
        )
        assert backup == [
            ("DMN_RULE", None, False, False),
            ("MEMORY", "차를 좋아한다", True, False),
            ("MEMORY", "커피를 좋아한다", True, False),
        ]
        assert (await known.runs.undo(run)).state == "applied"
        assert await rows(known.database, "select distinct restored from public.batch_job_backup") == [(True,)]
        assert len(await rows(known.database, jobs)) == 2
        history = (
            "select operation, count(*)::int from public.agent_knowledge_history where previous_content is not null"
            " or new_content is not null group by 1 order by 1"
        )
        assert await rows(known.database, history) == [("CREATE", 3), ("DELETE", 3)]

    async def test_tenants_see_their_own_rows_alone(self, known: Knowledge) -> None:
        await twins(known)
        run = await known.plan()
        await known.apply(run)
        for tenant, seen in ((TENANT, True), ("b", False)):
            async with known.database.tenant_tx(tenant) as tx:
                for view in ("agent_knowledge_history", "batch_job_history", "batch_job_backup"):
                    found = await (await tx.execute(f"select 1 from public.{view}".encode())).fetchall()
                    assert bool(found) is seen, (tenant, view)
        with pytest.raises(Exception, match="own tenant"):
            async with known.database.tenant_tx("b") as tx:
                await tx.execute(
                    "insert into public.agent_knowledge_history (knowledge_type, knowledge_id, tenant_id, operation)"
                    " values ('SKILL', 'x', 'acme', 'CREATE')"
                )

    async def test_history_cannot_be_changed(self, known: Knowledge) -> None:
        await rows(
            known.database,
            "insert into public.agent_knowledge_history (knowledge_type, knowledge_id, tenant_id, operation)"
            " values ('SKILL', 'x', 'acme', 'CREATE')",
        )
        with pytest.raises(Exception, match="history is not changed"):
            await rows(known.database, "delete from public.agent_knowledge_history")

    async def test_somebodys_own_tables_are_left_alone(self, empty_url: str) -> None:
        with psycopg.connect(empty_url, autocommit=True) as connection:
            connection.execute("create table public.batch_job_history (mine text)")
        async with Database(empty_url) as database:
            await migrate(database)
            assert await one(database, "select count(*)::int from public.batch_job_history") == 0
            assert await rows(database, "select mine from public.batch_job_history") == []
            assert await one(database, "select count(*)::int from public.batch_job_backup") == 0
            await rows(database, "drop table public.batch_job_history")
            await migrate(database)
            assert await rows(database, "select job_id from public.batch_job_history") == []


class TestPython:
    async def test_the_script_as_written(self, known: Knowledge) -> None:
        await twins(known)
        ours = ("DURE_", "DB_", "DATABASE_", "BATCH_", "MCP_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        given = {**own, **environment(known.home), "DATABASE_URL": known.database.url}
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", SCRIPT], env=given, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert "'dry_run': True" in done.stdout
        assert "'deleted_count': 2" in done.stdout

    async def test_where_no_worker_is_alive_one_works_for_the_call(self, known: Knowledge, monkeypatch) -> None:
        from core.batch_deduplicator import BatchDeduplicator

        await twins(known)
        await known.runs.worker.stop(0)
        monkeypatch.setenv("DURE_DATABASE_URL", known.database.url)
        before = await known.fingerprint()
        result = await BatchDeduplicator().execute_batch_deduplication(agent_id=None, dry_run=False)
        assert (result["status"], result["dry_run"], result["deleted_count"]) == ("completed", False, 2)
        assert json.loads(json.dumps(result)) == result
        back = await BatchDeduplicator().rollback(result["job_id"])
        assert (back["status"], back["rollback_of"]) == ("completed", result["job_id"])
        assert await known.fingerprint() == before
