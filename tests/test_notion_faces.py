"""What users of the old system keep: its routes field by field, its tables; and the example without Notion."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from dure.apps.notion.demo import PAGE, TEXTS, fingerprint, load_demo
from dure.db.pool import Database
from engine import Engine
from notioning import Office, Person, configure, fake, working
from queueing import TENANT, rows
from sqlside import Clock
from web import Web, problem

BASE = "/api/v1/batch"


@pytest.fixture
async def world(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Office, Person, str]]:
    async with fake() as (person, page, _notion):
        configure(monkeypatch, person, DURE_TENANT=TENANT)
        async with working(database, clock) as office:
            yield office, person, page


@pytest.fixture
async def http(world: tuple[Office, Person, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with Web(Engine(world[0].database)).client() as client:
        yield client


async def start(http: httpx.AsyncClient, page: str, **more: Any) -> httpx.Response:
    return await http.post(f"{BASE}/start", json={"notion_page_id": page, **more})


async def test_start_status_and_stop_field_by_field(world, http) -> None:
    office, person, page = world
    for n in range(2):
        await person.todo(page, f"todo {n}")
    started = (await start(http, page)).json()
    begins, ends = datetime.fromisoformat(started.pop("start_time")), datetime.fromisoformat(started.pop("end_time"))
    assert started == {
        "success": True,
        "message": "배치 작업이 시작되었습니다. 15분 후 자동 종료됩니다.",
        "notion_page_id": page,
    }
    assert (ends - begins, begins.utcoffset()) == (timedelta(minutes=15), timedelta(0))
    await office.settle()
    status = (await http.get(f"{BASE}/status/{page}")).json()
    info = status.pop("running_info")
    assert datetime.fromisoformat(status.pop("db_last_run_at")) == begins
    assert status == {
        "success": True,
        "notion_page_id": page,
        "db_status": "running",
        "db_message": "배치 작업 진행 중 - 2개 항목 처리",
        "is_running": True,
    }
    assert (info["notion_page_id"], info["status"]) == (page, "running")
    assert [datetime.fromisoformat(info[name]) for name in ("start_time", "end_time")] == [begins, ends]
    assert (await http.get(f"{BASE}/status")).json() == {
        "success": True,
        "running_batches": [page],
        "running_count": 1,
        "scheduler_jobs": [f"batch_{page}"],
    }
    office.clock.advance(300)
    stopped = (await http.post(f"{BASE}/stop/{page}")).json()
    assert datetime.fromisoformat(stopped.pop("end_time")) == begins + timedelta(minutes=5)
    assert stopped == {"success": True, "message": "배치 작업이 중지되었습니다.", "notion_page_id": page}
    status = (await http.get(f"{BASE}/status/{page}")).json()
    assert (status["db_status"], status["is_running"], status["running_info"]) == ("idle", False, None)
    assert status["db_message"] == "배치 작업 중지됨 - 2개 항목 처리"
    assert (await http.get(f"{BASE}/status")).json()["running_count"] == 0


async def test_started_twice_and_stopped_twice_are_conflicts(world, http) -> None:
    _, _, page = world
    problem(await http.post(f"{BASE}/stop/{page}"), 409, "conflict")
    assert (await start(http, page)).status_code == 200
    problem(await start(http, page), 409, "conflict")
    # With dashes or without, it is the same page.
    problem(await start(http, page.replace("-", "")), 409, "conflict")
    assert (await http.post(f"{BASE}/stop/{page.replace('-', '').upper()}")).status_code == 200
    problem(await http.post(f"{BASE}/stop/{page}"), 409, "conflict")
    assert (await start(http, page)).status_code == 200


async def test_a_window_whose_time_is_over_is_completed(world, http) -> None:
    office, _, page = world
    started = (await start(http, page, interval_seconds=30, duration_minutes=1)).json()
    assert "1분 후" in started["message"]
    await office.settle()
    await office.tick(30)
    office.clock.advance(31)
    status = (await http.get(f"{BASE}/status/{page}")).json()
    assert (status["db_status"], status["is_running"]) == ("completed", False)
    assert status["db_message"] == "배치 작업 완료 - 0개 항목 처리"
    assert (await start(http, page)).status_code == 200


async def test_a_page_that_was_never_started_is_idle(http) -> None:
    answer = await http.get(f"{BASE}/status/your-notion-page-id")
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "notion_page_id": "your-notion-page-id",
        "db_status": "idle",
        "db_message": "아직 시작된 적이 없습니다",
        "db_last_run_at": None,
        "is_running": False,
        "running_info": None,
    }


async def test_two_pages_run_side_by_side(world, http) -> None:
    office, _, _ = world
    for page in ("page-1", "page-2"):
        assert (await start(http, page)).status_code == 200
    running = (await http.get(f"{BASE}/status")).json()
    assert (running["running_batches"], running["running_count"]) == (["page-1", "page-2"], 2)
    assert running["scheduler_jobs"] == ["batch_page-1", "batch_page-2"]
    await office.settle()


WRONG = [
    ({}, "notion_page_id"),
    ({"notion_page_id": ""}, "notion_page_id"),
    ({"notion_page_id": "../users"}, "notion_page_id"),
    ({"notion_page_id": "x" * 65}, "notion_page_id"),
    ({"notion_page_id": 7}, "notion_page_id"),
    ({"notion_page_id": "page-1", "interval_seconds": 0}, "interval_seconds"),
    ({"notion_page_id": "page-1", "duration_minutes": "long"}, "duration_minutes"),
    ({"notion_page_id": "page-1", "hours": 1}, "hours"),
]


async def test_what_cannot_be_started_names_the_field(http) -> None:
    for body, field in WRONG:
        answer = await http.post(f"{BASE}/start", json=body)
        assert list(problem(answer, 422, "invalid")) == [field], body
    assert (await http.get(f"{BASE}/status")).json()["running_count"] == 0


async def test_an_english_reader_is_told_in_english(world, http) -> None:
    _, _, page = world
    answer = await http.post(f"{BASE}/start", json={"notion_page_id": page}, headers={"Accept-Language": "en-GB"})
    assert answer.json()["message"] == "The batch has started. It ends by itself after 15 min."
    status = await http.get(f"{BASE}/status/{page}", headers={"Accept-Language": "en"})
    assert status.json()["db_message"].startswith("The batch goes on")
    again = await http.get(f"{BASE}/status/{page}", headers={"Accept-Language": "*"})
    assert again.json()["db_message"].startswith("배치 작업 진행 중")


async def test_a_tenants_key_sees_and_stops_its_own_alone(world) -> None:
    office, _, page = world
    web = Web(Engine(office.database))
    ours, theirs, viewer = [
        await web.key(*one) for one in (("operator", TENANT), ("operator", "b"), ("viewer", TENANT))
    ]
    async with web.client(ours) as client:
        assert (await start(client, page)).status_code == 200
    async with web.client(theirs) as client:
        assert (await client.get(f"{BASE}/status")).json()["running_batches"] == []
        assert (await client.get(f"{BASE}/status/{page}")).json()["db_status"] == "idle"
        problem(await client.post(f"{BASE}/stop/{page}"), 409, "conflict")
    async with web.client(viewer) as client:
        assert (await client.get(f"{BASE}/status")).json()["running_batches"] == [page]
        problem(await client.post(f"{BASE}/stop/{page}"), 403, "refused")
        problem(await start(client, page), 403, "refused")
    async with web.client() as client:
        problem(await client.get(f"{BASE}/status"), 401, "unauthorized")


async def test_a_get_starts_nothing_and_a_foreign_page_neither(http, world) -> None:
    _, _, page = world
    assert (await http.get(f"{BASE}/start")).status_code == 405
    foreign = {"Origin": "https://evil.example"}
    problem(await http.post(f"{BASE}/start", json={"notion_page_id": page}, headers=foreign), 403, "refused")


async def test_the_old_tables_can_be_selected_from(world, http) -> None:
    office, person, page = world
    await person.todo(page, "할 일")
    await start(http, page)
    await office.settle()
    select = "select notion_page_id, status, processed_count from notion_batch_status"
    assert await rows(office.database, select) == [(page, "running", 1)]
    assert await rows(office.database, "select content, status, result, attempts from public.notion_todo") == [
        ("할 일", "done", "answer to 할 일", 0)
    ]
    await http.post(f"{BASE}/stop/{page}")
    assert await rows(office.database, "select status from notion_batch_status") == [("idle",)]
    async with office.database.tenant_tx("another") as tx:
        for name in (b"notion_todo", b"notion_batch_status"):
            assert await (await tx.execute(b"select * from " + name)).fetchall() == []


async def test_the_example_is_worked_without_notion(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOTION_API_KEY", "DURE_NOTION_HANDLER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DURE_TENANT", TENANT)
    said: list[str] = []
    assert await load_demo(database, said.append) == {"todos": len(TEXTS)}
    assert "NOTION_API_KEY" in "".join(said)
    before = await fingerprint(database)
    async with working(database, clock) as office:
        await office.run(PAGE)
        assert "without NOTION_API_KEY" in (await office.pages.status(TENANT, PAGE, lang="en")).message
    found = await rows(database, "select content, status, result from public.notion_todo order by position")
    assert [status for _, status, _ in found] == ["done"] * len(TEXTS)
    assert (
        found[0][2]
        == "Worked offline (words: 6, letters: 41). DURE_NOTION_HANDLER names the handler that works to-dos."
    )
    assert found[1][2].startswith("오프라인으로 처리했습니다")
    after = await fingerprint(database)
    # Loaded again, what was done stays done.
    assert await load_demo(database, said.append) == {"todos": 0}
    assert before != after == await fingerprint(database)
