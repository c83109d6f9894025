"""The client of agents: an agent in this process and a server with real sockets between."""

import asyncio
import threading

import pytest

from agenting import Faces, asked, registered, state_of
from dure import Final, Retryable
from dure.agent import Agent, Problem, Superseded
from dure.agents.releases import NewRelease, Releases
from dure.runtime.web import HttpServer, bind
from queueing import TENANT
from registering import silent, sweep
from waiting import until

LEASE_S = 1.0
"""The shortest there is: an agent renews three times in it."""


@pytest.fixture
def faces(database):
    return Faces(database)


def agent_at(url, agent_id="research-1", **options):
    given = {"class_": "research", "version": "1.9.0", "tenant": TENANT, "lease_s": LEASE_S, "grace_s": 5.0, **options}
    return Agent(url, id=agent_id, **given)


async def ended(http, task_id):
    """The task, once it is over."""
    async with asyncio.timeout(20):
        while True:
            task = (await http.get(f"/v1/tasks/{task_id}")).json()
            if task["state"] not in ("pending", "processing"):
                return task
            await asyncio.sleep(0.02)


async def reached(http, task_id, wanted):
    async with asyncio.timeout(20):
        while await state_of(http, task_id) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_handlers_on_the_loop_and_in_threads(faces):
    async with faces.serving() as (url, http):
        agent = agent_at(url, capacity=4)

        @agent.task("search")
        async def search(params, task):
            task.progress(1, 2, "half")
            task.log(f"looking for {params['q']}")
            return {"found": params["q"], "attempt": task.attempt}

        @agent.task("count")
        def count(params):
            return {"thread": threading.current_thread() is not threading.main_thread(), **params}

        @agent.task()
        async def anything():
            return {"any": True}

        async with agent:
            assert agent.epoch is not None
            assert (await http.get("/v1/agents/research-1")).json()["capabilities"] == ["count", "search"]
            wishes = (
                {"capabilities": ["search"], "params": {"q": "tide"}},
                {"capabilities": ["count"]},
                {"agent": "research-1"},
            )
            ids = [await asked(http, **wish) for wish in wishes]
            results = [(await ended(http, task_id))["result"] for task_id in ids]
            assert results == [{"found": "tide", "attempt": 1}, {"thread": True}, {"any": True}]
            job = (await http.get(f"/v1/jobs/{ids[0]}")).json()
            assert job["progress"]["note"] == "half"
            lines = (await http.get(f"/v1/jobs/{ids[0]}/logs")).json()["items"]
            assert [line["message"] for line in lines] == ["looking for tide"]
        assert (await http.get("/v1/agents/research-1")).json()["epoch"] is None


async def test_as_many_at_once_as_it_has_room_for(faces):
    async with faces.serving() as (url, http):
        running, most, gate = [], [], asyncio.Event()

        async def work(params):
            running.append(params["n"])
            most.append(len(running))
            await gate.wait()
            running.remove(params["n"])

        async with agent_at(url, handler=work, capacity=3):
            ids = [await asked(http, params={"n": n}, **{"class": "research"}) for n in range(7)]
            await until(lambda: len(running) == 3)
            gate.set()
            for task_id in ids:
                assert (await ended(http, task_id))["state"] == "completed"
            assert max(most) == 3


async def test_how_a_task_fails(faces):
    async with faces.serving() as (url, http):
        agent = agent_at(url, capacity=5)

        @agent.task("later")
        async def later(params, task):
            if task.attempt == 1:
                raise Retryable("busy", after_s=0)
            return {"attempt": task.attempt}

        @agent.task("never")
        async def never():
            raise Final("no such page")

        @agent.task("text")
        async def text():
            return "error: swallowed"

        @agent.task("large")
        async def large():
            return {"x": "x" * 400_000}

        @agent.task("slow")
        async def slow():
            await asyncio.Event().wait()

        async with agent:
            ids = {name: await asked(http, capabilities=[name]) for name in ("later", "never", "text", "large")}
            ids["slow"] = await asked(http, capabilities=["slow"], timeout_s=0.2, max_retries=0)
            ids["none"] = await asked(http, agent="research-1")
            assert (await ended(http, ids["later"]))["result"] == {"attempt": 2}
            found = {name: await ended(http, ids[name]) for name in ("never", "text", "large", "slow", "none")}
        assert {name: (task["state"], task["error_class"]) for name, task in found.items()} == {
            "never": ("failed", "Final"),
            "text": ("failed", "ReturnedError"),
            "large": ("failed", "too_large"),
            "slow": ("failed", "TimeoutError"),
            "none": ("failed", "Final"),
        }


