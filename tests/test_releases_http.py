"""Releases, rollouts and performance over HTTP: made, watched, decided about, in both languages."""

import json

import pytest

from engine import Engine
from queueing import TENANT
from rolling import CLASS, planned
from web import Web, problem

MISSING = "00000000-0000-7000-8000-000000000000"
MINE = {"Dure-Tenant": TENANT}
NEXT = {"class": CLASS, "version": "1.1.0"}


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


async def started(http, **given):
    await http.post("/v1/releases", json=NEXT)
    body = {"class": CLASS, "to_version": "1.1.0", "min_healthy_s": 0, "progress_deadline_s": 60, **given}
    answer = await http.post("/v1/rollouts", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_release_is_made_shown_and_withdrawn(http):
    answer = await http.post("/v1/releases", json={**NEXT, "compatible": ">=1,<2", "notes": "faster"})
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/releases/{CLASS}/1.1.0")
    assert (made["class"], made["state"], made["release_type"], made["compatible"]) == (
        CLASS,
        "draft",
        "minor",
        ">=1, <2",
    )
    assert (await http.get(answer.headers["location"])).json() == made
    assert [one["version"] for one in (await http.get(f"/v1/releases?class={CLASS}")).json()["items"]] == [
        "1.1.0",
        "1.0.0",
    ]
    gone = (await http.post(f"/v1/releases/{CLASS}/1.1.0/withdraw", json={"reason": "leaks"})).json()
    assert (gone["state"], gone["reason"]["code"]) == ("withdrawn", "withdrawn")
    assert "leaks" in gone["reason"]["text"]
    problem(await http.post(f"/v1/releases/{CLASS}/1.1.0/current"), 409, "conflict")
    problem(await http.post(f"/v1/releases/{CLASS}/1.0.0/withdraw"), 409, "conflict")
    problem(await http.get(f"/v1/releases/{CLASS}/7.0.0"), 404, "not_found")
    problem(await http.get("/v1/releases/nothing/1.0.0"), 404, "not_found")


async def test_a_release_can_be_made_current_at_once(http):
    await http.post("/v1/releases", json=NEXT)
    made = (await http.post(f"/v1/releases/{CLASS}/1.1.0/current")).json()
    assert made["state"] == "current"
    page = (await http.get("/v1/releases?state=superseded")).json()
    assert [one["version"] for one in page["items"]] == ["1.0.0"]


@pytest.mark.parametrize(
    ("path", "given", "fields"),
    [
        ("releases", {"version": "one"}, {"version": "wrong_format"}),
        ("releases", {"compatible": "new"}, {"compatible": "wrong_format"}),
        ("releases", {"compatible": "2.x"}, {"compatible": "releases.not_itself"}),
        ("releases", {"compatible": ">2,<1"}, {"compatible": "releases.empty_range"}),
        ("releases", {"class": "Big"}, {"class": "wrong_format"}),
        ("releases", {"colour": "red"}, {"colour": "unknown_field"}),
        ("rollouts", {"strategy": "fast"}, {"strategy": "not_one_of"}),
        ("rollouts", {"steps": [{"share_pct": 0}]}, {"steps.0.share_pct": "out_of_range"}),
        ("rollouts", {"steps": [{"share_pct": 9}, {"share_pct": 8}]}, {"steps.1.share_pct": "releases.not_growing"}),
        ("rollouts", {"gates": {"speed": {}}}, {"gates.speed": "unknown_field"}),
        ("rollouts", {"max_parallel": "1"}, {"max_parallel": "wrong_type"}),
        ("rollouts", {"min_healthy_s": -1}, {"min_healthy_s": "out_of_range"}),
    ],
)
async def test_what_is_wrong_is_named(http, path, given, fields):
    body = {**({**NEXT} if path == "releases" else {"class": CLASS, "to_version": "1.0.0"}), **given}
    for lang in ("en", "ko"):
        answer = await http.post(f"/v1/{path}", json=body, headers={"Accept-Language": lang})
        assert problem(answer, 422, "invalid") == fields


async def test_a_rollout_is_begun_watched_and_promoted(http, plan):
    await plan.fleet(2)
    made = await started(http, steps=[{"share_pct": 50, "bake_s": 1}])
    assert (made["state"], made["from_version"], made["steps"]) == (
        "running",
        "1.0.0",
        [{"share_pct": 50, "bake_s": 1}],
    )
    assert made["gates"]["task_success"] == {"margin": 0.01, "samples_min": 30}
    again = await http.post("/v1/rollouts", json={"class": CLASS, "to_version": "1.1.0"})
    problem(again, 409, "conflict")
    await plan.tick()
    shown = (await http.get(f"/v1/rollouts/{made['id']}")).json()
    assert shown["progress"] == {"wanted": 1, "chosen": 1, "healthy": 0}
    assert sorted(one["chosen"] for one in shown["agents"]) == [False, True]
    assert shown["verdicts"]["task_success"]["code"] == "few_samples"
    for verb, state in (("pause", "paused"), ("resume", "running"), ("promote", "promoted")):
        assert (await http.post(f"/v1/rollouts/{made['id']}/{verb}")).json()["state"] == state
    problem(await http.post(f"/v1/rollouts/{made['id']}/promote"), 409, "conflict")
    page = (await http.get(f"/v1/rollouts/{made['id']}/events?limit=2")).json()
    rest = (await http.get(f"/v1/rollouts/{made['id']}/events?cursor={page['next_cursor']}")).json()
    kinds = [event["kind"] for event in [*page["items"], *rest["items"]]]
    assert [kind for kind in kinds if kind != "gate"] == ["started", "asked", "paused", "resumed", "promoted"]
    assert (await http.get(f"/v1/rollouts?state=promoted&class={CLASS}")).json()["items"][0]["id"] == made["id"]


async def test_promote_while_it_is_taken_back_is_refused(http, plan):
    await plan.fleet(1)
    made = await started(http)
    back = (await http.post(f"/v1/rollouts/{made['id']}/revert", json={"reason": "slow"})).json()
    assert (back["state"], back["reason"]["code"]) == ("reverting", "asked")
    korean = (await http.get(f"/v1/rollouts/{made['id']}", headers={"Accept-Language": "ko"})).json()
    assert any("가" <= letter <= "힣" for letter in korean["reason"]["text"])
    for verb in ("promote", "pause", "resume", "revert"):
        problem(await http.post(f"/v1/rollouts/{made['id']}/{verb}"), 409, "conflict")


async def test_a_rollout_can_be_followed_and_the_stream_taken_up_again(http, plan):
    made = await started(http)
    await http.post(f"/v1/rollouts/{made['id']}/promote")
    path, accept = f"/v1/rollouts/{made['id']}/events", {"Accept": "text/event-stream"}
    answer = await http.get(path, headers=accept)
    parts = [part.splitlines() for part in answer.text.split("\n\n") if part.startswith("id: ")]
    assert [part[1] for part in parts] == ["event: event", "event: event", "event: end"]
    assert json.loads(parts[-1][2].removeprefix("data: "))["state"] == "promoted"
    first, last = parts[0][0].removeprefix("id: "), parts[-1][0].removeprefix("id: ")
    behind = await http.get(path, headers={**accept, "Last-Event-ID": first})
    assert behind.text.count("id: ") == 2
    assert (await http.get(path, headers={**accept, "Last-Event-ID": last})).status_code == 204
    assert problem(await http.get(path, headers={**accept, "Last-Event-ID": "x"}), 422, "invalid") == {
        "Last-Event-ID": "wrong_format",
    }  # fmt: skip


async def test_performance_is_told(http, plan):
    await plan.work("a", "1.0.0", ok=3, failed=1, latency_ms=100)
    await plan.tick(after_s=1)
    (found,) = (await http.get(f"/v1/agents/performance?class={CLASS}")).json()["items"]
    assert (found["class"], found["version"], found["tasks_ok"], found["success_rate"]) == (CLASS, "1.0.0", 3, 0.75)
    assert found["latency_p95_ms"] == pytest.approx(100, rel=0.05)
    (found,) = (await http.get("/v1/agents/performance?agent_id=a&by=minute")).json()["items"]
    assert found["minute"] == "2026-03-02T12:00:00Z"
    later = {"from": "2026-03-02T12:01:00Z"}
    assert (await http.get("/v1/agents/performance", params=later)).json() == {"items": []}
    assert problem(await http.get("/v1/agents/performance?by=hour"), 422, "invalid") == {"by": "not_one_of"}


async def test_other_tenants_see_nothing_of_it(http, web, plan):
    made = await started(http)
    async with web.client(**{"Dure-Tenant": "other"}) as other:
        assert (await other.get("/v1/rollouts")).json()["items"] == []
        problem(await other.get(f"/v1/rollouts/{made['id']}"), 404, "not_found")
        problem(await other.post(f"/v1/rollouts/{made['id']}/revert"), 404, "not_found")
        problem(await other.get(f"/v1/releases/{CLASS}/1.0.0"), 404, "not_found")
        assert (await other.get("/v1/agents/performance")).json()["items"] == []
    for path in (MISSING, "nonsense"):
        problem(await http.get(f"/v1/rollouts/{path}"), 404, "not_found")


async def test_the_same_request_begins_one_rollout(http, plan):
    await http.post("/v1/releases", json=NEXT)
    body = {"class": CLASS, "to_version": "1.1.0"}
    one, other = [await http.post("/v1/rollouts", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert (other.status_code, other.json(), other.headers["idempotency-replayed"]) == (201, one.json(), "true")
