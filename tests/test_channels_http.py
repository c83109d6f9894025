"""Channels over HTTP and on the command line: pages, streams that come back, and who may."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from commands import STOP_TIMEOUT_S, Quick
from dure.agents.channels import Caller, Channels, tend
from dure.db.pool import Database
from engine import Engine
from test_http_events import Stream, serving
from waiting import until
from web import Web, problem

ADMIN = Caller("ops", "admin")
NEW = {"name": "builds.done", "publish": ["class:executor", "operator"], "subscribe": ["viewer", "agent:worker-7"]}
AT = "/v1/channels/builds.done"


@pytest.fixture
async def web(database: Database) -> Web:
    return Web(Engine(database), poll_s=30.0)


@pytest.fixture
async def http(web: Web) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(**{"Dure-Tenant": "acme"}) as client:
        assert (await client.post("/v1/channels", json=NEW)).status_code == 201
        yield client
    await web.services.stop()


async def agent_of(web: Web, agent_id: str, class_: str, key: object = None) -> None:
    async with web.services.database.system_tx() as tx:
        await tx.execute(
            "insert into dure.agent (tenant_id, agent_id, class, version, trees, lease_s, key_id)"
            " values ('acme', %s, %s, '1.0.0', array[%s], 10, %s)",
            [agent_id, class_, agent_id, key],
        )


async def test_a_channels_life(http: httpx.AsyncClient) -> None:
    problem(await http.post("/v1/channels", json=NEW), 409, "conflict")
    assert problem(await http.post("/v1/channels", json={"name": "Bad Name"}), 422, "invalid") == {
        "name": "wrong_format"
    }
    bad = await http.post("/v1/channels", json={"name": "x", "publish": ["*", "all"]})
    assert problem(bad, 422, "invalid") == {"publish[1]": "wrong_format"}
    shown = await http.get(AT)
    assert (shown.json()["publish"], shown.json()["messages"], shown.headers["etag"]) == (NEW["publish"], 0, '"1"')
    edited = await http.patch(AT, json={"keep_days": 3}, headers={"If-Match": '"1"'})
    assert (edited.json()["keep_days"], edited.json()["subscribe"], edited.headers["etag"]) == (
        3,
        NEW["subscribe"],
        '"2"',
    )
    problem(await http.patch(AT, json={"keep_days": 4}, headers={"If-Match": '"1"'}), 412, "precondition_failed")
    await http.post("/v1/channels", json={"name": "another"})
    page = (await http.get("/v1/channels?limit=1")).json()
    assert [item["name"] for item in page["items"]] == ["another"]
    rest = (await http.get("/v1/channels", params={"cursor": page["next_cursor"]})).json()
    assert ([item["name"] for item in rest["items"]], rest["next_cursor"]) == (["builds.done"], None)
    assert (await http.delete(AT)).status_code == 204
    problem(await http.get(AT), 404, "not_found")
    problem(await http.delete(AT), 404, "not_found")


async def test_messages_come_in_pages(http: httpx.AsyncClient) -> None:
    for n in range(5):
        made = await http.post(f"{AT}/messages", json={"body": {"n": n}, "kind": "build"})
        assert (made.status_code, made.json()) == (201, {"channel": "builds.done", "no": n + 1})
    page = (await http.get(f"{AT}/messages?limit=3")).json()
    assert ([item["no"] for item in page["items"]], page["next_cursor"]) == ([1, 2, 3], "3")
    assert page["items"][0]["from_agent"] == "loopback"
    rest = (await http.get(f"{AT}/messages", params={"after": page["next_cursor"]})).json()
    assert ([item["body"] for item in rest["items"]], rest["next_cursor"]) == ([{"n": 3}, {"n": 4}], None)
    assert problem(await http.get(f"{AT}/messages?after=6"), 422, "invalid") == {"after": "too_big"}
    large = await http.post(f"{AT}/messages", json={"body": {"t": "x" * 70_000}})
    assert problem(large, 422, "invalid") == {"body": "too_large"}
    problem(await http.post("/v1/channels/nowhere/messages", json={"body": {}}), 404, "not_found")


async def test_an_agents_key_speaks_for_its_agents_alone(web: Web, http: httpx.AsyncClient) -> None:
    secret, key = await web.services.keys.create("acme", "seven", "agent")
    await agent_of(web, "worker-7", "executor", key.id)
    await agent_of(web, "worker-8", "executor")
    body = {"body": {"n": 1}}
    async with web.client(secret) as agent:
        problem(await agent.post(f"{AT}/messages", json=body), 403, "refused")
        problem(await agent.get(f"{AT}/messages"), 403, "refused")
        problem(await agent.get(f"{AT}/stream"), 403, "refused")
        for other, status, code in (("worker-8", 403, "refused"), ("worker-9", 404, "not_found")):
            problem(await agent.post(f"{AT}/messages", json={**body, "from_agent": other}), status, code)
            problem(await agent.get(f"{AT}/messages?agent={other}"), status, code)
        assert (await agent.post(f"{AT}/messages", json={**body, "from_agent": "worker-7"})).status_code == 201
        (message,) = (await agent.get(f"{AT}/messages?agent=worker-7")).json()["items"]
        assert message["from_agent"] == "worker-7"
        for act in (agent.post("/v1/channels", json={"name": "mine"}), agent.patch(AT, json={}), agent.delete(AT)):
            problem(await act, 403, "refused")
    async with web.client(await web.key("operator", "acme")) as person:
        # An operator does not speak for an agent of another key, but for one that came without any.
        problem(await person.post(f"{AT}/messages", json={**body, "from_agent": "worker-7"}), 403, "refused")
        assert (await person.post(f"{AT}/messages", json=body)).status_code == 201
    async with web.client(await web.key("admin", "other")) as theirs:
        problem(await theirs.get(f"{AT}/messages"), 404, "not_found")
        problem(await theirs.get(f"{AT}/stream"), 404, "not_found")
        assert (await theirs.get("/v1/channels")).json()["items"] == []


async def test_a_stream_that_comes_back_misses_nothing(web: Web, http: httpx.AsyncClient) -> None:
    channels, headers = Channels(web.services.database), {"Dure-Tenant": "acme"}

    async def say(n: int) -> None:
        await channels.publish("acme", "builds.done", {"n": n}, caller=ADMIN)

    await say(1)
    async with serving(web) as (_, live):
        async with live.stream("GET", f"{AT}/stream?after=0", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            stream = Stream(answer)
            first = await stream.next()
            assert (first["id"], first["event"], first["data"]["body"]) == ("1", "message", {"n": 1})
            await say(2)
            assert (await stream.next())["id"] == "2"
        await until(lambda: web.services.hub.subscribers == 0)
        await say(3)
        again = {**headers, "Last-Event-ID": "2"}
        async with live.stream("GET", f"{AT}/stream?after=0", headers=again) as answer:
            stream = Stream(answer)
            assert (await stream.next())["id"] == "3"
            # Without either it begins now.
            async with live.stream("GET", f"{AT}/stream", headers=headers) as other:
                await until(lambda: web.services.hub.subscribers == 2)
                await say(4)
                assert [(await one.next())["id"] for one in (stream, Stream(other))] == ["4", "4"]
        for wrong in ("x", "-1", "9" * 30):
            answer = await live.get(f"{AT}/stream", headers={**headers, "Last-Event-ID": wrong})
            assert problem(answer, 422, "invalid") == {"Last-Event-ID": "wrong_format"}
        assert problem(await live.get(f"{AT}/stream?after=99", headers=headers), 422, "invalid") == {"after": "too_big"}


async def test_a_client_that_never_reads_keeps_no_other_waiting(web: Web, http: httpx.AsyncClient) -> None:
    channels, headers = Channels(web.services.database), {"Dure-Tenant": "acme"}
    text = "x" * 60_000
    async with serving(web) as (_, live), live.stream("GET", f"{AT}/stream", headers=headers) as asleep:
        async with live.stream("GET", f"{AT}/stream", headers=headers) as awake:
            await until(lambda: web.services.hub.subscribers == 2)
            stream = Stream(awake)
            for n in range(1, 121):
                await channels.publish("acme", "builds.done", {"text": text}, caller=ADMIN)
                assert (await stream.next())["id"] == str(n)
            assert web.services.hub.kept_bytes <= 4 << 20
        late = Stream(asleep)
        assert [(await late.next())["id"] for _ in range(120)] == [str(n) for n in range(1, 121)]


async def test_a_server_that_stops_ends_its_streams(web: Web, http: httpx.AsyncClient) -> None:
    async with (
        serving(web) as (server, live),
        live.stream("GET", f"{AT}/stream", headers={"Dure-Tenant": "acme"}) as answer,
    ):
        await until(lambda: web.services.hub.subscribers == 1)
        stopping = asyncio.create_task(server.stop())
        assert await Stream(answer).next() is None
        await stopping


async def test_the_log_is_read_by_people(web: Web, http: httpx.AsyncClient) -> None:
    for n in range(3):
        await http.post(f"{AT}/messages", json={"body": {"n": n}, "to": f"worker-{n}"})
    await tend(web.services.database)
    page = (await http.get("/v1/agents/log?limit=2")).json()
    assert [(item["seq"], item["to_agent"], item["protocol"]) for item in page["items"]] == [
        (3, "worker-2", "channel"), (2, "worker-1", "channel"),
    ]  # fmt: skip
    rest = (await http.get("/v1/agents/log", params={"cursor": page["next_cursor"]})).json()
    assert ([item["seq"] for item in rest["items"]], rest["next_cursor"]) == ([1], None)
    assert [item["seq"] for item in (await http.get("/v1/agents/log?agent=worker-1")).json()["items"]] == [2]
    async with web.client(await web.key("agent", "acme")) as agent:
        problem(await agent.get("/v1/agents/log"), 403, "refused")


@pytest.fixture
def shell(url: str, tmp_path: object) -> Quick:
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_TENANT="acme")  # type: ignore[operator]


def test_the_commands(shell: Quick) -> None:
    made = shell.json("channels", "create", "builds.done", "--publish", "class:executor", "--keep-days", "3")
    assert (made["publish"], made["subscribe"], made["keep_days"]) == (["class:executor"], [], 3)
    assert shell.error("channels", "create", "builds.done", code=6)["code"] == "conflict"
    for n in range(3):
        assert (
            shell.run("channels", "publish", "builds.done", json.dumps({"n": n}), "--to", "planner").stdout
            == f"{n + 1}\n"
        )
    assert shell.error("channels", "publish", "builds.done", "[]", code=2)["errors"][0]["field"] == "params"
    lines = shell.run("channels", "tail", "builds.done", "--last", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3"]
    assert "→ planner" in lines[0]
    assert [item["body"] for item in shell.json("channels", "tail", "builds.done", "--after", "1")["items"]] == [
        {"n": 1},
        {"n": 2},
    ]
    assert "builds.done" in shell.run("channels", "list").stdout
    edited = shell.json(
        "channels", "edit", "builds.done", "--publish", "", "--subscribe", "viewer", "--description", "what was built"
    )
    assert (edited["publish"], edited["subscribe"], edited["description"]) == ([], ["viewer"], "what was built")
    assert "관리자만" in shell.run("channels", "show", "builds.done", "--lang", "ko").stdout
    assert shell.json("channels", "delete", "builds.done")["deleted"]
    assert shell.error("channels", "tail", "builds.done", code=7)["code"] == "not_found"


def test_tail_follows(url: str, tmp_path: object) -> None:
    home = tmp_path / "h"  # type: ignore[operator]
    shell = Quick(home, DURE_DATABASE_URL=url, DURE_TENANT="acme", DURE_POLL_S="0.05")
    shell.run("channels", "create", "builds.done")
    shell.run("channels", "publish", "builds.done", '{"n": 1}')
    with shell.running("channels", "tail", "builds.done", "--follow", until='{"n": 1}') as tail:
        shell.run("channels", "publish", "builds.done", '{"n": 2}')
        tail.read_until('{"n": 2}')
        shell.run("channels", "delete", "builds.done")
        assert tail.process.wait(STOP_TIMEOUT_S) == 7


def test_the_audit_says_what_is_broken(shell: Quick, url: str) -> None:
    assert shell.run("agents", "audit", "verify", DURE_TENANT="").stdout == "The log is empty.\n"
    shell.run("channels", "create", "builds.done")
    for n in range(3):
        shell.run("channels", "publish", "builds.done", json.dumps({"n": n}), "--to", "planner")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("select dure.seal_log()")
        whole = shell.json("agents", "audit", "verify")
        assert (whole["ok"], whole["items"][0]["rows"]) == (True, 3)
        head = shell.run("agents", "audit", "verify").stdout.splitlines()[-1].removeprefix("Head: ")
        shell.run("agents", "audit", "verify", "--known", head)
        assert shell.error("agents", "audit", "verify", "--known", "3", code=2)["errors"][0]["field"] == "known"
        owner.execute("set session_replication_role = replica")
        owner.execute("update dure.agent_log set ok = false where seq = 2")
    broken = shell.json("agents", "audit", "verify", code=1)
    assert broken["items"][0]["broken"] == {"seq": 2, "damage": "changed"}
    assert shell.run("agents", "audit", "verify", code=1).stdout == "acme: row 2 was changed.\n"
    assert "2번 행이 바뀌었습니다" in shell.run("agents", "audit", "verify", "--lang", "ko", code=1).stdout
