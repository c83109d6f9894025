"""The vectors of acceptance for the knowledge app, each by its letter."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dure import faults
from dure.apps.knowledge.batch import Batches as BatchFace
from dure.db.pool import Database
from dure.errors import Conflict, NotFound, Refused
from judging import JudgeServer
from knowing import AGENT, Knowledge, distinct, environment, knowledge
from queueing import TENANT, rows

STEPS = "1. 주문을 찾는다.\n2. 구매일을 본다.\n3. 금액을 계산한다."


@pytest.fixture
async def known(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Knowledge]:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    async with knowledge(database, tmp_path) as made:
        yield made


async def test_a_three_equal_memories_and_three_others(known: Knowledge) -> None:
    first, second, third = await known.memories(["차를 좋아한다"] * 3)
    await known.memories([distinct(n) for n in range(3)])
    run = await known.plan()
    assert run.state == "planned"
    assert sorted(await known.leaving(run)) == sorted([second, third])
    kept = [change for change in await known.changes(run, "keep") if change.key == (first,)]
    assert len(kept) == 1, "the record that is kept says for whom"


async def test_a_three_of_three_equal_is_refused_with_the_numbers_and_an_override_applies(known: Knowledge) -> None:
    await known.memories(["차를 좋아한다"] * 3)
    run = await known.plan()
    assert run.state == "refused"
    [guard] = [guard for guard in run.guards if guard["verdict"] == "refused"]
    assert (guard["guard"], guard["params"]["count"], guard["params"]["population"]) == ("leaving_share", 2, 3)
    assert guard["params"]["percent"] == 66.7
    with pytest.raises(Refused):
        await known.runs.runs.apply(TENANT, run.id, actor="kim")
    assert len(await known.texts()) == 3
    await known.runs.runs.approve(
        TENANT, run.id, actor="lee", plan_hash=run.plan_hash, override=True, reason="I looked"
    )
    done = await known.apply(run)
    assert (done.state, await known.texts()) == ("applied", ["차를 좋아한다"])


async def test_b_the_same_rule_as_dmn_and_as_a_memory_in_another_language(known: Knowledge, monkeypatch) -> None:
    await known.rule("rule-1", "VIP 배송비", [['"VIP"', "0"]])
    memory = await known.memory("VIP customers do not pay for shipping")
    await known.memories([distinct(n) for n in range(3)])
    async with JudgeServer(lambda a, b: "same" if "VIP" in a and "VIP" in b else "different") as judge:
        monkeypatch.setenv("DURE_JUDGE_URL", judge.url)
        monkeypatch.setenv("DURE_JUDGE_MODEL", "tester")
        run = await known.plan()
    assert judge.asked
    assert list(await known.leaving(run)) == [memory]
    [why] = (await known.leaving(run)).values()
    assert "VIP 배송비" in why
    assert "judge" in why
    done = await known.apply(run)
    assert done.state == "applied"
    assert await rows(known.database, "select id from public.proc_def") == [("rule-1",)]


async def test_c_a_memory_that_is_a_rule_moves_and_comes_back_whole(known: Knowledge) -> None:
    memory = await known.memory("만약 VIP 고객이면 배송비를 면제한다", extra={"a": [1, 2.50]})
    await known.memories([distinct(n) for n in range(3)])
    before, row = await known.fingerprint(), await known.row(memory)
    run = await known.plan()
    assert [change.kind for change in await known.changes(run)] == ["create", "move"]
    assert (await known.apply(run)).state == "applied"
    [(owner, kind, xml, tenant)] = await rows(
        known.database, "select owner, type, bpmn, tenant_id from public.proc_def"
    )
    assert (owner, kind, tenant) == (AGENT, "dmn", TENANT)
    assert "VIP 고객" in xml
    assert len(await known.texts()) == 3
    assert (await known.runs.undo(run)).state == "applied"
    assert await known.row(memory) == row
    assert await rows(known.database, "select * from public.proc_def") == []
    assert await known.fingerprint() == before


async def test_d_too_many_deletions_are_refused(known: Knowledge) -> None:
    for n in range(202):
        await known.memory(distinct(n))
    for n in range(201):
        await known.memory(distinct(n))
    run = await known.plan()
    assert run.state == "refused"
    [guard] = [guard for guard in run.guards if guard["verdict"] == "refused"]
    assert (guard["guard"], guard["params"]["count"], guard["params"]["max"]) == ("leaving", 201, 200)
    assert len(await known.texts()) == 403


async def test_d_101_of_1000_are_warned_of_and_applied(known: Knowledge) -> None:
    texts = [distinct(n) for n in range(899)]
    await _many(known, [*texts, *texts[:101]])
    run = await known.plan()
    assert run.state == "planned"
    assert [guard["guard"] for guard in run.guards if guard["verdict"] == "warned"] == ["leaving"]
    done = await known.apply(run)
    assert (done.state, done.applied) == ("applied", 101)


async def test_e_killed_after_3_of_10_goes_on_with_7_and_undo_restores_10(known: Knowledge) -> None:
    for n in range(10):
        name = FRUITS[n]
        known.skill(f"{name}-a", f"How to ship {name}", STEPS.replace("주문", name))
        known.skill(f"{name}-b", f"How to ship {name}", STEPS.replace("주문", name))
    await known.memory(distinct(0))
    before = await known.fingerprint()
    run = await known.plan()
    assert (run.state, run.counts["delete"]) == ("planned", 10)
    came = 0

    def killed() -> None:
        nonlocal came
        came += 1
        if came == 4:
            raise ConnectionResetError("killed between the intent and the call")

    with faults.armed("after_intent", killed):
        done = await known.apply(run)
    assert (done.state, done.applied) == ("applied", 10), done.reason
    assert came == 11, "three were not done again; the fourth, of which only the intent was there, was"
    assert len(known.shelf.skills(TENANT)) == 10
    back = await known.runs.undo(run)
    assert (back.state, back.applied) == ("applied", 10)
    assert await known.fingerprint() == before


async def test_f_what_cannot_be_taken_back_is_told_apart(known: Knowledge) -> None:
    await known.memories(["차를 좋아한다"] * 2 + [distinct(n) for n in range(3)])
    face = BatchFace(known.database, known.runs.runs)
    dry = await face.deduplicate(TENANT, author="kim", dry_run=True)
    with pytest.raises(Conflict):
        await face.rollback(TENANT, dry.job_id, author="kim")
    real = await face.deduplicate(TENANT, author="kim", dry_run=False)
    assert (real.status, real.deleted_count) == ("completed", 1)
    assert (await face.rollback(TENANT, real.job_id, author="kim")).status == "completed"
    with pytest.raises(Conflict):
        await face.rollback(TENANT, real.job_id, author="kim")
    with pytest.raises(NotFound):
        await face.rollback(TENANT, "batch_20250101_120000_abc123ff", author="kim")
    await rows(known.database, "delete from public.memories where payload ->> 'data' = '차를 좋아한다'")
    empty = await face.deduplicate(TENANT, author="kim", dry_run=False)
    assert (empty.status, empty.deleted_count) == ("completed", 0)
    with pytest.raises(Conflict):
        await face.rollback(TENANT, empty.job_id, author="kim")


async def test_g_a_skill_of_the_same_name_is_another_tenants_own(known: Knowledge) -> None:
    known.skill("refund", "환불 절차", STEPS)
    known.skill("refund-old", "환불 절차", STEPS)
    known.skill("refund", "환불 절차", STEPS, tenant="other")
    known.skill("refund-old", "환불 절차", STEPS, tenant="other")
    await known.memories(["차를 좋아한다"] * 2 + [distinct(0), distinct(1)])
    await known.memory("차를 좋아한다", tenant="other")
    theirs = {skill.name: skill.revision for skill in known.shelf.skills("other")}
    run = await known.plan()
    done = await known.apply(run)
    assert (done.state, done.applied) == ("applied", 2)
    assert {skill.name: skill.revision for skill in known.shelf.skills("other")} == theirs
    assert [skill.name for skill in known.shelf.skills(TENANT)] == ["refund"]
    assert len(await known.texts()) == 4
    assert (await known.runs.undo(run)).state == "applied"
    assert {skill.name: skill.revision for skill in known.shelf.skills("other")} == theirs


async def test_h_a_record_edited_meanwhile_is_a_conflict_and_the_rest_is_applied(known: Knowledge) -> None:
    _, second, third = await known.memories(["차를 좋아한다"] * 3)
    await known.memories([distinct(n) for n in range(4)])
    run = await known.plan()
    edit = 'update public.memories set payload = payload || \'{"data": "커피를 좋아한다"}\' where id = %s'
    await rows(known.database, edit, [second])
    done = await known.apply(run)
    assert (done.state, done.applied, done.conflicts) == ("partial", 1, 1)
    [conflict] = [change for change in await known.changes(done) if change.state == "conflict"]
    assert conflict.key == (second,)
    assert conflict.outcome == {"code": "changed_since", "params": {"columns": ["payload"]}}
    assert "커피를 좋아한다" in await known.texts()
    assert not [row for row in await rows(known.database, "select id::text from public.memories") if row[0] == third]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("환불은 구매 후 7일 이내에 가능하다", "환불은 구매 후 14일 이내에 가능하다"),
        ("환불은 구매 후 7일 이내에 가능하다", "환불은 구매 후 7일 이내에 가능하지 않다"),
        ("Quotes are valid for 30 days", "Quotes are valid for 60 days"),
        ("The shop is open on Monday", "The shop is not open on Monday"),
    ],
)
async def test_i_a_number_or_a_negation_is_never_merged_unasked(known: Knowledge, one: str, other: str) -> None:
    await known.memories([one, other, *(distinct(n) for n in range(4))])
    run = await known.plan()
    assert await known.leaving(run) == {}
    if run.state == "planned":
        done = await known.apply(run)
        assert done.applied == 0
    assert {one, other} <= set(await known.texts())


FRUITS = ("apple", "banana", "cherry", "date", "elder", "fig", "grape", "honeydew", "kiwi", "lemon")


async def _many(known: Knowledge, texts: list[str]) -> None:
    statement = (
        "insert into public.memories select gen_random_uuid(), null, jsonb_build_object('data', t, 'agent_id',"
        " %s::text, 'tenant_id', %s::text, 'created_at', '2026-01-01') from jsonb_array_elements_text(%s::jsonb) t"
    )
    await rows(known.database, statement, [AGENT, TENANT, json.dumps(texts)])
