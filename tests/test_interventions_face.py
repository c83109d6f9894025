"""The older system's five routes over schedules and runs, as its document has them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from dure.apps.interventions import generator
from dure.apps.interventions.service import DEFAULT_NAME, Interventions
from dure.db.pool import Database
from dure.errors import NotFound
from dure.schedule.model import NewSchedule
from dure.schedule.ticker import Ticker
from engine import Engine
from intervening import Interventions as Made
from intervening import interventions
from queueing import TENANT, one, rows, settings, until
from sqlside import Clock
from web import Web, problem

SATURDAY_NOON = "2026-08-01 03:00:00+00"
"""In Seoul; 12:00 there."""
DAILY = {"name": "일일 중재 권고사항 생성", "frequency": "daily", "hour": 9, "minute": 0, "is_active": True}


@dataclass
class Face:
    """The routes with a worker behind them, and the clock that the test moves."""

    http: httpx.AsyncClient
    made: Made
    web: Web
    service: Interventions
    clock: Clock

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(f"/api/batch/{path}/", **({} if body is None else {"json": body}))

    async def schedules(self) -> list[dict[str, Any]]:
        return (await self.http.get("/api/batch/schedule/")).json()["schedules"]

    async def created(self, **given: Any) -> dict[str, Any]:
        answer = await self.post("schedule", {**DAILY, **given})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def tick(self, to: str) -> int:
        self.clock.to(to)
        return await Ticker(self.made.database, settings()).tick()

    async def ended(self, run_id: str) -> dict[str, Any]:
        await self.made.runs.settled(run_id)
        return (await self.http.get("/api/batch/status/", params={"run_id": run_id})).json()


@pytest.fixture
async def face(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Face]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    clock.to(SATURDAY_NOON)
    async with interventions(database) as made:
        web = Web(Engine(database))
        service = Interventions(database, web.services.runs, web.services.schedules)
        async with web.client() as http:
            yield Face(http, made, web, service, clock)


async def test_a_schedule_is_made_shown_changed_and_removed(face: Face) -> None:
    made = await face.created()
    assert {name: made[name] for name in DAILY} == DAILY
    assert isinstance(made["id"], int)
    assert made["next_run_at"] == "2026-08-02T00:00:00+00:00"
    assert await face.schedules() == [made]
    answer = await face.http.put("/api/batch/schedule/", json={"id": made["id"], "hour": 21, "is_active": False})
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"updated_at": ""} == made | {
        "hour": 21, "is_active": False, "state": "paused", "next_run_at": None, "updated_at": "",
    }  # fmt: skip
    back = (await face.http.put("/api/batch/schedule/", json={**answer.json(), "is_active": True})).json()
    assert (back["next_run_at"], back["hour"]) == ("2026-08-01T12:00:00+00:00", 21), "what it told can be sent back"
    gone = await face.http.request("DELETE", "/api/batch/schedule/", json={"id": made["id"]})
    assert (gone.status_code, gone.json()["deleted"], await face.schedules()) == (200, True, [])
    again = await face.http.delete("/api/batch/schedule/", params={"id": made["id"]})
    assert problem(again, 404, "not_found") == {}


async def test_daily_weekly_and_monthly_are_what_the_document_says(face: Face) -> None:
    daily, weekly, monthly = [
        await face.created(name=frequency, frequency=frequency) for frequency in ("daily", "weekly", "monthly")
    ]
    assert datetime.fromisoformat(daily["next_run_at"]) == datetime(2026, 8, 2, 0, 0, tzinfo=UTC), "09:00 in Seoul"
    assert datetime.fromisoformat(weekly["next_run_at"]) == datetime(2026, 8, 2, 0, 0, tzinfo=UTC), "a Sunday"
    assert datetime.fromisoformat(monthly["next_run_at"]) == datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
    assert [one["period"] for one in (daily, weekly, monthly)] == ["day", "week", "month"]
    changed = await face.http.put("/api/batch/schedule/", json={"id": daily["id"], "frequency": "weekly"})
    assert (changed.json()["frequency"], changed.json()["period"]) == ("weekly", "week")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"hour": 24}, "hour"), ({"hour": "9"}, "hour"), ({"minute": 60}, "minute"), ({"minute": -1}, "minute"),
    ({"frequency": "hourly"}, "frequency"), ({"name": ""}, "name"), ({"is_active": 1}, "is_active"),
    ({"colour": "red"}, "colour"),
]  # fmt: skip
WRONG_RUNS: list[tuple[dict[str, Any], str]] = [
    ({"date": "2026-02-30"}, "date"), ({"date": "1066-10-14"}, "date"), ({"redo": 1}, "redo"),
    ({"frequency": "yearly"}, "frequency"), ({"kind": "love"}, "kind"), ({"users": "7"}, "users"),
    ({"params": {}}, "params"),
]  # fmt: skip


async def test_what_is_wrong_is_400_with_the_fields_name(face: Face) -> None:
    for change, field in WRONG:
        assert set(problem(await face.post("schedule", {**DAILY, **change}), 400, "invalid")) == {field}
    made = await face.created()
    for change, field in WRONG:
        answer = await face.http.put("/api/batch/schedule/", json={"id": made["id"], **change})
        assert set(problem(answer, 400, "invalid")) == {field}
    assert await face.schedules() == [made], "nothing was changed"
    for body, field in WRONG_RUNS:
        assert set(problem(await face.post("run", body), 400, "invalid")) == {field}
    assert (await face.http.get("/api/batch/status/")).json()["runs"] == []


async def test_what_is_missing_or_no_object_is_400(face: Face) -> None:
    assert set(problem(await face.post("schedule", {}), 400, "invalid")) == {"name", "frequency", "hour", "minute"}
    assert set(problem(await face.http.put("/api/batch/schedule/", json={"hour": 1}), 400, "invalid")) == {"id"}
    assert set(problem(await face.http.delete("/api/batch/schedule/"), 400, "invalid")) == {"id"}
    for body in ([], "x", 5):
        assert (await face.post("schedule", body)).status_code == 400
    assert (
        await face.http.post("/api/batch/run/", content=b"{", headers={"content-type": "application/json"})
    ).status_code == 400
    assert set(problem(await face.http.get("/api/batch/status/", params={"limit": "0"}), 400, "invalid")) == {"limit"}
    korean = await face.http.post("/api/batch/schedule/", json={**DAILY, "hour": 24}, headers={"accept-language": "ko"})
    assert "0" in korean.json()["errors"][0]["detail"]
    assert korean.json()["detail"] != korean.json()["code"]


async def test_a_name_that_is_taken_is_a_conflict(face: Face) -> None:
    await face.created()
    assert set(problem(await face.post("schedule", DAILY), 409, "conflict")) == {"name"}


async def test_a_due_schedule_writes_yesterdays_recommendations(face: Face) -> None:
    user = await face.made.user("food", "exercise", day="2026-08-01")
    await face.made.user("food", "exercise", day="2026-08-02")
    await face.created()
    assert await face.tick("2026-08-01 23:59:59+00") == 0
    assert await face.tick("2026-08-02 00:00:01+00") == 1
    stored = await until(face.made.stored)
    assert [row[:3] for row in stored] == [(user, "2026-08-01", "day")]

    async def completed() -> Any:
        told = (await face.http.get("/api/batch/status/")).json()
        done = told["schedules"][0]["last_job"]
        return told if done and done["state"] == "completed" else None

    told = await until(completed)
    (run,) = told["runs"]
    assert (run["status"], run["created"], run["processed"], run["author"]) == (
        "completed", 1, 2, f"schedule:{DAILY['name']}",
    )  # fmt: skip
    assert (run["skipped"], run["missing"]) == ({"no_records": 1}, {"food": 1, "exercise": 1})
    assert told["schedules"][0]["last_run_at"] == "2026-08-02T00:00:00+00:00"


async def test_down_at_the_due_time_it_fires_once_on_return(face: Face) -> None:
    made = await face.created()
    assert await face.tick("2026-08-09 05:00:00+00") == 1
    fires = (await face.web.services.schedules.history(TENANT, made["schedule_id"])).items
    assert [fire.outcome for fire in fires].count("made") == 1
    assert (await face.schedules())[0]["next_run_at"] == "2026-08-10T00:00:00+00:00"


async def test_a_run_by_hand_needs_no_schedule_and_redo_is_an_update_that_is_taken_back(face: Face) -> None:
    await face.made.user("food", day="2026-07-31")
    await face.made.user("food", "exercise", day="2026-07-31")
    asked = await face.post("run")
    assert asked.status_code == 202
    assert asked.json()["date"] == "2026-07-31", "yesterday in Seoul, by the database's clock"
    told = await face.ended(asked.json()["run_id"])
    assert (told["status"], told["processed"], told["created"], told["skipped"]) == (
        "completed", 2, 1, {"no_records": 1},
    )  # fmt: skip
    assert told["missing"] == {"exercise": 1}
    again = await face.ended((await face.post("run", {"date": "2026-07-31"})).json()["run_id"])
    assert (again["created"], again["skipped"]) == (0, {"already_made": 1, "no_records": 1})
    before = await face.made.fingerprint()
    face.clock.advance(60)
    redone = await face.ended((await face.post("run", {"date": "2026-07-31", "redo": True})).json()["run_id"])
    assert (redone["updated"], redone["created"], redone["failed"]) == (1, 0, 0)
    run = await face.made.runs.runs.get(TENANT, redone["run_id"])
    assert (await face.made.runs.undo(run)).state == "applied"
    assert await face.made.fingerprint() == before
    told = (await face.http.get("/api/batch/status/")).json()
    assert [one["rolled_back"] for one in told["runs"]] == ["wholly", "no", "no"], "ways back are not runs of their own"


async def test_status_shows_the_error_of_a_task_that_failed(face: Face) -> None:
    await face.made.user("food", "exercise", day="2026-07-31")
    await rows(face.made.database, "alter table interventions_userfoodrecord rename column eaten_at to at")
    made = await face.created()
    await face.tick("2026-08-02 00:00:01+00")

    async def failed() -> Any:
        told = (await face.http.get("/api/batch/status/", headers={"accept-language": "ko"})).json()
        done = told["schedules"][0]["last_job"]
        return told if done and done["state"] == "failed" else None

    told = await until(failed)
    (run,) = told["runs"]
    assert run["status"] == "refused"
    assert "eaten_at" in run["error"]
    assert "eaten_at" in told["schedules"][0]["last_job"]["error"]
    job_id = told["schedules"][0]["last_job"]["job_id"]
    shown = (await face.http.get("/api/batch/status/", params={"job_id": job_id})).json()
    assert (shown["state"], "eaten_at" in shown["error"]) == ("failed", True)
    assert (await face.schedules())[0]["id"] == made["id"]
    for given in ({"job_id": "x"}, {"run_id": "x"}, {"job_id": run["run_id"]}):
        assert problem(await face.http.get("/api/batch/status/", params=given), 404, "not_found") == {}


async def test_who_failed_is_named_and_the_others_are_done(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = await face.made.user("food", "exercise", day="2026-07-31")
    await face.made.user("food", "exercise", day="2026-07-31")
    advise = generator.advise

    def breaks(facts: Any, days: int, seed: str) -> Any:
        if seed.startswith(f"{bad}:"):
            raise ZeroDivisionError("1417 kcal")
        return advise(facts, days, seed)

    with monkeypatch.context() as patch:
        patch.setattr(generator, "advise", breaks)
        told = await face.ended((await face.post("run")).json()["run_id"])
    assert (told["status"], told["created"], told["failed"], told["processed"]) == ("completed", 1, 1, 2)
    (failure,) = told["failures"]
    assert failure["user_id"] == bad
    assert "ZeroDivisionError" in failure["error"]
    assert "1417" not in str(told)
    again = await face.ended((await face.post("run")).json()["run_id"])
    assert (again["created"], again["skipped"]) == (1, {"already_made": 1})


async def test_sync_changes_only_what_differs(face: Face) -> None:
    kept, other = await face.created(), await face.created(name="other", frequency="weekly")
    nothing = (await face.post("sync")).json()
    assert (nothing["changed"], nothing["unchanged"]) == (False, sorted([kept["name"], "other"]))
    await rows(face.made.database, "update dure.schedule set next_fire_at = '2027-01-01' where name = 'other'")
    mended = (await face.post("sync")).json()
    assert (mended["repaired"], mended["changed"]) == (["other"], True)
    assert [one["next_run_at"] for one in await face.schedules() if one["id"] == other["id"]] == [other["next_run_at"]]
    wanted = [DAILY, {**DAILY, "name": "other", "frequency": "monthly"}, {**DAILY, "name": "new", "is_active": False}]
    told = await face.service.sync(TENANT, wanted, actor="kim")
    assert (told["created"], told["updated"], told["unchanged"], told["extra"]) == (
        ["new"], ["other"], [kept["name"]], [],
    )  # fmt: skip
    after = await face.schedules()
    assert not (await face.service.sync(TENANT, wanted, actor="kim"))["changed"], "twice changes nothing"
    assert await face.schedules() == after
    assert (await face.service.sync(TENANT, wanted[:1], actor="kim"))["extra"] == ["new", "other"]
    assert {one["id"] for one in after} >= {kept["id"], other["id"]}, "nothing is made anew"


async def test_the_default_schedule_is_made_once_and_anew_only_by_force(face: Face) -> None:
    first, made = await face.service.init_schedule(TENANT, actor="kim")
    assert (first.name, made) == (DEFAULT_NAME, True)
    same, made_again = await face.service.init_schedule(TENANT, actor="kim")
    assert (same.id, made_again, len(await face.schedules())) == (first.id, False, 1)
    await face.tick("2026-08-02 00:00:01+00")
    anew, forced = await face.service.init_schedule(TENANT, actor="kim", force=True)
    assert (forced, anew.id == first.id, len(await face.schedules())) == (True, False, 1)
    history = "select count(*) from dure.fire where schedule_id = %s and outcome = 'made'"
    assert await one(face.made.database, history, [first.id]) == 1, "what the old one did is still known"


async def test_a_schedule_that_the_old_api_cannot_say_is_shown_and_changed_only_as_a_whole(face: Face) -> None:
    new = NewSchedule(
        name="odd", rule={"kind": "cron", "expr": "0 9 * * 1-5"}, zone="Asia/Seoul", operation="interventions.generate",
        params={"kind": "diet"},
    )  # fmt: skip
    await face.web.services.schedules.create(TENANT, new, actor="kim")
    (shown,) = await face.schedules()
    assert (shown["frequency"], shown["hour"], shown["minute"], shown["is_active"]) == (None, None, None, True)
    answer = await face.http.put("/api/batch/schedule/", json={"id": shown["id"], "hour": 10})
    assert set(problem(answer, 400, "invalid")) == {"frequency", "minute"}
    whole = {"id": shown["id"], "frequency": "daily", "hour": 10, "minute": 30}
    assert (await face.http.put("/api/batch/schedule/", json=whole)).json()["hour"] == 10
    params = await one(face.made.database, "select params from dure.schedule where name = 'odd' and deleted_at is null")
    assert params == {"kind": "diet", "period": "day"}


async def test_each_tenant_has_its_own(face: Face) -> None:
    mine = await face.created()
    other = {"Dure-Tenant": "other"}
    assert (await face.http.get("/api/batch/schedule/", headers=other)).json()["schedules"] == []
    answer = await face.http.put("/api/batch/schedule/", json={"id": mine["id"], "hour": 1}, headers=other)
    assert problem(answer, 404, "not_found") == {}
    with pytest.raises(NotFound):
        await face.service.delete("other", {"id": mine["id"]}, actor="kim")


async def test_who_may_look_may_not_change_and_a_foreign_page_may_do_nothing(face: Face) -> None:
    viewer = await face.web.key("viewer", TENANT)
    async with face.web.client(viewer) as http:
        assert (await http.get("/api/batch/schedule/")).status_code == 200
        for method, path in (("POST", "schedule"), ("PUT", "schedule"), ("POST", "run"), ("POST", "sync")):
            assert (await http.request(method, f"/api/batch/{path}/", json=DAILY)).status_code == 403
    assert (await face.http.get("/api/batch/schedule/")).status_code == 401, "with the first key, nothing goes without"


async def test_a_page_of_another_site_starts_nothing(face: Face) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert (await face.http.post("/api/batch/run/", headers=headers)).status_code == 403
    form = await face.http.post("/api/batch/run/", content=b"redo=true", headers={"content-type": "text/plain"})
    assert form.status_code == 415
    assert (await face.http.get("/api/batch/status/")).json()["runs"] == []
