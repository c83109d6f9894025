"""The pack's declarations, its tables and its example."""

import datetime as dt
import re
import subprocess
import sys
from importlib import resources

import psycopg
import pytest

from academy import OPERATIONS, intent_of, operation_of
from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.demo import TABLES, fingerprint, load_demo
from dure.db.pool import Database
from dure.intents.policies import Policies
from intending import KIM, allow
from queueing import TENANT, one, rows

EXAMPLES_MIN = 6
WITHOUT_TENANT = {"today.sql", "demo_insert.sql", "table_rows.sql"}


@pytest.mark.parametrize("key", CATALOGUE)
def test_each_is_declared_in_both_languages_and_can_be_had(key: str) -> None:
    declared = CATALOGUE[key]
    assert declared.key == key
    assert re.fullmatch(r"[a-z]+\.(get|exec)\.[a-z_]+", key)
    assert (key.split(".")[1] == "get") == (declared.effect == "read")
    for lang in ("en", "ko"):
        sentences = declared.examples[lang]
        assert len(set(sentences)) == len(sentences) >= EXAMPLES_MIN
        for sentence in (declared.title[lang], *sentences):
            assert any("가" <= letter <= "힣" for letter in sentence) == (lang == "ko"), sentence
    found = intent_of(key)
    assert found.key == key
    assert set(declared.writes) <= {f"academy.{table}" for table in TABLES}
    assert bool(declared.writes) == (declared.effect == "write")
    assert bool(declared.sends) == (declared.effect == "send")


def test_no_sentence_asks_for_two_things() -> None:
    seen: dict[str, str] = {}
    for key, declared in CATALOGUE.items():
        for sentence in (sentence for of_lang in declared.examples.values() for sentence in of_lang):
            assert seen.setdefault(sentence, key) == key, sentence


def test_what_changes_data_is_an_operation_over_the_tables_that_are_declared() -> None:
    used = set()
    for key, declared in CATALOGUE.items():
        if declared.effect == "write":
            name = intent_of(key).make.operation
            used.add(name)
            stores = {store.name for store in operation_of(name).stores}
            assert set(declared.writes) <= stores, key
    assert used == OPERATIONS.keys()


def test_every_statement_names_the_tenant() -> None:
    pack = resources.files("dure.apps.intents")
    folders = [pack / "sql", *(part / "sql" for part in pack.iterdir() if (part / "sql").is_dir())]
    files = [file for folder in folders for file in folder.iterdir()]
    assert len(files) > 25
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith("-- "), file.name
        assert "%(tenant)s" in text or file.name in WITHOUT_TENANT, file.name


def test_the_catalogue_imports_none_of_the_code() -> None:
    code = "import sys, dure.apps.intents.catalogue; print(*(m for m in sys.modules if 'dure.apps.intents.' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {module.removeprefix("dure.apps.intents.") for module in done.stdout.split()}
    assert all(name == "catalogue" or name.startswith("declared") for name in names)


async def test_the_example_is_loaded_once_and_is_the_same_for_the_same_day(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    lines: list[str] = []
    first = await load_demo(database, lines.append, today=dt.date(2026, 7, 3))
    assert (first["tenant"], first["student"], first["class"]) == (TENANT, 40, 8)
    assert "40" in lines[0]
    whole = await fingerprint(database)
    again = await load_demo(database, lines.append, today=dt.date(2026, 7, 3))
    assert "student" not in again
    assert (len(first["allowed"]), again["allowed"]) == (len({one.category for one in CATALOGUE.values()}), [])
    assert await fingerprint(database) == whole
    for table in reversed(TABLES):
        await rows(database, f"delete from academy.{table}")
    assert await fingerprint(database) != whole
    await load_demo(database, lines.append, today=dt.date(2026, 7, 3))
    assert await fingerprint(database) == whole
    monkeypatch.setenv("DURE_TENANT", "other")
    await load_demo(database, lines.append)
    assert await one(database, "select count(distinct tenant_id) from academy.student") == 2


async def test_every_table_that_is_declared_is_there(database: Database) -> None:
    await load_demo(database, lambda _line: None)
    names = sorted({name for one in CATALOGUE.values() for name in (*one.reads, *one.writes)})
    missing = "select name from unnest(%s::text[]) as n (name) where to_regclass(name) is null"
    assert await rows(database, missing, [names]) == []


async def test_the_example_is_allowed_and_changes_no_policy_that_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    await allow(database, "*", allowed=False)
    assert (await load_demo(database, lambda _line: None))["allowed"] == []
    declared = CATALOGUE["attendance.get.late"]
    assert not (await Policies(database).decide(TENANT, declared, KIM)).allowed
    monkeypatch.setenv("DURE_TENANT", "other")
    await load_demo(database, lambda _line: None)
    assert (await Policies(database).decide("other", declared, KIM)).policy == "attendance.*"


@pytest.mark.parametrize("day", [dt.date(2026, 3, 1), dt.date(2026, 12, 31), dt.date(2028, 2, 29)])
async def test_the_example_has_somebody_late_today_whatever_the_day(database: Database, day: dt.date) -> None:
    await load_demo(database, lambda _line: None, today=day)
    count = "select count(*) from academy.attendance a join academy.meeting m on m.id = a.meeting_id"
    for status in ("late", "absent"):
        assert await one(database, f"{count} where m.held_on = %s and a.status = %s", [day, status])


@pytest.mark.parametrize(
    "statement",
    [
        "insert into academy.class (tenant_id, name, capacity, weekdays, starts_at, ends_at, opened_on)"
        " select tenant_id, name, 1, '{1}', '10:00', '11:00', '2026-01-01' from academy.class limit 1",
        "insert into academy.enrolment (tenant_id, student_id, class_id, from_on)"
        " select tenant_id, student_id, class_id, from_on from academy.enrolment where status = 'active' limit 1",
        "insert into academy.enrolment (tenant_id, student_id, class_id, from_on)"
        " select 'other', s.id, c.id, '2026-07-01' from academy.student s, academy.class c limit 1",
        "insert into academy.attendance (tenant_id, meeting_id, student_id, status)"
        " select tenant_id, meeting_id, student_id, 'present' from academy.attendance limit 1",
        "update academy.attendance set minutes_late = 5 where status = 'present'",
        "update academy.student set status = 'left' where status = 'enrolled'",
        "update academy.invoice set month = month + 1",
        "update academy.class set weekdays = '{0}'",
        "update academy.class set ends_at = starts_at",
        "update academy.invoice set discount_won = amount_won + 1",
    ],
)
async def test_the_schema_refuses_what_cannot_be(database: Database, statement: str) -> None:
    await load_demo(database, lambda _line: None, today=dt.date(2026, 7, 3))
    with pytest.raises(psycopg.IntegrityError):
        await rows(database, statement)
