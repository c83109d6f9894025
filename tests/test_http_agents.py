"""Agents at the HTTP face: whose id it is, what a session hears, and the bad days of the way between."""

import asyncio
import time

import httpx
import pytest
import structlog

from agenting import ONE, Faces, asked, registered, said, state_of, taken
from dure.agents.releases import NewRelease, Releases
from queueing import TENANT
from registering import silent, sweep
from waiting import until
from web import problem

WAKE_S_MAX = 1.0
"""Far above what it takes, and far below how often one that waits looks by itself."""


@pytest.fixture
def faces(database):
    return Faces(database)


async def test_an_agent_registers_renews_works_and_leaves(faces):
    async with faces.http() as http:
        session = await registered(http, capacity=2, labels={"team": "tide"}, location="seoul")
        assert (session["lease_s"], session["state"], session["upgrade_to"]) == (10.0, "alive", None)
        assert session["renew_every_s"] == pytest.approx(10 / 3)
        task_id = await asked(http, capabilities=["search"], params={"q": "tide"}, title="tides")
        (task,) = await taken(http, session, most=5)
        assert (task["task_id"], task["params"], task["title"], task["capabilities"], task["attempt"]) == (
            task_id, {"q": "tide"}, "tides", ["search"], 1,
        )  # fmt: skip
        told = await said(http, session, "progress", task, done=1, total=2, note="half", logs=[{"message": "looking"}])
        assert told.json() == {"task_id": task_id, "recorded": True}
        job = (await http.get(f"/v1/jobs/{task_id}")).json()
        assert (job["progress"]["done"], job["progress"]["note"]) == (1, "half")
        assert [line["message"] for line in (await http.get(f"/v1/jobs/{task_id}/logs")).json()["items"]] == ["looking"]
        renewal = (await said(http, session, "renew", load={"cpu": 0.5})).json()
        assert (renewal["cancel"], renewal["draining"], renewal["hold"]) == ([], False, None)
        shown = (await http.get("/v1/agents/research-1")).json()
        assert (shown["class"], shown["load"], shown["in_hand"], shown["capacity"]) == ("research", {"cpu": 0.5}, 1, 2)
        assert (await said(http, session, "complete", task, result={"found": 3})).status_code == 200
        done = (await http.get(f"/v1/tasks/{task_id}")).json()
        assert (done["state"], done["result"], done["agent_id"]) == ("completed", {"found": 3}, "research-1")
        assert (await said(http, session, "deregister")).json() == {"agent_id": "research-1", "ended": True}
        problem(await said(http, session, "renew"), 409, "lease_lost")
        assert (await http.get("/v1/agents/research-1")).json()["epoch"] is None
    # It went in order: that is no lease lost, by which its release would be judged.
    assert await faces.sql("select 1 from dure.agent_sample where kind = 'lease_lost'") == []


async def test_a_task_that_fails_is_tried_again_or_not_and_one_released_was_never_taken(faces):
    async with faces.http() as http:
        session = await registered(http)
        task_id = await asked(http, capabilities=["search"], max_retries=1)
        (task,) = await taken(http, session)
        assert (await said(http, session, "release", task)).status_code == 200
        (task,) = await taken(http, session)
        again = await said(http, session, "fail", task, error_class="Timeout", message="slow", retry_after_s=0)
        assert again.status_code == 200
        shown = (await http.get(f"/v1/tasks/{task_id}")).json()
        assert (shown["state"], shown["retry_count"], shown["error"]) == ("pending", 1, "slow")
        (task,) = await taken(http, session)
        await said(http, session, "fail", task, error_class="Wrong", message="no such page", retry=False)
        shown = (await http.get(f"/v1/tasks/{task_id}")).json()
        assert (shown["state"], shown["error_class"], shown["error"]) == ("failed", "Wrong", "no such page")


async def test_without_a_key_once_there_is_one_nothing_is_registered(faces):
    await faces.key("admin")
    async with faces.http() as http:
        problem(await http.post("/v1/agents", json=ONE), 401, "unauthorized")
    assert await faces.sql("select 1 from dure.agent") == []


