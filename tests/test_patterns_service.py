"""Patterns in the database: found, learned from use, changed; by the service and by plain SQL."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel

from dure.db.pool import Database
from dure.errors import Conflict, DureError, Invalid, NotFound, Refused
from dure.intents import Declaration, intent
from dure.intents.catalogue import Catalogue
from dure.intents.patterns import Patterns
from queueing import TENANT, rows, settings

REGISTER, LATE = "student.exec.register", "attendance.get.late"
GLOSSARY = {
    "@name": ("student",),
    "student": ("학생", "student"),
    "register": ("등록", "register"),
    "late": ("지각", "늦~", "late"),
    "class": ("반", "수업", "class"),
}


@intent(
    REGISTER,
    title={"en": "Register a student", "ko": "학생 등록"},
    effect="send",
    examples={"en": ("add a new student",), "ko": ("학생 등록해줘",)},
)
class Register:
    class Params(BaseModel):
        name: str
        grade: int
        joined_on: date | None = None

    async def targets(self, params: Any, ctx: Any) -> Any:
        """Nobody."""

    async def each(self, params: Any, target: Any, ctx: Any) -> None:
        """Nothing."""


def declared(**examples: Mapping[str, tuple[str, ...]]) -> Declaration:
    return Declaration(
        key=LATE, title={"en": "Late students", "ko": "지각한 학생"}, target="nowhere.at_all:Late", **examples
    )


def service(database: Database, **examples: Any) -> Patterns:
    late = declared(**(examples or {"examples": {"en": ("who was late today",), "ko": ("지각생 명단",)}}))
    return Patterns(database, settings(), Catalogue({late.key: late}, [Register]), GLOSSARY)


@pytest.fixture
def patterns(database: Database) -> Patterns:
    return service(database)


async def keys(patterns: Patterns, sentence: str, tenant: str = TENANT) -> list[str]:
    return [one.intent_key for one in await patterns.ask(tenant, sentence)]


async def test_korean_and_english_find_the_same_intent(patterns: Patterns):
    for sentence in ("학생 등록해줘", "register a student"):
        [first, *_] = await patterns.ask(TENANT, sentence)
        assert first.intent_key == REGISTER
        assert first.missing == ("name", "grade")
    for sentence in ("", "a", "학", " ! ", "오늘 날씨 어때", "tell me a joke"):
        assert await patterns.ask(TENANT, sentence) == ()


async def test_a_candidate_says_why_and_what_was_drawn(patterns: Patterns):
    [first, *_] = await patterns.ask(TENANT, "김민수 학생 3학년 어제 등록해줘", today=date(2026, 3, 11))
    assert first.params == {"name": "김민수", "grade": 3, "joined_on": "2026-03-10"}
    assert first.missing == ()
    assert "등록" in first.reason
    [english, *_] = await patterns.ask(TENANT, "김민수 학생 등록해줘", "en")
    assert english.reason.startswith("The same words as the pattern")


async def test_names_that_the_tenant_has_are_found_whatever_they_look_like(database: Database):
    asked: list[tuple[str, str]] = []

    async def mentions(tenant: str, noun: str, sentence: str) -> list[str]:
        asked.append((tenant, noun))
        return [name for name in ("별하", "Rain") if name in sentence and (tenant, noun) == (TENANT, "student")]

    patterns = Patterns(database, settings(), Catalogue({}, [Register]), GLOSSARY, mentions)
    for sentence, name in (("별하 등록해줘", "별하"), ("register Rain", "Rain")):
        [first] = await patterns.ask(TENANT, sentence)
        assert (first.intent_key, first.params) == (REGISTER, {"name": name})
    assert set(asked) == {(TENANT, "student"), (TENANT, "name")}


async def test_what_is_learned_is_of_no_one_in_particular(database: Database):
    async def mentions(tenant: str, noun: str, sentence: str) -> list[str]:
        return ["김하늘"] if noun == "student" and "김하늘" in sentence else []

    patterns = Patterns(database, settings(), Catalogue({}, [Register]), GLOSSARY, mentions)
    learned = await patterns.learn(TENANT, "김하늘을 우리 반 식구로 맞이하자", REGISTER, actor="kim")
    assert learned.pattern == "우리 반 식구로 맞이하자"
    assert await keys(patterns, "김하늘을 우리 반 식구로 맞이하자") == [REGISTER]
    with pytest.raises(Invalid):
        await patterns.learn(TENANT, "김하늘님", REGISTER, actor="kim")


async def test_an_intent_that_does_not_import_is_still_found(patterns: Patterns):
    [first, *_] = await patterns.ask(TENANT, "지각생 명단")
    assert (first.intent_key, first.params) == (LATE, {})


async def test_learning_is_felt_at_once_by_this_tenant_alone(patterns: Patterns):
    assert await keys(patterns, "신입 왔어요") == []
    learned = await patterns.learn(TENANT, "신입 왔어요", REGISTER, actor="kim")
    assert (learned.confidence, learned.learned_from) == (0.8, "kim")
    assert await keys(patterns, "신입이 왔어요!") == [REGISTER]
    assert await keys(patterns, "신입 왔어요", "other") == []


async def test_learned_again_counts_for_more_and_never_above_one(patterns: Patterns):
    confidences = [
        (await patterns.learn(TENANT, said, REGISTER, actor="kim")).confidence
        for said in ("신입 왔어요", "신입  왔어요!", "신입왔어요", "신입 왔어요")
    ]
    assert confidences == [0.8, 0.9, 1.0, 1.0]
    assert (await patterns.learn(TENANT, "add a new student", REGISTER, actor="kim")).confidence == 0.9


async def test_used_more_than_ten_times_what_happened_holds(patterns: Patterns):
    made = await patterns.learn(TENANT, "신입 왔어요", REGISTER, actor="kim")
    for n in range(10):
        used = await patterns.used(TENANT, made.id, n % 2 == 0)
    assert (used.confidence, used.usage_count, used.success_count) == (0.8, 10, 5)
    used = await patterns.used(TENANT, made.id, True)
    assert used.confidence == round(6 / 11, 4)
    [candidate] = await patterns.ask(TENANT, "신입 왔어요")
    assert candidate.confidence == used.confidence


async def test_uses_at_the_same_time_are_all_counted(patterns: Patterns):
    await patterns.seed()
    [shipped] = (await patterns.list(TENANT, holding="지각생명단")).items
    await asyncio.gather(*(patterns.used(TENANT, shipped.id, True) for _ in range(12)))
    [own] = (await patterns.list(TENANT, holding="지각생명단")).items
    assert (own.usage_count, own.success_count, own.confidence, own.is_shipped) == (12, 12, 1.0, False)
    [theirs] = (await patterns.list("other", holding="지각생명단")).items
    assert (theirs.usage_count, theirs.is_shipped) == (0, True)


async def test_too_short_a_pattern_is_refused(patterns: Patterns, database: Database):
    for short in ("", "학", "a!", "7", "😀😀", "1234"):
        with pytest.raises(Invalid, match="2 letters"):
            await patterns.learn(TENANT, short, REGISTER, actor="kim")
        with pytest.raises(DureError):
            await sql(database, "insert into chatops_intent_patterns (pattern, intent_key) values (%s, 'a.b')", [short])
    with pytest.raises(Invalid):
        await patterns.create(TENANT, "학생 " * 100, REGISTER, actor="kim")


async def test_what_nobody_declared_is_refused_and_never_offered(patterns: Patterns, database: Database):
    with pytest.raises(NotFound):
        await patterns.learn(TENANT, "교재 주문", "book.exec.order", actor="kim")
    await sql(
        database, "insert into chatops_intent_patterns (pattern, intent_key) values ('교재 주문', 'book.exec.order')"
    )
    assert await keys(patterns, "교재 주문") == []


async def test_what_came_with_a_pack_is_switched_off_for_one_tenant(patterns: Patterns):
    await patterns.seed()
    [shipped] = (await patterns.list(TENANT, holding="add a new student")).items
    with pytest.raises(Refused):
        await patterns.delete(TENANT, shipped.id, actor="kim")
    with pytest.raises(Refused):
        await patterns.edit(TENANT, shipped.id, pattern="another", actor="kim")
    off = await patterns.edit(TENANT, shipped.id, is_active=False, actor="kim")
    assert not off.is_active
    found = [one.pattern for one in await patterns.ask(TENANT, "add a new student")]
    assert "add a new student" not in found
    assert (await patterns.ask("other", "add a new student"))[0].pattern == "add a new student"
    await patterns.delete(TENANT, off.id, actor="kim")
    assert (await patterns.ask(TENANT, "add a new student"))[0].pattern == "add a new student"


async def test_made_edited_removed(patterns: Patterns):
    made = await patterns.create(TENANT, "늦잠꾸러기 명단", LATE, actor="kim", confidence=0.6)
    assert (made.lang, made.base_confidence) == ("ko", 0.6)
    with pytest.raises(Conflict):
        await patterns.create(TENANT, "늦잠꾸러기  명단!", LATE, actor="kim")
    other = await patterns.create(TENANT, "늦은 아이들", LATE, actor="kim")
    with pytest.raises(Conflict):
        await patterns.edit(TENANT, other.id, pattern="늦잠꾸러기 명단", actor="kim")
    edited = await patterns.edit(TENANT, made.id, pattern="sleepyheads", confidence=0.9, actor="kim")
    assert (edited.pattern, edited.confidence) == ("sleepyheads", 0.9)
    assert await keys(patterns, "sleepyheads please") == [LATE]
    await patterns.delete(TENANT, made.id, actor="kim")
    assert await keys(patterns, "sleepyheads please") == []
    for act in (patterns.used("other", other.id, True), patterns.delete("other", other.id, actor="eve")):
        with pytest.raises(NotFound):
            await act
    for wrong in ("nonsense", made.id):
        with pytest.raises(NotFound):
            await patterns.get(TENANT, wrong)


async def test_seeding_again_changes_nothing_and_follows_the_catalogue(patterns: Patterns, database: Database):
    assert await patterns.seed() == 8
    assert await patterns.seed() == 0
    changed = service(database, examples={"en": ("latecomers",), "ko": ("지각생 명단",)})
    assert await changed.seed() == 2
    texts = {one.pattern for one in (await changed.list(TENANT, intent_key=LATE)).items}
    assert texts == {"latecomers", "지각생 명단", "Late students", "지각한 학생"}


async def test_two_processes_seed_at_the_same_time(database: Database):
    made = await asyncio.gather(*(service(database).seed() for _ in range(4)))
    assert sum(made) == 8


async def test_a_list_in_pages(patterns: Patterns):
    await patterns.seed()
    await patterns.create(TENANT, "줄줄이 지각", LATE, actor="kim")
    first = await patterns.list(TENANT, limit=5)
    second = await patterns.list(TENANT, limit=5, cursor=first.next_cursor)
    ids = [one.id for one in (*first.items, *second.items)]
    assert len(ids) == len(set(ids)) == 9
    assert second.next_cursor is None
    assert first.items[0].pattern == "줄줄이 지각"
    assert {one.lang for one in (await patterns.list(TENANT, lang="en")).items} == {"en"}


# Plain SQL, as the older system's page wrote it.


async def sql(database: Database, statement: str, values: Any = None, tenant: str = TENANT) -> list[tuple[Any, ...]]:
    async with database.tenant_tx(tenant) as tx:
        cursor = await tx.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []


async def test_plain_sql_inserts_learns_and_changes(patterns: Patterns, database: Database):
    insert = (
        "insert into chatops_intent_patterns (pattern, intent_key) values (%s, %s) returning id::text, confidence, lang"
    )
    [(id, confidence, lang)] = await sql(database, insert, ["늦은 사람", LATE])
    assert (confidence, lang) == (0.8, "ko")
    assert await sql(database, insert, ["늦은  사람!", LATE]) == [(id, 0.9, "ko")]
    assert await keys(patterns, "늦은 사람") == [LATE]
    update = "update chatops_intent_patterns set usage_count = 20, success_count = 5 where id = %s returning confidence"
    assert await sql(database, update, [id]) == [(0.25,)]
    await sql(database, "update chatops_intent_patterns set pattern = '올빼미들' where id = %s", [id])
    assert await keys(patterns, "올빼미들") == [LATE]
    await sql(database, "delete from chatops_intent_patterns where id = %s", [id])
    assert await keys(patterns, "올빼미들") == []


async def test_plain_sql_imports_counts(database: Database):
    statement = (
        "insert into chatops_intent_patterns"
        " (pattern, intent_key, confidence, usage_count, success_count, learned_from)"
        " values ('늦은 사람', 'attendance.get.late', 0.4, 12, 9, 'import')"
        " returning confidence, base_confidence, learned_from"
    )
    assert await sql(database, statement) == [(0.75, 0.4, "import")]


@pytest.mark.parametrize(
    "values",
    [
        "(null, 'a.b', null, null, null)",
        "('늦은 사람', null, null, null, null)",
        "('늦은 사람', 'a.b', 1.5, null, null)",
        "('늦은 사람', 'a.b', null, 3, 5)",
        "('늦은 사람', 'a.b', null, -1, null)",
    ],
)
async def test_plain_sql_is_checked(database: Database, values: str):
    columns = "(pattern, intent_key, confidence, usage_count, success_count)"
    with pytest.raises(DureError):
        await sql(database, f"insert into chatops_intent_patterns {columns} values {values}")
    assert await sql(database, "select count(*) from chatops_intent_patterns") == [(0,)]


async def test_one_tenant_s_sql_never_touches_another_s(patterns: Patterns, database: Database):
    mine = await patterns.create(TENANT, "늦은 사람", LATE, actor="kim")
    assert await sql(database, "select id from chatops_intent_patterns where tenant_id = 'acme'", tenant="other") == []
    await sql(database, "update chatops_intent_patterns set confidence = 0 where tenant_id <> ''", tenant="other")
    await sql(database, "delete from chatops_intent_patterns where tenant_id <> ''", tenant="other")
    with pytest.raises(Refused):
        await sql(
            database,
            "insert into chatops_intent_patterns (tenant_id, pattern, intent_key) values ('acme', '늦은 이', 'a.b')",
            tenant="other",
        )
    assert (await patterns.get(TENANT, mine.id)).confidence == 0.8


async def test_plain_sql_weighs_what_came_with_a_pack_for_its_tenant(patterns: Patterns, database: Database):
    await patterns.seed()
    await sql(database, "update chatops_intent_patterns set confidence = 0.2 where pattern = '지각생 명단'")
    assert [one.confidence for one in (await patterns.list(TENANT, holding="지각생 명단")).items] == [0.2]
    assert [one.confidence for one in (await patterns.list("other", holding="지각생 명단")).items] == [0.8]
    assert await sql(
        database, "select count(*), min(confidence) from chatops_intent_patterns where pattern = '지각생 명단'"
    ) == [(1, 0.2)]
    with pytest.raises(Refused):
        await sql(database, "delete from chatops_intent_patterns where tenant_id = ''")


async def test_the_owner_s_editor_writes_for_the_default_tenant(patterns: Patterns, url: str):
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(
            "insert into chatops_intent_patterns (pattern, intent_key) values ('늦은 이', 'attendance.get.late')"
        )
    assert await keys(patterns, "늦은 이", "default") == [LATE]


async def test_a_tenant_has_so_many_patterns_and_no_more(database: Database):
    fill = (
        "insert into dure.intent_pattern (tenant_id, pattern, lang, intent_key, learned_from)"
        " select 'acme', 'words ' || n, 'en', 'a.b', 'test' from generate_series(1, {}) n"
    )
    await rows(database, fill.format(10_000))
    with pytest.raises(Invalid):
        await sql(database, "insert into chatops_intent_patterns (pattern, intent_key) values ('one more', 'a.b')")