async def test_cancelling_reaches_the_handler(faces):
    async with faces.serving() as (url, http):
        seen, begun = [], threading.Semaphore(0)
        agent = agent_at(url, capacity=2)

        @agent.task("loop")
        async def loop(params, task):
            begun.release()
            try:
                await asyncio.Event().wait()
            finally:
                seen.append(task.cancel_reason)

        @agent.task("thread")
        def thread(params, task):
            begun.release()
            while True:
                task.check_cancelled()
                threading.Event().wait(0.01)

        async with agent:
            ids = [await asked(http, capabilities=[name]) for name in ("loop", "thread")]
            for task_id in ids:
                await reached(http, task_id, "processing")
                await asyncio.to_thread(begun.acquire)
                await http.post(f"/v1/tasks/{task_id}/cancel", json={"reason": "enough"})
            states = [await ended(http, task_id) for task_id in ids]
        assert [(task["state"], task["error"]) for task in states] == [("cancelled", "enough")] * 2
        assert seen == ["enough"]


async def test_after_a_lost_lease_it_lets_go_and_registers_anew(faces, database):
    async with faces.serving() as (url, http):
        attempts, stopped = [], []

        async def work(params, task):
            attempts.append(task.attempt)
            if task.attempt == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    stopped.append(task.cause)
            return {"attempt": task.attempt}

        async with agent_at(url, handler=work) as agent:
            task_id = await asked(http, **{"class": "research"})
            await until(lambda: attempts == [1])
            first = agent.epoch
            await silent(database, "research-1", 5)
            await sweep(database)
            assert (await ended(http, task_id))["result"] == {"attempt": 2}
            assert agent.epoch > first
        assert stopped == ["lost"]
        assert await faces.sql("select 1 from dure.event where verb = 'refused'") == []


async def test_of_two_programs_with_one_id_the_first_ends(faces):
    async with faces.serving() as (url, http):
        first, second = agent_at(url), agent_at(url)
        await first.start()
        async with second:
            with pytest.raises(Superseded):
                await first.wait()
            task_id = await asked(http, agent="research-1")
            assert (await ended(http, task_id))["state"] == "failed"
            assert (await http.get("/v1/agents/research-1")).json()["epoch"] == second.epoch


async def test_a_server_that_is_away_is_waited_for(faces):
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    gate, done = asyncio.Event(), []

    async def work(params):
        await gate.wait()
        done.append(params["n"])
        return {"n": params["n"]}

    agent = agent_at(f"http://127.0.0.1:{port}", handler=work)
    starting = asyncio.create_task(agent.start())
    server = await served(faces, port)
    await starting
    async with faces.http() as http:
        task_id = await asked(http, params={"n": 1}, **{"class": "research"})
        await until(lambda: agent.tasks)
        await server.stop()
        gate.set()
        await until(lambda: done)
        server = await served(faces, port)
        assert (await ended(http, task_id))["result"] == {"n": 1}
        await agent.stop()
        await server.stop()
        assert (await http.get("/v1/agents/research-1")).json()["epoch"] is None


async def served(faces, port):
    faces.services.stopping.clear()
    server = HttpServer(faces.app, bind("127.0.0.1", port), stopping=faces.services.stopping)
    await server.start()
    return server