async def test_a_viewer_sees_agents_and_acts_for_none(faces):
    async with faces.http(await faces.key("agent", TENANT)) as http:
        session = await registered(http)
    async with faces.http(await faces.key("viewer", TENANT)) as http:
        assert (await http.get("/v1/agents")).json()["items"][0]["agent_id"] == "research-1"
        for verb in ("renew", "claim", "deregister"):
            problem(await said(http, session, verb), 403, "refused")
        problem(await http.post("/v1/agents", json=ONE), 403, "refused")


async def test_an_id_belongs_to_the_key_that_registered_it(faces):
    mine, _ = await faces.services.keys.create(TENANT, "mine", "agent")
    theirs, _ = await faces.services.keys.create(TENANT, "theirs", "agent")
    async with faces.http(mine) as http, faces.http(theirs) as other:
        session = await registered(http)
        assert problem(await other.post("/v1/agents", json=ONE), 409, "conflict") == {"agent_id": "agent_taken"}
        await asked(http, capabilities=["search"])
        (task,) = await taken(http, session)
        for verb, of in (("renew", None), ("claim", None), ("complete", task), ("fail", task), ("release", task),
                         ("progress", task), ("deregister", None)):  # fmt: skip
            problem(await said(other, session, verb, of), 403, "refused")
        # Nor may it speak in that agent's name.
        problem(await other.post("/v1/tasks", json={"from_agent": "research-1"}), 403, "refused")
        assert (await http.post("/v1/tasks", json={"from_agent": "research-1"})).status_code == 201
        assert (await said(http, session, "complete", task)).status_code == 200
        problem(await http.post("/v1/agents/research-1/drain"), 403, "refused")


async def test_another_tenants_agent_is_not_there(faces):
    async with faces.http(await faces.key("agent", TENANT)) as http:
        session = await registered(http)
    async with faces.http(await faces.key("operator", "other")) as http:
        problem(await http.get("/v1/agents/research-1"), 404, "not_found")
        problem(await said(http, session, "renew"), 409, "lease_lost")
        problem(await said(http, session, "claim"), 409, "lease_lost")
        problem(await http.post("/v1/agents/research-1/retire"), 404, "not_found")
        assert (await http.get("/v1/agents")).json()["items"] == []


async def test_a_version_that_is_not_admitted_is_told_what_to_become(faces, database):
    wanted = NewRelease(class_="scribe", version="2.0.0", compatible=">=1.9.5,<3")
    await Releases(database).create(TENANT, wanted, actor="kim")
    scribe = {**ONE, "class": "scribe"}
    async with faces.http() as http:
        refused = await http.post("/v1/agents", json=scribe)
        assert problem(refused, 409, "conflict") == {"version": "agent_incompatible"}
        assert refused.json()["upgrade_to"] == "2.0.0"
        assert "2.0.0" in refused.json()["detail"]
        assert (await http.post("/v1/agents", json={**scribe, "version": "1.9.5"})).status_code == 201
        assert (await http.post("/v1/agents", json={**scribe, "version": "2.0.0"})).json()["upgrade_to"] is None


async def test_a_registration_that_is_too_large(faces):
    async with faces.http() as http:
        large = {**ONE, "labels": {"x": "x" * 70_000}}
        assert problem(await http.post("/v1/agents", json=large), 413, "too_large") == {"body": "too_large"}

        async def chunks():
            for _ in range(20):
                yield b" " * 10_000

        problem(
            await http.post("/v1/agents", content=chunks(), headers={"Content-Type": "application/json"}),
            413,
            "too_large",
        )
    assert await faces.sql("select 1 from dure.agent") == []


