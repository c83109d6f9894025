"""Cards, the catalog, and what goes over the wire: who may read what, and how errors are written."""

import asyncio

import httpx
import pytest

from a2a_sides import Hand, join, serving, working
from dure.http.auth import OPEN_PATHS
from dure.queue.keys import Keys
from engine import Engine
from queueing import TENANT, until
from web import Web, problem

CARD = "/.well-known/agent-card.json"
CATALOG = "/.well-known/ai-catalog.json"
NOWHERE = "00000000-0000-7000-8000-000000000000"
SPOKEN = {"A2A-Version": "1.0", "Dure-Tenant": TENANT}
MESSAGE = {"message": {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}}


@pytest.fixture
async def web(database):
    return Web(Engine(database))


@pytest.fixture
async def http(web):
    async with web.client(**SPOKEN) as client:
        yield client


async def test_the_card_tells_what_the_agents_can_do(database, http):
    await join(database, "r1", capabilities=("search", "read"))
    await join(database, "w1", class_="writer", capabilities=("write", "read"))
    card = (await http.get(CARD)).json()
    assert {skill["id"]: skill["tags"] for skill in card["skills"]} == {
        "task": ["task"], "search": ["research"], "read": ["research", "writer"], "write": ["writer"],
    }  # fmt: skip
    assert [one["protocolBinding"] for one in card["supportedInterfaces"]] == ["HTTP+JSON", "JSONRPC"]
    assert card["supportedInterfaces"][0] == {
        "url": "http://localhost:8000/a2a/v1", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0",
        "tenant": TENANT,
    }  # fmt: skip
    assert card["capabilities"]["streaming"]
    assert not card["capabilities"]["pushNotifications"]
    assert card["securityRequirements"] == [{"schemes": {"key": {"list": []}}}]
    assert (await http.get("/a2a/v1/extendedAgentCard")).json() == card
    call = {"jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard"}
    assert (await http.post("/a2a/v1/rpc", json=call)).json()["result"] == card
    korean = (await http.get(CARD, headers={"Accept-Language": "ko"})).json()
    assert korean["description"] != card["description"]


