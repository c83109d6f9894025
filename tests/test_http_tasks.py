"""Tasks at the HTTP face: asked for, previewed, explained, cancelled, tried again."""

import pytest

from agenting import Faces, asked, registered, said, state_of, taken
from dure.queue.keys import Keys
from queueing import TENANT
from registering import silent, sweep
from web import problem

MISSING = "00000000-0000-7000-8000-000000000000"
SEARCH = {"capabilities": ["search"]}


@pytest.fixture
def faces(database):
    return Faces(database)


async def count(faces):
    return (await faces.sql("select count(*) from dure.task"))[0][0]


async def test_one_or_many_all_or_none(faces):
    async with faces.http() as http:
        made = await http.post("/v1/tasks", json={**SEARCH, "title": "tides", "params": {"q": 1}, "tags": ["sea"]})
        assert made.status_code == 201
        one = made.json()
        assert made.headers["location"] == f"/v1/tasks/{one['id']}"
        assert (one["created"], one["state"], one["strategy"], one["needs"]["capabilities"]) == (
            True, "pending", "first_come", ["search"],
        )  # fmt: skip
        many = await http.post("/v1/tasks", json={"tasks": [{**SEARCH, "params": {"n": n}} for n in range(3)]})
        assert [item["params"]["n"] for item in many.json()["items"]] == [0, 1, 2]
        assert await count(faces) == 4
        bad = {"tasks": [SEARCH, {"agent": "nobody"}]}
        problem(await http.post("/v1/tasks", json=bad), 404, "not_found")
        mixed = await http.post("/v1/tasks", json={"tasks": [SEARCH], "class": "research"})
        assert problem(mixed, 422, "invalid") == {"class": "beside_many"}
        assert problem(await http.post("/v1/tasks", json={"tasks": []}), 422, "invalid") == {"tasks": "out_of_range"}
        too_many = await http.post("/v1/tasks", json={"tasks": [{}] * 1001})
        assert problem(too_many, 422, "invalid") == {"tasks": "out_of_range"}
        assert await count(faces) == 4


async def test_what_is_wrong_names_its_field(faces):
    async with faces.http() as http:
        await registered(http)
        for body, fields in (
            ({"strategy": "guess"}, {"strategy": "not_one_of"}),
            ({"strategy": "direct"}, {"agent": "missing"}),
            ({"agent": "research-1", "strategy": "sticky"}, {"strategy": "not_one_of"}),
            ({"strategy": "sticky"}, {"sticky_key": "missing"}),
            ({"title": "x" * 501}, {"title": "out_of_range"}),
            ({"params": []}, {"params": "wrong_type"}),
            ({"priority": 5000}, {"priority": "out_of_range"}),
            ({"depends_on": ["x"]}, {"depends_on": "wrong_type"}),
            ({"nonsense": 1}, {"nonsense": "unknown_field"}),
            ({"tenant_id": "a/b"}, {"tenant_id": "wrong_format"}),
        ):
            for path in ("/v1/tasks", "/v1/tasks/preview"):
                if path.endswith("w") and fields.keys() & {"title", "priority", "depends_on"}:
                    continue
                assert problem(await http.post(path, json=body), 422, "invalid") == fields, (path, body)
        assert problem(await http.post("/v1/tasks", json={"handler": "no.such"}), 422, "unknown_handler")
    assert await count(faces) == 0