async def test_what_is_wrong_names_its_field(faces):
    async with faces.http() as http:
        for changes, fields in (
            ({"agent_id": "no spaces"}, {"agent_id": "wrong_format"}),
            ({"class": "Research"}, {"class": "wrong_format"}),
            ({"version": "latest"}, {"version": "wrong_format"}),
            ({"capabilities": ["No"]}, {"capabilities": "wrong_format"}),
            ({"kind": "boss"}, {"kind": "not_one_of"}),
            ({"lease_s": 0.2}, {"lease_s": "out_of_range"}),
            ({"capacity": "2"}, {"capacity": "wrong_type"}),
            ({"nonsense": 1}, {"nonsense": "unknown_field"}),
        ):
            assert problem(await http.post("/v1/agents", json={**ONE, **changes}), 422, "invalid") == fields
        problem(await http.post("/v1/agents", json={**ONE, "parent_id": "nobody"}), 404, "not_found")
    assert await faces.sql("select 1 from dure.agent") == []


async def test_what_is_asked_without_a_measure(faces):
    async with faces.http() as http:
        session = await registered(http)
        for body, field in (({"wait_s": 61}, "wait_s"), ({"most": 0}, "most"), ({"most": 101}, "most")):
            assert field in problem(await said(http, session, "claim", **body), 422, "invalid")
        problem(await http.post("/v1/agents/research-1/claim", json={}), 422, "invalid")
        assert problem(await said(http, {**session, "epoch": -1}, "renew"), 422, "invalid") == {"epoch": "too_small"}


async def test_an_id_is_one_part_of_the_address(faces):
    async with faces.http() as http:
        for agent_id in ("team/search-1", "a/b/c", "urn:agent:7", "kim@host", "x.y_z-1", "a/tree", "a/claim"):
            session = await registered(http, agent_id=agent_id)
            at = agent_id.replace("/", "%2f")
            assert (await http.get(f"/v1/agents/{at}")).json()["agent_id"] == agent_id
            (branch,) = (await http.get(f"/v1/agents/{at}/tree")).json()["items"]
            assert branch["agent"]["agent_id"] == agent_id
            assert (await said(http, session, "renew")).status_code == 200
            wrong = await http.put(f"/v1/agents/{at}/claim")
            problem(wrong, 405, "method_not_allowed")
            assert wrong.headers["allow"] == "POST"
        problem(await http.get("/v1/agents/a/b/c"), 404, "route_not_found")


async def test_lists_are_pages_and_know_filters(faces):
    async with faces.http() as http:
        for number in range(5):
            kind = "parent" if number == 0 else "child"
            await registered(http, agent_id=f"r{number}", kind=kind, capabilities=["search", f"c{number}"])
        await registered(http, agent_id="x", **{"class": "index"})
        first = (await http.get("/v1/agents?limit=4")).json()
        rest = (await http.get("/v1/agents", params={"limit": 4, "cursor": first["next_cursor"]})).json()
        assert [one["agent_id"] for one in first["items"] + rest["items"]] == ["r0", "r1", "r2", "r3", "r4", "x"]
        assert rest["next_cursor"] is None

        async def ids(**where):
            return [one["agent_id"] for one in (await http.get("/v1/agents", params=where)).json()["items"]]

        assert await ids(**{"class": "index"}) == ["x"]
        assert await ids(kind="parent") == ["r0"]
        assert await ids(capability="c3") == ["r3"]
        await http.post("/v1/agents/r1/drain")
        assert await ids(state="draining") == ["r1"]
        await http.post("/v1/agents/r2/retire")
        assert "r2" not in await ids()
        assert await ids(state="retired") == ["r2"]
        assert "r2" in await ids(gone=True)
        assert problem(await http.get("/v1/agents?state=asleep"), 422, "invalid") == {"state": "not_one_of"}
        problem(await http.get("/v1/agents?cursor=x"), 422, "invalid")