async def test_a_card_that_did_not_change_is_not_sent_again(database, http):
    first = await http.get(CARD)
    again = await http.get(CARD, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await join(database)
    assert (await http.get(CARD, headers={"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_the_catalog_lists_every_agent_with_its_card(database, http):
    await join(database, "r1")
    await join(database, "team/w@1", class_="writer", capabilities=(), version="2.0.0")
    answer = await http.get(CATALOG)
    assert answer.headers["content-type"] == "application/ai-catalog+json"
    catalog = answer.json()
    assert catalog["specVersion"] == "1.0"
    assert {entry["type"] for entry in catalog["entries"]} == {"application/a2a-agent-card+json"}
    assert [entry["identifier"] for entry in catalog["entries"]] == [
        "urn:air:localhost:server:dure", "urn:air:localhost:agent:r1", "urn:air:localhost:agent:team%2Fw%401",
    ]  # fmt: skip
    cards = [(await http.get(entry["url"])).json() for entry in catalog["entries"]]
    assert [card["name"] for card in cards] == ["Dure", "r1", "team/w@1"]
    assert cards[2]["version"] == "2.0.0"
    assert cards[2]["supportedInterfaces"][1]["url"].endswith("/a2a/agents/team%2Fw%401/v1/rpc")
    problem(await http.get("/a2a/agents/nobody/agent-card.json"), 404, "not_found")


async def test_a_public_url_stands_in_cards(database):
    async with Web(Engine(database), public_url="https://agents.example.com/dure").client(**SPOKEN) as http:
        card = (await http.get(CARD)).json()
    assert card["supportedInterfaces"][0]["url"] == "https://agents.example.com/dure/a2a/v1"


async def test_without_a_key_nothing_is_read_unless_the_operator_says_so(database, monkeypatch):
    await join(database, capabilities=("secret-skill",))
    await Keys(database).create(TENANT, "a", "viewer")
    async with Web(Engine(database)).client() as http:
        for path in (CARD, CATALOG, "/a2a/agents/r1/agent-card.json"):
            problem(await http.get(path), 401, "unauthorized")
    monkeypatch.setenv("DURE_A2A_PUBLIC_CARD", "true")
    shown = Web(Engine(database))
    async with shown.client() as http:
        bare = (await http.get(CARD)).json()
        assert [skill["id"] for skill in bare["skills"]] == ["task"]
        assert bare["capabilities"]["extendedAgentCard"]
        for path in (CATALOG, "/a2a/agents/r1/agent-card.json", "/a2a/v1/extendedAgentCard", "/a2a/v1/tasks"):
            problem(await http.get(path, headers=SPOKEN), 401, "unauthorized")
        problem(await http.post(CARD), 401, "unauthorized")
    async with shown.client("dure_" + "x" * 43) as http:
        problem(await http.get(CARD), 401, "unauthorized")
    async with shown.client(await shown.key("viewer", TENANT)) as http:
        whole = (await http.get(CARD)).json()
        assert [skill["id"] for skill in whole["skills"]] == ["task", "secret-skill"]
        assert "tenant" not in whole["supportedInterfaces"][0]
    assert CARD not in OPEN_PATHS


async def test_errors_over_http_are_written_as_the_specification_has_it(http):
    answer = await http.get(f"/a2a/v1/tasks/{NOWHERE}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/a2a+json")
    error = answer.json()["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert error["details"] == [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "TASK_NOT_FOUND",
         "domain": "a2a-protocol.org", "metadata": {"taskId": NOWHERE}},
    ]  # fmt: skip


WRONG = [
    ({}, "message"),
    ({"message": {**MESSAGE["message"], "parts": []}}, "message.parts"),
    ({"message": {**MESSAGE["message"], "parts": [{}]}}, "message.parts.0"),
    ({"message": {**MESSAGE["message"], "parts": [{"text": "a", "url": "b"}]}}, "message.parts.0"),
    ({"message": {**MESSAGE["message"], "role": "ROLE_AGENT"}}, "message.role"),
    ({"message": {**MESSAGE["message"], "messageId": ""}}, "message.messageId"),
    ({**MESSAGE, "configuration": {"historyLength": -1}}, "configuration.historyLength"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
async def test_what_is_wrong_with_a_message_is_named(http, body, field):
    answer = await http.post("/a2a/v1/message:send", json=body)
    info, fields = answer.json()["error"]["details"]
    assert (answer.status_code, info["reason"]) == (400, "INVALID_PARAMS")
    assert [one["field"] for one in fields["fieldViolations"]] == [field]
    call = {"jsonrpc": "2.0", "id": "x", "method": "SendMessage", "params": body}
    error = (await http.post("/a2a/v1/rpc", json=call)).json()
    assert (error["id"], error["error"]["code"]) == ("x", -32602)
    assert error["error"]["data"][1] == fields


@pytest.mark.parametrize(
    ("content", "code", "request_id"),
    [
        (b"{", -32700, None),
        (b"[]", -32600, None),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "GetTask"}]', -32600, None),
        (b'{"id": 7, "method": "GetTask"}', -32600, 7),
        (b'{"jsonrpc": "2.0", "id": true, "method": "GetTask"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "message/send"}', -32601, 7),
        (b'{"jsonrpc": "2.0", "id": "a", "method": "ListTaskPushNotificationConfigs", "params": {}}', -32003, "a"),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "GetTask", "params": {"id": 1}}', -32602, 7),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "GetTask", "params": {"id": "nowhere"}}', -32001, 7),
    ],
)
async def test_calls_that_are_none(http, content, code, request_id):
    answer = await http.post("/a2a/v1/rpc", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert (answer.json()["error"]["code"], answer.json()["id"]) == (code, request_id)


async def test_a_message_larger_than_a_task_may_be_is_refused(http):
    parts = [{"text": "x" * 270_000}]
    answer = await http.post("/a2a/v1/message:send", json={"message": {**MESSAGE["message"], "parts": parts}})
    assert answer.json()["error"]["details"][0]["reason"] == "INVALID_PARAMS"
    huge = {"message": {**MESSAGE["message"], "parts": parts * 2}}
    problem(await http.post("/a2a/v1/message:send", json=huge), 413, "too_large")
    assert (await http.get("/a2a/v1/tasks")).json()["totalSize"] == 0


async def test_a_form_of_a_foreign_page_is_no_message(http):
    answer = await http.post("/a2a/v1/message:send", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.json()["error"]["details"][0]["reason"] == "CONTENT_TYPE_NOT_SUPPORTED"
    problem(
        await http.post("/a2a/v1/message:send", json=MESSAGE, headers={"Origin": "https://x.example"}), 403, "refused"
    )


async def test_the_frames_of_a_stream_are_bare_data(database):
    async def work(hand: Hand):
        return "done"

    async with (
        serving(database) as url,
        working(database, work),
        httpx.AsyncClient(base_url=url, headers=SPOKEN) as http,
    ):
        answer = await http.post("/a2a/v1/message:stream", json=MESSAGE)
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = [frame for frame in answer.text.split("\n\n") if frame and not frame.startswith(("retry:", ":"))]
        assert all(frame.startswith("data: {") and "\n" not in frame for frame in frames)
        body = {"jsonrpc": "2.0", "id": 3, "method": "SendStreamingMessage", "params": MESSAGE}
        again = await http.post("/a2a/v1/rpc", json=body)
        (frame,) = [frame for frame in again.text.split("\n\n") if frame.startswith("data:")]
        assert '"jsonrpc":"2.0","id":3,"result":{"task":{' in frame


async def test_who_waits_is_told_how_it_is_when_the_server_stops(database):
    other = {"message": {**MESSAGE["message"], "messageId": "m2"}}
    async with httpx.AsyncClient(headers=SPOKEN) as http:
        async with serving(database) as url:

            async def follow():
                async with http.stream("POST", f"{url}/a2a/v1/message:stream", json=MESSAGE) as answer:
                    return [line async for line in answer.aiter_lines()]

            async def both_are_there():
                return len((await http.get(f"{url}/a2a/v1/tasks")).json()["tasks"]) == 2

            following = asyncio.create_task(follow())
            waiting = asyncio.create_task(http.post(f"{url}/a2a/v1/message:send", json=other))
            await until(both_are_there)
        assert any(line.startswith("data:") for line in await following)
        assert (await waiting).json()["task"]["status"]["state"] == "TASK_STATE_SUBMITTED"
