"""What a plan of the knowledge app takes care of: entities, users, shared skills, names of skills, the settings."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dure.apps.knowledge import config, dmn, memories
from dure.apps.knowledge.demo import load_demo
from dure.apps.knowledge.layouts import layouts
from dure.db.pool import Database
from dure.errors import Invalid
from knowing import AGENT, Knowledge, distinct, environment, knowledge
from queueing import TENANT, one, rows

STEPS = "1. 주문을 찾는다.\n2. 구매일을 본다.\n3. 금액을 계산한다."
TEA = "차를 좋아한다"


@pytest.fixture
async def known(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Knowledge]:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    async with knowledge(database, tmp_path) as made:
        yield made


async def others(known: Knowledge, count: int = 4) -> None:
    await known.memories([distinct(n) for n in range(count)])


async def linked(known: Knowledge, id: str) -> list[str]:
    return await one(
        known.database, "select payload -> 'linked_memory_ids' from public.memories_entities where id = %s", [id]
    )


async def test_entities_no_longer_name_what_left_and_name_it_again_afterwards(known: Knowledge) -> None:
    first, second, third = await known.memories([TEA] * 3)
    await others(known)
    topic = await known.entity("차", [first, second, third])
    other = await known.entity("취향", [third])
    before = await known.fingerprint()
    run = await known.plan()
    units = {change.unit for change in await known.changes(run, "delete", "update")}
    assert len(units) == 1, "one row names both, so they leave together or not at all"
    assert (await known.apply(run)).state == "applied"
    assert (await linked(known, topic), await linked(known, other)) == ([first], [])
    assert (await known.runs.undo(run)).state == "applied"
    assert await known.fingerprint() == before


@pytest.mark.parametrize("kind", ["vector(3)", "vector", "halfvec(3)", "text"])
async def test_a_vectors_numbers_are_read_as_they_are(known: Knowledge, kind: str) -> None:
    if kind != "text" and not await one(known.database, "select to_regtype('halfvec') is not null"):
        pytest.skip("this server has no pgvector")
    await rows(known.database, "create schema kept")
    await rows(known.database, f"create table kept.memories (id int primary key, vector {kind}, payload jsonb)")
    await rows(
        known.database,
        "insert into kept.memories values (1, '[0.5,-2,3.25]', %s), (2, null, %s)",
        ['{"agent_id": "a", "created_at": "1"}', '{"agent_id": "a", "created_at": "2"}'],
    )
    async with known.database.owner_tx() as tx:
        layout = (await layouts(tx, ["kept.memories"]))["kept.memories"]
        whose = {"tenant": TENANT, "untagged": TENANT}
        found = [memory.vector async for memory in memories.read(tx, layout, whose, ["a"])]
    assert (found[0].tolist(), found[1]) == ([0.5, -2.0, 3.25], None)


async def test_when_an_entity_changed_meanwhile_its_memories_stay(known: Knowledge) -> None:
    first, second = await known.memories([TEA] * 2)
    await others(known)
    topic = await known.entity("차", [first, second])
    run = await known.plan()
    await rows(known.database, "update public.memories_entities set payload = payload || '{\"n\": 1}'")
    done = await known.apply(run)
    assert (done.state, done.applied) == ("failed", 0)
    assert await linked(known, topic) == [first, second]
    assert len(await known.texts()) == 6


async def test_two_users_memories_are_never_merged_and_a_users_rule_is_asked_about(known: Knowledge) -> None:
    await known.memory(TEA, user_id="kim")
    await known.memory(TEA, user_id="lee")
    twice = await known.memory(TEA, user_id="lee")
    rule = await known.memory("만약 VIP 고객이면 배송비를 면제한다", user_id="lee")
    await others(known)
    run = await known.plan()
    assert list(await known.leaving(run)) == [twice]
    assert rule in await known.asked(run)


async def test_a_memory_of_steps_becomes_a_skill_of_its_agent_and_comes_back(known: Knowledge) -> None:
    known.skill("other", "Something else.", "1. Sit.\n2. Wait.\n3. Go.")
    memory = await known.memory(f"환불 처리 방법:\n{STEPS}")
    await others(known)
    before, row = await known.fingerprint(), await known.row(memory)
    run = await known.plan()
    assert (await known.apply(run)).state == "applied"
    [made] = [skill for skill in known.shelf.skills(TENANT) if skill.name != "other"]
    assert made.name.startswith("환불-처리-방법")
    assert made.agent_id == AGENT
    assert memory not in [row[0] for row in await rows(known.database, "select id::text from public.memories")]
    assert (await known.runs.undo(run)).state == "applied"
    assert (await known.row(memory), await known.fingerprint()) == (row, before)


async def test_skills_that_differ_in_a_file_are_not_deleted_unasked(known: Knowledge) -> None:
    known.skill("refund", "환불 절차", STEPS, **{"run.sh": "echo 1"})
    known.skill("refund-old", "환불 절차", STEPS, **{"run.sh": "echo 2"})
    await others(known)
    assert await known.leaving(await known.plan()) == {}


async def test_a_text_that_names_a_skill_which_goes_is_warned_about(known: Knowledge) -> None:
    known.skill("refund", "환불 절차", STEPS)
    known.skill("refund-old", "환불 절차", STEPS)
    memory = await known.memory("교환 문의가 오면 refund-old를 읽는다고 들었다")
    await others(known)
    run = await known.plan()
    assert list(await known.leaving(run)) == ["refund-old"]
    [warned] = [change for change in await known.changes(run, "keep") if change.key == (memory,)]
    assert (warned.reason["code"], warned.reason["params"]["skill"]) == ("names_skill", "refund-old")


async def test_a_shared_skill_is_kept_for_but_never_goes_for_one_agent(known: Knowledge) -> None:
    known.skill("everyones", "환불 절차", STEPS, agent=None)
    known.skill("mine", "환불 절차", STEPS)
    known.skill("everyones-too", "환불 절차", STEPS, agent=None)
    await others(known)
    run = await known.plan(AGENT)
    assert not set(await known.leaving(run)) & {"everyones", "everyones-too"}
    whole = await known.leaving(await known.plan())
    assert "everyones-too" in whole


async def test_a_rule_said_twice_in_one_table_goes_and_the_rest_of_the_document_stays_to_the_byte(
    known: Knowledge,
) -> None:
    table = [['"VIP"', "0"], ['"일반"', "3000"], ['"VIP"', "0"]]
    await known.rule("r1", "배송", table, policy="ANY")
    await others(known)
    before = await one(known.database, "select bpmn from public.proc_def")
    run = await known.plan()
    [change] = await known.changes(run, "update")
    assert "VIP" in str(change.reason["params"]["rules"])
    assert (await known.apply(run)).state == "applied"
    after = await one(known.database, "select bpmn from public.proc_def")
    assert after.count("<rule ") == 2
    assert after in _without_one_rule(before)
    assert (await known.runs.undo(run)).state == "applied"
    assert await one(known.database, "select bpmn from public.proc_def") == before


async def test_rules_at_odds_are_reported_and_kept(known: Knowledge) -> None:
    await known.rule("r1", "배송", [['"VIP"', "0"]])
    await known.rule("r2", "배송 2", [['"VIP"', "3000"]])
    await others(known)
    run = await known.plan()
    assert await known.leaving(run) == {}
    reasons = [change.reason for change in await known.changes(run, "keep")]
    [found] = [reason for reason in reasons if reason["code"] == "rules_conflict"]
    assert "VIP" in found["params"]["witness"]


async def test_what_another_program_marked_as_deleted_is_not_looked_at(known: Knowledge) -> None:
    await known.rule("r1", "배송", [['"VIP"', "0"]])
    await known.rule("r2", "배송 사본", [['"VIP"', "0"]])
    await rows(known.database, "update public.proc_def set isdeleted = true where id = 'r1'")
    await others(known)
    assert await known.leaving(await known.plan()) == {}


async def test_the_better_store_keeps_what_two_say_and_which_that_is_is_a_setting(known, monkeypatch) -> None:
    await known.rule("r1", "배송", [['"VIP"', "0"]])
    document = dmn.read(await one(known.database, "select bpmn from public.proc_def"))
    sentence = dmn.sentence(document.tables[0].rules[0], document.tables[0], "ko")
    memory = await known.memory(sentence)
    await others(known)
    assert list(await known.leaving(await known.plan())) == [memory]
    monkeypatch.setenv("DURE_KNOWLEDGE_ORDER", "memories,rules,skills")
    assert list(await known.leaving(await known.plan())) == ["r1"]


async def test_a_question_is_done_only_when_somebody_says_yes(known: Knowledge) -> None:
    await known.memories(["The customer prefers invoices by e-mail", "The customer prefers invoices via email"])
    await others(known)
    run = await known.plan()
    [asked] = [change for change in await known.changes(run) if change.ask]
    assert 0 < asked.reason["params"]["score"] < 1
    assert asked.reason["params"]["kept_name"] == "The customer prefers invoices by e-mail"
    await known.runs.runs.answer(TENANT, run.id, actor="lee", accepted=True, seqs=[asked.seq])
    done = await known.apply(run)
    assert (done.state, done.applied, len(await known.texts())) == ("applied", 1, 5)


async def test_the_same_knowledge_gives_the_same_plan(known: Knowledge) -> None:
    await known.memories([TEA, "만약 VIP 고객이면 배송비를 면제한다", TEA])
    await known.rule("r1", "배송", [['"VIP"', "0"]])
    known.skill("refund", "환불 절차", STEPS)
    known.skill("refund-old", "환불 절차", STEPS)
    await others(known)
    first, second = await known.plan(), await known.plan()
    assert first.plan_hash == second.plan_hash
    assert first.counts["delete"] == 2


async def test_supabases_collections_and_tables_without_a_column_for_the_tenant(known: Knowledge, monkeypatch) -> None:
    await rows(known.database, "create schema vecs")
    await rows(known.database, "create table vecs.team (id varchar primary key, vec text, metadata jsonb)")
    await rows(
        known.database,
        "insert into vecs.team select 'm' || n, '[1,2]', jsonb_build_object('data', 'note ' || (n / 2), 'agent_id',"
        " 'a', 'created_at', '2026-01-0' || n) from generate_series(2, 9) n",
    )
    monkeypatch.setenv("DURE_KNOWLEDGE_MEMORIES", "vecs.team")
    monkeypatch.setenv("DURE_KNOWLEDGE_RULES", "none")
    run = await known.plan("a")
    assert sorted(await known.leaving(run)) == ["m3", "m5", "m7", "m9"]
    assert (await known.apply(run)).state == "applied"


async def test_an_unknown_agent_has_nothing_to_do(known: Knowledge) -> None:
    await known.memories([TEA] * 2)
    assert (await known.plan("nobody")).state == "empty"


async def test_the_example_data_can_be_loaded_twice_and_its_hash_tells_a_byte(database, tmp_path, monkeypatch) -> None:
    if not await one(database, "select exists (select from pg_available_extensions where name = 'vector')"):
        pytest.skip("this server has no pgvector")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    known = Knowledge.__new__(Knowledge)
    known.database = database
    said: list[str] = []
    await load_demo(database, said.append)
    before = await known.fingerprint()
    await load_demo(database, said.append)
    assert await known.fingerprint() == before
    assert len(said) == 2
    script = next(tmp_path.rglob("refund.sh"))
    script.chmod(0o644)
    changed = await known.fingerprint()
    assert changed != before
    script.chmod(0o755)
    assert await known.fingerprint() == before
    await rows(database, "update public.memories set vector = null where payload ->> 'data' like 'Our stand%%'")
    assert await known.fingerprint() != before


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DURE_KNOWLEDGE_MEMORIES", "memories; drop table x"),
        ("DURE_KNOWLEDGE_ORDER", "rules,rules,memories"),
        ("DURE_KNOWLEDGE_ASK_AT", "1.5"),
        ("BATCH_DEDUP_DRY_RUN", "perhaps"),
        ("BATCH_DEDUP_INTERVAL_SECONDS", "0"),
    ],
)
def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid) as caught:
        config.load()
    assert list(caught.value.fields) == [variable]


def test_the_old_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_SERVER_URL", "http://skills:8765/mcp")
    monkeypatch.setenv("BATCH_DEDUP_DRY_RUN", "false")
    monkeypatch.setenv("BATCH_DEDUP_INTERVAL_SECONDS", "60")
    monkeypatch.setenv("DURE_KNOWLEDGE_MEMORIES", "team, vecs.other")
    found = config.load()
    assert (found.skills_url, found.batch_dry_run, found.batch_interval_s) == ("http://skills:8765/mcp", False, 60)
    assert found.memories == ("public.team", "vecs.other")


def _without_one_rule(xml: str) -> list[str]:
    """Every text that one rule less leaves, all else as it is."""
    parts = xml.split("      <rule ")
    whole = [f"      <rule {part}" for part in parts[1:]]
    ends = [part.index("</rule>\n") + len("</rule>\n") for part in whole]
    return [
        parts[0] + "".join(piece if at != gone else piece[ends[at] :] for at, piece in enumerate(whole))
        for gone in range(len(whole))
    ]
