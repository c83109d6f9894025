"""The bad days of the knowledge app: in each nothing is lost, and the run says what happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dure import faults
from dure.apps.knowledge.skills.folder import File
from dure.apps.knowledge.skills.server import serve
from dure.db.pool import Database
from dure.errors import Conflict
from judging import JudgeServer
from knowing import AGENT, Knowledge, distinct, environment, knowledge
from queueing import TENANT, one, rows, until
from skill_servers import running

STEPS = "1. 주문을 찾는다.\n2. 구매일을 본다.\n3. 금액을 계산한다."


@pytest.fixture
async def known(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Knowledge]:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    async with knowledge(database, tmp_path) as made:
        yield made


async def twins(known: Knowledge) -> None:
    """Two skills and two memories that say the same, and enough others."""
    known.skill("refund", "환불 절차", STEPS, **{"scripts/run.sh": "#!/bin/sh\n"})
    known.skill("refund-old", "환불 절차", STEPS, **{"scripts/run.sh": "#!/bin/sh\n"})
    await known.memories(["차를 좋아한다"] * 2 + [distinct(n) for n in range(4)])


async def test_a_store_that_is_down_fails_the_plan_with_its_reason(known: Knowledge, monkeypatch) -> None:
    await twins(known)
    # Nobody listens there.
    monkeypatch.setenv("MCP_SERVER_URL", "http://127.0.0.1:9/mcp")
    await rows(known.database, "update dure.handler set max_retries = 0 where handler like 'dure.run.%%'")
    run = await known.plan()
    assert run.state == "failed"
    assert "skill" in str(run.reason)
    assert run.counts == {}
    assert await rows(known.database, "select from dure.change") == []


async def test_a_store_that_goes_down_while_applying_is_waited_for(known: Knowledge, tmp_path, monkeypatch) -> None:
    await twins(known)
    async with running(tmp_path / "skills") as server:
        monkeypatch.setenv("MCP_SERVER_URL", server.url)
        before = await known.fingerprint()
        run = await known.plan()
        assert run.counts["delete"] == 2
        port = int(server.url.split(":")[2].split("/")[0])
        await server.stop()
        await known.runs.runs.apply(TENANT, run.id, actor="kim")
        await _tried(known, run.id)
    async with serving_again(tmp_path / "skills", port):
        done = await known.runs.settled(run.id)
        assert (done.state, done.applied) == ("applied", 2), done.reason
        assert [skill.name for skill in known.shelf.skills(TENANT)] == ["refund"]
        assert (await known.runs.undo(run)).state == "applied"
        assert await known.fingerprint() == before


async def test_killed_between_the_intent_and_the_outcome(known: Knowledge) -> None:
    await twins(known)
    before = await known.fingerprint()
    run = await known.plan()
    came = []

    def die_once() -> None:
        came.append(1)
        if len(came) == 1:
            raise ConnectionResetError("killed after the call, before its outcome was written")

    with faults.armed("after_call", die_once):
        done = await known.apply(run)
    assert (done.state, done.applied, done.conflicts) == ("applied", 2, 0), done.reason
    assert (await known.runs.undo(run)).applied == 2
    assert await known.fingerprint() == before


async def test_a_skill_edited_meanwhile_is_a_conflict(known: Knowledge) -> None:
    await twins(known)
    run = await known.plan()
    old = known.shelf.get(TENANT, "refund-old")
    known.shelf.change(TENANT, "refund-old", "notes.md", File(b"mine"), expected=old.revision)
    done = await known.apply(run)
    assert (done.state, done.applied, done.conflicts) == ("partial", 1, 1)
    assert known.shelf.get(TENANT, "refund-old").files["notes.md"].content == b"mine"


@pytest.mark.parametrize(
    "raw",
    [
        "I think they are all the same, delete everything.",
        '{"verdicts": [{"pair": 99, "verdict": "same"}]}',
        '{"verdicts": []}',
        '{"verdicts": [{"pair": 1, "verdict": "same"}, {"pair": 1, "verdict": "same"}]}',
        '{"verdicts": [{"pair": 1, "verdict": "delete"}]}',
        "",
    ],
)
async def test_a_judge_that_answers_nonsense_decides_nothing(known: Knowledge, monkeypatch, raw: str) -> None:
    # Of three pairs at least, so that no single verdict can be an answer.
    await known.memories(["The customer prefers invoices by e-mail", "The customer prefers invoices via email"])
    await known.memories(["The customer would like invoices by e-mail", *(distinct(n) for n in range(3))])
    async with JudgeServer(raw=raw) as judge:
        monkeypatch.setenv("DURE_JUDGE_URL", judge.url)
        monkeypatch.setenv("DURE_JUDGE_MODEL", "tester")
        run = await known.plan()
    assert judge.asked
    assert await known.leaving(run) == {}
    assert await known.asked(run), "what the judge could not say, a person is asked"


async def test_a_judge_that_is_away_leaves_questions(known: Knowledge, monkeypatch) -> None:
    await known.memories(["The customer prefers invoices by e-mail", "The customer prefers invoices via email"])
    await known.memories([distinct(n) for n in range(3)])
    monkeypatch.setenv("DURE_JUDGE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DURE_JUDGE_MODEL", "tester")
    monkeypatch.setenv("DURE_JUDGE_CALLS_MAX", "1")
    run = await known.plan()
    assert await known.leaving(run) == {}
    assert len(await known.asked(run)) == 1


async def test_two_runs_on_one_agent_at_once(known: Knowledge) -> None:
    await known.memories(["차를 좋아한다"] * 3 + [distinct(n) for n in range(4)])
    before = await known.fingerprint()
    one_run, other = await asyncio.gather(known.plan(AGENT), known.plan(AGENT))
    assert one_run.plan_hash == other.plan_hash
    done = await asyncio.gather(known.apply(one_run), known.apply(other))
    assert sum(run.applied for run in done) == 2
    assert sum(run.conflicts for run in done) == 2
    assert (await known.texts()).count("차를 좋아한다") == 1
    for run in done:
        if run.applied:
            assert (await known.runs.undo(run)).state == "applied"
    assert await known.fingerprint() == before


async def test_an_expired_plan_and_a_plan_applied_twice(known: Knowledge) -> None:
    await known.memories(["차를 좋아한다"] * 2 + [distinct(n) for n in range(3)])
    late, twice = await known.plan(), await known.plan()
    await rows(known.database, "update dure.run set expires_at = dure.now() - interval '1 s' where id = %s", [late.id])
    with pytest.raises(Conflict):
        await known.runs.runs.apply(TENANT, late.id, actor="kim")
    assert (await known.apply(twice)).state == "applied"
    with pytest.raises(Conflict):
        await known.runs.runs.apply(TENANT, twice.id, actor="kim")
    assert len(await known.texts()) == 4


async def test_a_missing_table_refuses_the_plan_and_names_it(known: Knowledge) -> None:
    await rows(known.database, "drop table public.proc_def")
    run = await known.plan()
    assert (run.state, run.reason["params"]["table"]) == ("refused", "public.proc_def")


async def test_a_table_that_is_no_store_is_named_with_what_it_lacks(known: Knowledge) -> None:
    await rows(known.database, "drop table public.proc_def")
    await rows(known.database, "create table public.proc_def (id text primary key, name text)")
    run = await known.plan()
    assert run.state == "refused"
    assert run.reason["params"]["columns"] == "owner, type, bpmn"


async def test_a_document_that_cannot_be_read_is_left_alone(known: Knowledge) -> None:
    await known.document("bad", "broken", "<definitions><not closed")
    await known.memories(["차를 좋아한다"] * 2 + [distinct(0)])
    run = await known.plan()
    [kept] = [change for change in await known.changes(run, "keep") if change.store == "public.proc_def"]
    assert kept.reason["code"] == "unreadable"
    assert (await known.apply(run)).applied == 1
    assert await one(known.database, "select bpmn from public.proc_def") == "<definitions><not closed"


@asynccontextmanager
async def serving_again(root: Path, port: int) -> AsyncIterator[None]:
    server = serve(root, port=port)
    await server.start()
    try:
        yield
    finally:
        await server.stop()


async def _tried(known: Knowledge, run_id: str) -> None:
    statement = "select retry_count > 0 from dure.job where params ->> 'run_id' = %s and handler = 'dure.run.apply'"

    async def failed_once() -> bool:
        found = await rows(known.database, statement, [run_id])
        return bool(found) and found[0][0]

    await until(failed_once)
