"""Tasks of more than one turn, messages sent again, and whose tasks they are; asked by the official client."""

import asyncio

import httpx
import pytest
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    InvalidParamsError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from a2a_sides import BINDINGS, Hand, asking, join, official, sent, serving, state, tasks_of, texts, working
from dure.queue.keys import Keys
from queueing import TENANT, rows

NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(params=BINDINGS)
def binding(request):
    return request.param


async def echo(hand: Hand):
    return f"heard: {hand.params['text']}"


async def test_an_agent_that_asks_is_answered_within_the_same_task(database, binding):
    heard = []

    async def curious(hand: Hand):
        heard.append(hand.params)
        if hand.params["a2a"]["turn"] == 1:
            return {"a2a": {"state": "input_required", "message": "which day?"}}
        return f"booked for {hand.params['text']}"

    async with serving(database) as url, working(database, curious), official(url, binding, streaming=False) as client:
        asked = await sent(client, asking("book a room"))
        assert asked.status.state == state("INPUT_REQUIRED")
        assert texts(asked.status.message.parts) == ["which day?"]
        there = await client.list_tasks(pb.ListTasksRequest(status=asked.status.state))
        assert [found.id for found in there.tasks] == [asked.id]
        with pytest.raises(InvalidParamsError):
            await sent(client, asking("monday", task_id=asked.id, context_id="another"))
        done = await sent(client, asking("monday", task_id=asked.id))
        assert (done.id, done.context_id) == (asked.id, asked.context_id)
        assert texts(done.artifacts[0].parts) == ["booked for monday"]
        assert [texts(message.parts) for message in done.history] == [["book a room"], ["which day?"], ["monday"]]
        last = await client.get_task(pb.GetTaskRequest(id=asked.id, history_length=1))
        assert [texts(message.parts) for message in last.history] == [["monday"]]
        assert not (await client.get_task(pb.GetTaskRequest(id=asked.id, history_length=0))).history
        with pytest.raises(UnsupportedOperationError):
            await sent(client, asking("tuesday", task_id=asked.id))
        with pytest.raises(TaskNotFoundError):
            await sent(client, asking("tuesday", task_id=NOWHERE))
    assert [entry["parts"] for entry in heard[1]["a2a"]["history"]] == [
        [{"text": "book a room"}], [{"text": "which day?"}]
    ]  # fmt: skip


async def test_a_task_that_waits_for_its_client_may_be_given_up(database):
    async def curious(hand: Hand):
        return {"a2a": {"state": "auth_required", "message": "log in first"}}

    async with (
        serving(database) as url,
        working(database, curious),
        official(url, "HTTP+JSON", streaming=False) as client,
    ):
        asked = await sent(client, asking())
        assert asked.status.state == state("AUTH_REQUIRED")
        assert (await client.cancel_task(pb.CancelTaskRequest(id=asked.id))).status.state == state("CANCELED")
        with pytest.raises(UnsupportedOperationError):
            await sent(client, asking("too late", task_id=asked.id))


async def test_of_two_answers_at_once_one_goes_on(database):
    async def curious(hand: Hand):
        return {"a2a": {"state": "input_required"}} if hand.params["a2a"]["turn"] == 1 else hand.params["text"]

    async with (
        serving(database) as url,
        working(database, curious),
        official(url, "HTTP+JSON", streaming=False) as client,
    ):
        asked = await sent(client, asking())
        answers = await asyncio.gather(
            *(sent(client, asking(f"answer {n}", task_id=asked.id)) for n in range(6)), return_exceptions=True
        )
    won = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(won) == 1
    assert all(isinstance(answer, UnsupportedOperationError) for answer in answers if answer not in won)
    assert (await rows(database, "select count(*) from dure.job"))[0][0] == 2


async def test_sent_again_and_again_a_message_is_one_task(database):
    request = asking(message_id="m-1", configuration={"returnImmediately": True})
    async with serving(database) as url, official(url, "JSONRPC", streaming=False) as client:
        found = await asyncio.gather(*(sent(client, request) for _ in range(6)))
        assert len({task.id for task in found}) == 1
        async with working(database, echo):
            request.configuration.return_immediately = False
            assert texts((await sent(client, request)).artifacts[0].parts) == ["heard: hello"]
            assert (await sent(client, request)).id == found[0].id
        with pytest.raises(InvalidParamsError):
            await sent(client, asking("something else", message_id="m-1"))
    assert (await rows(database, "select count(*) from dure.job"))[0][0] == 1