async def test_the_tree_and_its_limits(faces):
    async with faces.http() as http:
        await registered(http, agent_id="boss", kind="parent")
        await registered(http, agent_id="left", parent_id="boss")
        await registered(http, agent_id="leaf")
        linked = await http.put(
            "/v1/agents/leaf/parent", json={"parent_id": "left", "protocol": "a2a", "settings": {"v": 1}}
        )
        assert linked.json()["link"] | {"connected_at": None} == {
            "parent_id": "left", "protocol": "a2a", "settings": {"v": 1}, "state": "connected",
            "connected_at": None, "disconnected_at": None, "orphaned_at": None,
        }  # fmt: skip
        (root,) = (await http.get("/v1/agents/tree")).json()["items"]
        assert root["agent"]["agent_id"] == "boss"
        assert root["children"][0]["children"][0]["agent"]["trees"] == ["leaf", "left", "boss"]
        assert [one["agent_id"] for one in (await http.get("/v1/agents?tree=left")).json()["items"]] == ["leaf", "left"]
        cycle = await http.put("/v1/agents/boss/parent", json={"parent_id": "leaf"})
        assert problem(cycle, 409, "conflict") == {"parent_id": "hierarchy_cycle"}
        problem(await http.put("/v1/agents/boss/parent", json={"parent_id": "nobody"}), 404, "not_found")
        assert (await http.post("/v1/agents/boss/drain")).json() == {"items": ["boss", "leaf", "left"]}
        assert (await http.post("/v1/agents/boss/resume")).json() == {"items": ["boss"]}
        assert (await http.post("/v1/agents/left/resume", json={"cascade": True})).json() == {"items": ["leaf", "left"]}
        assert (await http.post("/v1/agents/boss/drain", json={"cascade": False})).json() == {"items": ["boss"]}


async def test_a_drained_agent_ends_what_it_has_and_is_given_nothing(faces):
    async with faces.http() as http:
        session = await registered(http, capacity=2)
        await asked(http, capabilities=["search"])
        (task,) = await taken(http, session)
        await http.post("/v1/agents/research-1/drain")
        await asked(http, capabilities=["search"])
        assert await taken(http, session) == []
        assert (await said(http, session, "renew")).json()["draining"] is True
        assert (await said(http, session, "complete", task)).status_code == 200
        await http.post("/v1/agents/research-1/resume")
        assert len(await taken(http, session)) == 1


async def test_five_leases_of_silence_and_back(faces, database):
    async with faces.http() as http:
        session = await registered(http)
        task_id = await asked(http, capabilities=["search"])
        (task,) = await taken(http, session)
        await silent(database, "research-1", 5)
        await sweep(database)
        assert await state_of(http, task_id) == "pending"
        for verb, of in (("renew", None), ("claim", None), ("complete", task), ("progress", task | {"done": 1})):
            problem(await said(http, session, verb, of), 409, "lease_lost")
        refusals = await faces.sql(
            "select actor, detail ->> 'outcome' from dure.event where verb = 'refused' and subject = %s",
            f"task {task_id}",
        )
        assert refusals == [("agent:research-1", "completed")]
        back = await registered(http)
        assert back["epoch"] > session["epoch"]
        (again,) = await taken(http, back)
        assert (again["task_id"], again["attempt"]) == (task_id, 2)
        # The ghost knows the task's id, and still is not the one who has it.
        problem(await said(http, session, "complete", task), 409, "lease_lost")
        assert (await said(http, back, "complete", again, result={"by": "the second"})).status_code == 200
        assert (await http.get(f"/v1/tasks/{task_id}")).json()["result"] == {"by": "the second"}


async def test_a_cancelled_task_is_heard_of_at_the_next_renewal(faces):
    async with faces.http() as http:
        session = await registered(http)
        task_id = await asked(http, capabilities=["search"])
        (task,) = await taken(http, session)
        await http.post(f"/v1/tasks/{task_id}/cancel", json={"reason": "not needed"})
        renewal = (await said(http, session, "renew")).json()
        assert renewal["cancel"] == [{"task_id": task_id, "reason": "not needed"}]
        assert (await said(http, session, "fail", task, cancelled=True, message="stopped")).status_code == 200
        assert await state_of(http, task_id) == "cancelled"
        assert (await said(http, session, "renew")).json()["cancel"] == []


async def test_a_long_poll_is_woken_by_a_task(faces):
    async with faces.serving() as (_, http):
        session = await registered(http, agent_id="team/r1")
        waiting = asyncio.create_task(taken(http, session, wait_s=20))
        await until(lambda: waits(faces))
        began = time.monotonic()
        task_id = await asked(http, capabilities=["search"])
        (task,) = await waiting
        assert task["task_id"] == task_id
        assert time.monotonic() - began < WAKE_S_MAX
        assert (await said(http, session, "complete", task)).status_code == 200
        assert await taken(http, session, wait_s=0.05) == []


