"""The academy's intents as staff have them: asked for under a policy, carried by a worker, told and undone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from academy import OPERATIONS, TODAY, operation_of
from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.demo import fingerprint, load_demo
from dure.db.pool import Database
from dure.intents.catalogue import Catalogue
from dure.intents.outbox import sending
from dure.intents.rows import Request
from dure.intents.running import handlers
from dure.queue.registry import Registry
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers as run_handlers
from dure.runs.operation import Operations
from dure.runs.service import Runs
from intending import KIM, ended, intents_of
from queueing import TENANT, make, rows, settings, until

LATE = "attendance.exec.notify_guardians_late"
DAY = TODAY.isoformat()


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Database]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"sms=file://{tmp_path}/sms, email=file://{tmp_path}/email")
    for name in ("sms", "email"):
        (tmp_path / name).mkdir()
    await load_demo(database, lambda _line: None, today=TODAY)
    async with working(database):
        yield database


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[None]:
    operations = Operations([operation_of(name) for name in OPERATIONS])
    await declare_operations(database, operations)
    catalogue = Catalogue(CATALOGUE)
    registry = Registry()
    registry.add_entries(catalogue.entries())
    for one in (*handlers(catalogue), *sending.handlers(), *run_handlers(database, settings(), operations)):
        registry.add(one)
    worker = make(database, registry)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop(0)


async def ask(database: Database, key: str, **params: Any) -> Request:
    asked = await intents_of(database, Catalogue(CATALOGUE)).submit(TENANT, key, params, KIM)
    return await ended(database, asked)


def sent(folder: Path) -> list[str]:
    files = [*folder.glob("sms/*.json"), *folder.glob("email/*.json")]
    return sorted(json.loads(file.read_text(encoding="utf-8"))["to"] for file in files)


async def test_a_question_is_answered_by_a_worker(made: Database) -> None:
    found = await ask(made, "attendance.get.late", date=DAY)
    assert (found.state, found.result["count"]) == ("completed", 3)


async def test_guardians_are_told_once_however_often_it_is_asked_for(made: Database, tmp_path: Path) -> None:
    first = await ask(made, LATE, date=DAY)
    told = first.result["done"]
    assert (first.state, first.result["failed"], told >= 2) == ("completed", 0, True)

    async def are_sent() -> bool:
        return len(sent(tmp_path)) == told

    await until(are_sent)
    receivers = sent(tmp_path)
    # Asked again, and again after a correction: nobody hears it twice.
    assert (await ask(made, LATE, date=DAY)).result["done"] == told
    await rows(made, "update academy.attendance set minutes_late = minutes_late + 1 where status = 'late'")
    assert (await ask(made, LATE, date=DAY, notify_time="2026-07-03T09:00:00+09:00")).result["done"] == told
    assert await rows(made, "select count(*), count(distinct recipient) from dure.outbox_message") == [(told, told)]
    assert sent(tmp_path) == receivers


async def test_some_are_told_and_of_the_others_it_is_said_why(made: Database) -> None:
    await rows(
        made,
        "update academy.guardian set wants_messages = false where id in (select l.guardian_id"
        " from academy.student_guardian l join academy.attendance a using (student_id)"
        " join academy.meeting m on m.id = a.meeting_id where a.status = 'late' and m.held_on = %s limit 1)",
        [TODAY],
    )
    found = await ask(made, LATE, date=DAY)
    assert (found.state, found.result["skipped"]) == ("completed", 1)
    assert "wants no messages" in found.result["items"]["skipped"][0]["reason"]


async def test_a_transfer_is_a_run_that_can_be_undone(made: Database) -> None:
    before = await fingerprint(made)
    found = await ask(
        made, "class.exec.transfer", student="박가람", from_class="초등 영어", to_class="중2 수학", date=DAY
    )
    assert (found.state, found.result["state"]) == ("completed", "applied")
    assert await fingerprint(made) != before
    runs = Runs(made, settings(), Operations())
    back = await runs.rollback(TENANT, found.result["run_id"], author="kim", then_apply=True)

    async def is_back() -> bool:
        return (await runs.get(TENANT, back.id)).state == "applied"

    await until(is_back)
    assert await fingerprint(made) == before


async def test_what_the_schema_or_the_rules_refuse_is_said(made: Database) -> None:
    unknown = await ask(made, "attendance.get.student", student="없는사람")
    assert unknown.state == "failed"
    assert "없는사람" in str(unknown.error)
    asked = {"name": "중2 수학", "capacity": 5, "weekdays": [1], "starts_at": "09:00", "ends_at": "10:00"}
    full = await ask(made, "class.exec.open", **asked)
    assert full.state == "failed"
    assert "중2 수학" in str(full.error)