async def test_what_a_task_needs_is_said_in_metadata(database):
    await join(database, "w1", class_="writer", capabilities=("write",))
    async with serving(database) as url, official(url, "HTTP+JSON", streaming=False) as client:
        configuration = {"returnImmediately": True}
        needs = {"class": "writer", "capabilities": ["write"], "title": "a letter", "priority": 5, "timeout_s": 60}
        asked = await sent(client, asking(needs=needs, configuration=configuration))
        named = await sent(client, asking(needs={"agent": "w1"}, configuration=configuration))
        for wrong in ({"klass": "x"}, {"capabilities": "write"}, {"class": "No Such!"}, {"agent": "nobody"}):
            with pytest.raises(InvalidParamsError):
                await sent(client, asking(needs=wrong, configuration=configuration))
    task = await tasks_of(database).get(TENANT, asked.id)
    assert (task.needs.class_, task.title, task.priority, task.timeout_s) == ("writer", "a letter", 5, 60)
    assert (await tasks_of(database).get(TENANT, named.id)).strategy == "direct"


async def test_messages_of_one_context_go_to_one_agent(database):
    async with (
        serving(database) as url,
        working(database, echo, "r1"),
        working(database, echo, "r2"),
        official(url, "JSONRPC", streaming=False) as client,
    ):
        first = await sent(client, asking())
        others = [await sent(client, asking(context_id=first.context_id)) for _ in range(5)]
    assert {task.metadata["agent"] for task in others} == {first.metadata["agent"]}


async def test_the_card_of_one_agent_is_its_own_address(database):
    await join(database, "team/search@1", class_="writer", capabilities=())
    path = "/a2a/agents/team%2Fsearch@1/agent-card.json"
    async with (
        serving(database) as url,
        working(database, echo, "r1"),
        official(url, "JSONRPC", streaming=False, card_path=path) as client,
    ):
        task = await sent(client, asking(configuration={"returnImmediately": True}))
        assert [found.id for found in (await client.list_tasks(pb.ListTasksRequest())).tasks] == [task.id]
        async with official(url, "JSONRPC", streaming=False) as general:
            await sent(general, asking())
            assert len((await general.list_tasks(pb.ListTasksRequest())).tasks) == 2
        assert (await client.list_tasks(pb.ListTasksRequest())).total_size == 1
    assert (await tasks_of(database).get(TENANT, task.id)).needs.agent == "team/search@1"


async def test_tenants_do_not_meet(database):
    keys = Keys(database)
    acme, _ = await keys.create(TENANT, "a", "operator")
    other, _ = await keys.create("other", "b", "operator")
    async with serving(database) as url:
        async with official(url, "JSONRPC", key=acme, streaming=False) as client:
            task = await sent(client, asking(configuration={"returnImmediately": True}))
        headers = {"Authorization": f"Bearer {other}", "A2A-Version": "1.0"}
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            assert (await http.get(f"/a2a/v1/tasks/{task.id}")).status_code == 404
            assert (await http.get("/a2a/v1/tasks")).json()["tasks"] == []
            assert (await http.get(f"/a2a/v1/{TENANT}/tasks")).status_code == 403


async def test_a_key_of_no_tenant_names_one_as_the_card_says(database, binding):
    key, _ = await Keys(database).create(None, "a", "operator")
    async with serving(database) as url, official(url, binding, key=key, streaming=False) as client:
        del client._transport._base.httpx_client.headers["Dure-Tenant"]
        task = await sent(client, asking(configuration={"returnImmediately": True}))
        assert (await client.get_task(pb.GetTaskRequest(id=task.id))).id == task.id
    assert (await tasks_of(database).get(TENANT, task.id)).tenant_id == TENANT


async def test_scopes(database, binding):
    keys = Keys(database)
    secrets = {scope: (await keys.create(TENANT, scope, scope))[0] for scope in ("viewer", "agent", "operator")}
    configuration = {"returnImmediately": True}
    async with serving(database) as url:
        async with official(url, binding, key=secrets["operator"], streaming=False) as client:
            theirs = await sent(client, asking(configuration=configuration))
        async with official(url, binding, key=secrets["viewer"], streaming=False) as client:
            assert (await client.get_task(pb.GetTaskRequest(id=theirs.id))).id == theirs.id
            with pytest.raises(Exception, match="403"):
                await sent(client, asking())
            with pytest.raises(Exception, match="403"):
                await client.cancel_task(pb.CancelTaskRequest(id=theirs.id))
        async with official(url, binding, key=secrets["agent"], streaming=False) as client:
            ours = await sent(client, asking(configuration=configuration))
            assert (await client.cancel_task(pb.CancelTaskRequest(id=ours.id))).status.state == state("CANCELED")
            with pytest.raises(Exception, match=r"403|-32099|Another client"):
                await client.cancel_task(pb.CancelTaskRequest(id=theirs.id))