async def test_two_agents_wait_and_one_has_the_task(faces):
    async with faces.serving() as (_, http):
        sessions = [await registered(http, agent_id=f"r{number}") for number in range(2)]
        polls = [asyncio.create_task(taken(http, session, wait_s=30)) for session in sessions]
        await until(lambda: waits(faces, 2))
        task_id = await asked(http, capabilities=["search"])
        await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
        # The other waits on, until the server lets it go.
        await until(lambda: waits(faces, 1))
        faces.services.stopping.set()
        answers = await asyncio.gather(*polls)
        assert [task["task_id"] for items in answers for task in items] == [task_id]


async def test_a_client_that_is_killed_while_it_waits_takes_nothing(faces):
    async with faces.serving() as (url, http):
        session = await registered(http)
        async with httpx.AsyncClient(base_url=url, headers=dict(http.headers)) as doomed:
            poll = asyncio.create_task(taken(doomed, session, wait_s=30))
            await until(lambda: waits(faces))
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)
        await until(lambda: not waits(faces))
        task_id = await asked(http, capabilities=["search"])
        assert await state_of(http, task_id) == "pending"
        (task,) = await taken(http, session)
        assert task["attempt"] == 1


async def test_a_task_that_comes_in_the_middle_of_a_claim_is_told_whole(faces, database):
    async with faces.http() as http:
        session = await registered(http)
        # So that the claim renews the lease, and waits for whoever holds its row.
        await silent(database, "research-1", 0.7)
        async with database.system_tx() as holder:
            await holder.execute("select from dure.worker where worker_id = %s for update", [session["epoch"]])
            claim = asyncio.create_task(taken(http, session))
            await asyncio.wait_for(somebody_waits(database), 20)
            task_id = await asked(http, capabilities=["search"], title="just now")
        (task,) = await claim
        assert (task["task_id"], task["title"], task["capabilities"]) == (task_id, "just now", ["search"])


async def test_what_was_given_and_lost_on_its_way_is_given_again(faces):
    async with faces.http() as http:
        session = await registered(http, capacity=3)
        lost, known = [await asked(http, capabilities=["search"]) for _ in range(2)]
        one, two = await taken(http, session, most=2)
        assert await taken(http, session, most=2) == []
        assert await taken(http, session, most=2, holding=[two["claim_id"]]) == [one]
        assert (one["task_id"], two["task_id"]) == (lost, known)
        assert await taken(http, session, holding=[one["claim_id"], two["claim_id"]]) == []


async def test_a_server_that_stops_lets_go_of_those_that_wait(faces):
    async with faces.serving() as (_, http):
        session = await registered(http)
        poll = asyncio.create_task(taken(http, session, wait_s=30))
        await until(lambda: waits(faces))
        faces.services.stopping.set()
        assert await poll == []


async def test_a_client_that_leaves_in_the_middle_of_its_words_is_no_error(faces):
    async with faces.serving() as (url, _http):
        with structlog.testing.capture_logs() as lines:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            head = "POST /v1/agents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            writer.write(f'{head}Content-Length: 100\r\n\r\n{{"agent_id":'.encode())
            await writer.drain()
            writer.close()
            await until(lambda: any(line["event"] == "http.request" for line in lines))
        assert [line["event"] for line in lines] == ["http.client_gone", "http.request"]


async def somebody_waits(database):
    """Return when a statement in this database waits for a lock."""
    blocked = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with database.owner_tx() as tx:
        while True:
            await tx.execute("select pg_stat_clear_snapshot()")
            if await (await tx.execute(blocked)).fetchone() is not None:
                return
            await asyncio.sleep(0.01)


def waits(faces, count=1):
    """Whether so many claims wait in this process."""
    there = {waiter for line in faces.services.agents._waiting._there.values() for waiter in line}
    return len(there) >= count
