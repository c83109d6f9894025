"""Windows over HTTP: opened once, closed once, told apart by how they closed."""

import pytest

from engine import Engine
from queueing import TENANT, one
from scheduling import planned
from web import Web, problem

MINE = {"Dure-Tenant": TENANT}
INBOX = {"key": "inbox", "handler": "t.work", "params": {"page": 7}, "every_s": 60, "for_s": 180}


@pytest.fixture
async def plan(database, clock):
    return await planned(database, clock)


@pytest.fixture
async def web(plan):
    return Web(Engine(plan.database))


@pytest.fixture
async def http(web):
    async with web.client(**MINE) as client:
        yield client


async def test_a_window_from_start_to_end(http, plan):
    answer = await http.post("/v1/windows", json=INBOX)
    window = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/windows/inbox")
    assert (window["state"], window["ticks"], window["ends_at"]) == ("open", 1, "2026-03-02T12:03:00Z")
    assert (await plan.params()) == [{"page": 7, "window_id": window["id"]}]
    problem(await http.post("/v1/windows", json=INBOX), 409, "conflict")
    assert [item["id"] for item in (await http.get("/v1/windows?open=true")).json()["items"]] == [window["id"]]
    for _ in range(4):
        await plan.end_jobs()
        await plan.tick(after_s=60)
    over = (await http.get("/v1/windows/inbox")).json()
    assert (over["state"], over["ticks"], over["closed_by"], over["reason"]) == ("elapsed", 3, None, None)
    assert (await http.get("/v1/windows?open=true")).json()["items"] == []
    assert len((await http.get("/v1/windows")).json()["items"]) == 1
    ticks = (await http.get(f"/v1/schedules/{over['schedule_id']}/fires")).json()["items"]
    assert [item["outcome"] for item in ticks] == ["made"] * 3
    assert (await http.post("/v1/windows", json=INBOX)).status_code == 201


async def test_a_window_is_stopped_once_and_says_by_whom(http, plan):
    problem(await http.post("/v1/windows/inbox/stop"), 404, "not_found")
    problem(await http.get("/v1/windows/inbox"), 404, "not_found")
    await http.post("/v1/windows", json=INBOX)
    stopped = (await http.post("/v1/windows/inbox/stop", json={"reason": "enough"})).json()
    assert (stopped["state"], stopped["closed_by"]) == ("stopped", "loopback")
    assert (stopped["reason"]["code"], stopped["reason"]["text"]) == ("stopped", "loopback stopped it: enough")
    assert await one(plan.database, "select state from dure.job") == "cancelled"
    problem(await http.post("/v1/windows/inbox/stop"), 409, "conflict")
    await plan.tick(after_s=600)
    assert (await http.get("/v1/windows/inbox")).json()["state"] == "stopped"


WRONG = [
    ({"key": ""}, {"key": "out_of_range"}),
    ({"every_s": 0}, {"every_s": "out_of_range"}),
    ({"every_s": "60"}, {"every_s": "wrong_type"}),
    ({"for_s": 10**9}, {"for_s": "out_of_range"}),
    ({"handler": None}, {"handler": "wrong_type"}),
    ({"options": {"colour": 1}}, {"options.colour": "unknown_field"}),
    ({"until": "noon"}, {"until": "unknown_field"}),
]


async def test_what_is_wrong_names_its_field(http):
    for given, fields in WRONG:
        assert problem(await http.post("/v1/windows", json={**INBOX, **given}), 422, "invalid") == fields
    problem(await http.post("/v1/windows", json={**INBOX, "handler": "no.such"}), 422, "unknown_handler")
    assert (await http.get("/v1/windows")).json()["items"] == []


async def test_a_window_is_found_where_its_answer_says(http):
    answer = await http.post("/v1/windows", json={**INBOX, "key": "page 7?"})
    assert (await http.get(answer.headers["location"])).json()["key"] == "page 7?"


async def test_a_tenant_sees_only_its_own(web, http):
    await http.post("/v1/windows", json=INBOX)
    async with web.client(await web.key("operator", "other")) as theirs:
        assert (await theirs.get("/v1/windows")).json()["items"] == []
        problem(await theirs.get("/v1/windows/inbox"), 404, "not_found")
        problem(await theirs.post("/v1/windows/inbox/stop"), 404, "not_found")
        assert (await theirs.post("/v1/windows", json=INBOX)).status_code == 201
    async with web.client(await web.key("viewer", TENANT)) as reader:
        assert (await reader.get("/v1/windows/inbox")).json()["state"] == "open"
        problem(await reader.post("/v1/windows/inbox/stop"), 403, "refused")
    async with web.client(await web.key("admin")) as anyone:
        assert problem(await anyone.get("/v1/windows/inbox"), 422, "invalid") == {"tenant_id": "missing"}
        assert len((await anyone.get("/v1/windows")).json()["items"]) == 2