async def test_an_idempotency_key_and_a_unique_key(faces):
    async with faces.http() as http:
        body, key = {**SEARCH, "params": {"n": 1}}, {"Idempotency-Key": "4711"}
        first = await http.post("/v1/tasks", json=body, headers=key)
        again = await http.post("/v1/tasks", json=body, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
        problem(await http.post("/v1/tasks", json=SEARCH, headers=key), 422, "idempotency_mismatch")
        unique = {**SEARCH, "unique_key": "day-1"}
        made = await http.post("/v1/tasks", json=unique)
        repeat = await http.post("/v1/tasks", json=unique)
        assert (made.status_code, repeat.status_code, repeat.json()["created"]) == (201, 200, False)
        assert repeat.json()["id"] == made.json()["id"]
        assert await count(faces) == 2


async def test_a_preview_chooses_and_changes_nothing(faces):
    async with faces.http() as http:
        nobody = (await http.post("/v1/tasks/preview", json={**SEARCH, "strategy": "least_loaded"})).json()
        assert (nobody["chosen"], nobody["reason"]["code"], nobody["candidates"]) == (None, "no_candidate", [])
        await registered(http, agent_id="busy", capacity=1)
        idle = await registered(http, agent_id="idle", capacity=1)
        await asked(http, agent="busy")
        wish = {**SEARCH, "strategy": "least_loaded"}
        choice = (await http.post("/v1/tasks/preview", json=wish)).json()
        assert (choice["chosen"], choice["reason"]["text"]) == ("idle", "idle has the most room.")
        assert [(one["agent_id"], one["score"]) for one in choice["candidates"]] == [("idle", 0.0), ("busy", 1.0)]
        assert await count(faces) == 1
        turns = [
            (await http.post("/v1/tasks/preview", json={"strategy": "round_robin"})).json()["chosen"] for _ in "ab"
        ]
        assert turns == ["busy", "busy"]
        korean = await http.post("/v1/tasks/preview", json=wish, headers={"Accept-Language": "ko"})
        assert korean.json()["reason"]["text"] == "idle에 여유가 가장 많습니다."
        assert await taken(http, idle) == []


async def test_why_tells_every_choice_and_what_it_waits_for(faces, database):
    async with faces.http() as http:
        session = await registered(http)
        task_id = await asked(http, **SEARCH, strategy="least_loaded")
        await http.post("/v1/agents", json={"agent_id": "slow", "class": "research", "version": "1.0.0"})
        await silent(database, "research-1")
        await sweep(database)
        known = (await http.get(f"/v1/tasks/{task_id}/why")).json()
        assert [choice["reason"]["code"] for choice in known["choices"]] == ["least_loaded", "agent_died"]
        assert known["choices"][0]["candidates"][0]["agent_id"] == "research-1"
        assert known["waits_for"] == {
            "code": "no_agent_can", "params": {}, "text": "No agent that is there can do what it needs.",
        }  # fmt: skip
        korean = await http.get(f"/v1/tasks/{task_id}/why", headers={"Accept-Language": "ko"})
        assert (
            korean.json()["choices"][1]["reason"]["text"]
            == "research-1이(가) 죽었습니다. 할 수 있는 에이전트가 맡습니다."
        )
        back = await registered(http)
        assert back["epoch"] > session["epoch"]
        (task,) = await taken(http, back)
        assert (await http.get(f"/v1/tasks/{task_id}/why")).json()["waits_for"] is None
        later = await asked(http, **SEARCH, depends_on=[task["task_id"]])
        waits = (await http.get(f"/v1/tasks/{later}/why")).json()["waits_for"]
        assert (waits["code"], waits["params"]["tasks"]) == ("waits_for_tasks", [task_id])
        named = await asked(http, agent="slow")
        await silent(database, "slow")
        await sweep(database)
        waits = (await http.get(f"/v1/tasks/{named}/why")).json()["waits_for"]
        assert (waits["code"], waits["text"]) == ("agent_not_alive", "It waits for slow, which is dead.")


async def test_lists_are_pages_and_know_filters(faces):
    async with faces.http() as http:
        await registered(http)
        made = [await asked(http, **{"class": "research"}, title=str(n)) for n in range(3)]
        named = await asked(http, agent="research-1")
        below = await asked(http, **SEARCH, parent_id=made[0])
        first = (await http.get("/v1/tasks?limit=3")).json()
        rest = (await http.get("/v1/tasks", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        assert [one["id"] for one in first["items"] + rest["items"]] == [below, named, *made[::-1]]

        async def ids(**where):
            return [one["id"] for one in (await http.get("/v1/tasks", params=where)).json()["items"]]

        assert await ids(**{"class": "research"}) == made[::-1]
        assert await ids(agent="research-1") == [named]
        assert await ids(strategy="direct") == [named]
        assert await ids(root=made[0]) == [below, made[0]]
        assert await ids(parent=made[0]) == [below]
        assert await ids(state="completed") == []
        assert problem(await http.get("/v1/tasks?root=x"), 422, "invalid") == {"root": "wrong_format"}
        assert problem(await http.get("/v1/tasks?state=x"), 422, "invalid") == {"state": "not_one_of"}


async def test_cancel_passes_down_and_retry_begins_anew(faces):
    async with faces.http() as http:
        session = await registered(http, capacity=2)
        top = await asked(http, **SEARCH)
        (task,) = await taken(http, session)
        below = await asked(http, parent_id=top, **{"class": "index"})
        answer = await http.post(f"/v1/tasks/{top}/cancel", json={"reason": "enough"})
        assert (answer.status_code, answer.json()["state"]) == (202, "processing")
        assert await state_of(http, below) == "cancelled"
        assert (await said(http, session, "fail", task, cancelled=True)).status_code == 200
        assert await state_of(http, top) == "cancelled"
        again = await http.post(f"/v1/tasks/{top}/retry")
        assert (again.status_code, again.json()["state"]) == (202, "pending")
        problem(await http.post(f"/v1/tasks/{top}/retry"), 409, "conflict")
        for verb in ("cancel", "retry"):
            problem(await http.post(f"/v1/tasks/{MISSING}/{verb}"), 404, "not_found")
        problem(await http.get(f"/v1/tasks/{MISSING}"), 404, "not_found")
        problem(await http.get("/v1/tasks/nonsense/why"), 404, "not_found")


async def test_tenants_see_their_own(faces, database):
    keys = Keys(database)
    mine, _ = await keys.create(TENANT, "mine", "operator")
    other, _ = await keys.create("other", "theirs", "operator")
    async with faces.http(mine) as http:
        task_id = await asked(http, **SEARCH)
    async with faces.http(other) as http:
        problem(await http.get(f"/v1/tasks/{task_id}"), 404, "not_found")
        problem(await http.post(f"/v1/tasks/{task_id}/cancel"), 404, "not_found")
        assert (await http.get("/v1/tasks")).json()["items"] == []
        problem(await http.post("/v1/tasks", json={**SEARCH, "tenant_id": TENANT}), 403, "refused")
    async with faces.client() as http:
        problem(await http.post("/v1/tasks", json=SEARCH), 401, "unauthorized")