async def test_it_stops_gracefully(faces):
    async with faces.serving() as (url, http):
        gate, begun = asyncio.Event(), []

        async def work(params):
            begun.append(params["n"])
            await (gate.wait() if params["n"] == 0 else asyncio.Event().wait())

        agent = agent_at(url, handler=work, capacity=2, grace_s=0.5)
        await agent.start()
        ids = [await asked(http, params={"n": n}, **{"class": "research"}) for n in range(2)]
        await until(lambda: len(begun) == 2)
        stopping = asyncio.create_task(agent.stop())
        third = await asked(http, params={"n": 2}, **{"class": "research"})
        gate.set()
        await stopping
        # One ended in time, one went back into line as if it had not been taken, one was never taken.
        states = [(await http.get(f"/v1/tasks/{task_id}")).json() for task_id in [*ids, third]]
        assert [task["state"] for task in states] == ["completed", "pending", "pending"]
        assert states[1]["crash_count"] == 0
        assert begun == [0, 1]


async def test_it_hands_on_and_publishes(faces):
    async with faces.serving() as (url, http):
        planner, searcher = agent_at(url, "planner-1"), agent_at(url)

        @searcher.task("search")
        async def search():
            return {}

        @planner.task("plan")
        def plan(params, task):
            made = task.wait(planner.submit({"q": 1}, capabilities=["search"], title="below"))
            task.wait(planner.publish("agents.research", {"planned": made["id"]}))
            return {"made": made["id"]}

        async with planner, searcher:
            top = await asked(http, capabilities=["plan"])
            made = (await ended(http, top))["result"]["made"]
            below = await ended(http, made)
            outside = await planner.submit({}, class_="index")
            # It asks for nothing but this agent, which has one handler only.
            named = await planner.submit({}, agent="research-1")
            assert (await ended(http, named["id"]))["state"] == "completed"
        assert (below["parent_id"], below["from_agent"], below["depth"], below["root_id"]) == (top, "planner-1", 1, top)
        assert (below["title"], below["agent_id"], below["state"]) == ("below", "research-1", "completed")
        assert (outside["parent_id"], outside["from_agent"]) == (None, "planner-1")
        messages = (await http.get("/v1/channels/agents.research/messages")).json()["items"]
        (message,) = [one for one in messages if "planned" in one["body"]]
        assert (message["from_agent"], message["task_id"], message["body"]) == ("planner-1", top, {"planned": made})


async def test_an_upgrade_is_told(faces):
    async with faces.serving() as (url, _http):
        told = []
        async with agent_at(url, on_upgrade=told.append) as agent:
            await faces.sql("update dure.agent set target_version = '2.0.0'")
            await until(lambda: told)
            assert (told, agent.upgrade_to) == (["2.0.0"], "2.0.0")
        ends = agent_at(url, "research-2")
        await ends.start()
        await faces.sql("update dure.agent set target_version = '2.0.0'")
        async with asyncio.timeout(10):
            await ends.wait()
        assert ends.upgrade_to == "2.0.0"


async def test_a_version_that_is_not_admitted_ends_it_at_once(faces, database):
    await Releases(database).create(TENANT, NewRelease(class_="scribe", version="2.0.0"), actor="kim")
    async with faces.serving() as (url, _http):
        agent = agent_at(url, class_="scribe", version="1.0.0")
        with pytest.raises(Problem, match=r"upgrade to 2\.0\.0"):
            await agent.start()
        assert agent.upgrade_to == "2.0.0"


async def test_a_key_that_holds_no_more_ends_it(faces):
    secret, key = await faces.services.keys.create(TENANT, "workers", "agent")
    async with faces.serving(secret) as (url, _http):
        agent = agent_at(url, key=secret, tenant=None)
        await agent.start()
        await faces.services.keys.revoke(key.id)
        with pytest.raises(Problem) as ended_by:
            await agent.wait()
        assert (ended_by.value.status, ended_by.value.code) == (401, "unauthorized")


async def test_an_id_that_is_taken_ends_it_at_once(faces):
    mine, _ = await faces.services.keys.create(TENANT, "mine", "agent")
    theirs, _ = await faces.services.keys.create(TENANT, "theirs", "agent")
    async with faces.serving(mine) as (url, http):
        await registered(http)
        with pytest.raises(Problem, match="another key"):
            await agent_at(url, key=theirs, tenant=None).start()
