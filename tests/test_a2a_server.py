"""Our A2A server, asked by the official client in both bindings: what goes in, what comes out, what is refused."""

import asyncio

import pytest
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
    VersionNotSupportedError,
)
from google.protobuf.json_format import MessageToDict

from a2a_sides import BINDINGS, Hand, asking, official, sent, serving, state, tasks_of, texts, working
from queueing import TENANT, rows, until

NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(params=BINDINGS)
def binding(request):
    return request.param


async def echo(hand: Hand):
    return f"heard: {hand.params['text']}"


async def test_a_message_becomes_a_task_and_its_result_an_artifact(database, binding):
    async with serving(database) as url, working(database, echo), official(url, binding, streaming=False) as client:
        task = await sent(client, asking("hello", data={"n": 1}))
        assert task.status.state == state("COMPLETED")
        (artifact,) = task.artifacts
        assert texts(artifact.parts) == ["heard: hello"]
        assert [message.role for message in task.history] == [pb.ROLE_USER]
        assert task.history[0].parts[1].data.struct_value["n"] == 1
        again = await client.get_task(pb.GetTaskRequest(id=task.id))
        assert MessageToDict(again) == MessageToDict(task)
    ours = await tasks_of(database).get(TENANT, task.id)
    assert (ours.agent_id, ours.title, ours.strategy) == ("r1", "hello", "sticky")
    assert ours.params["message"]["parts"] == [{"text": "hello"}, {"data": {"n": 1}}]
    assert ours.params["a2a"]["context_id"] == task.context_id


async def test_results_of_any_shape_become_parts(database):
    file = {"url": "https://example.com/x.pdf", "mediaType": "application/pdf"}
    report = {"name": "report", "description": "all of it", "parts": [{"text": "a"}, file]}
    results = {
        "data": {"rows": [1, 2]},
        "list": [1, "a"],
        "none": {"a2a": {"state": "completed"}},
        "said": {"a2a": {"artifacts": [report, "plain"], "message": "done"}},
    }

    async def answer(hand: Hand):
        return results[hand.params["text"]]

    async with serving(database) as url, working(database, answer), official(url, "JSONRPC", streaming=False) as client:
        found = {name: await sent(client, asking(name)) for name in results}
    assert MessageToDict(found["data"].artifacts[0])["parts"] == [
        {"data": {"rows": [1.0, 2.0]}, "mediaType": "application/json"}
    ]
    assert MessageToDict(found["list"].artifacts[0])["parts"][0]["data"] == [1.0, "a"]
    assert not found["none"].artifacts
    report, plain = found["said"].artifacts
    assert (report.name, report.description, texts(report.parts)) == ("report", "all of it", ["a"])
    assert report.parts[1].url == "https://example.com/x.pdf"
    assert texts(plain.parts) == ["plain"]
    assert texts(found["said"].status.message.parts) == ["done"]


async def test_at_once_when_asked(database, binding):
    configuration = {"returnImmediately": True}
    async with serving(database) as url, official(url, binding, streaming=False) as client:
        task = await sent(client, asking(configuration=configuration))
        assert task.status.state == state("SUBMITTED")
        async with working(database, echo):

            async def ended():
                found = await client.get_task(pb.GetTaskRequest(id=task.id))
                return found if found.status.state == state("COMPLETED") else None

            assert texts((await until(ended)).artifacts[0].parts) == ["heard: hello"]


async def test_a_client_that_waits_too_long_gets_the_task_as_it_is(database, monkeypatch):
    monkeypatch.setenv("DURE_A2A_WAIT_S", "0.1")
    async with serving(database) as url, official(url, "HTTP+JSON", streaming=False) as client:
        assert (await sent(client, asking())).status.state == state("SUBMITTED")


async def test_followed_from_the_first_word_to_the_last(database, binding):
    async def slow(hand: Hand):
        await hand.note("half of it")
        await asyncio.sleep(0.5)
        return "all of it"

    async with serving(database) as url, working(database, slow), official(url, binding) as client:
        events = [event async for event in client.send_message(asking())]
    kinds = [event.WhichOneof("payload") for event in events]
    assert kinds[0] == "task"
    assert kinds[-2:] == ["artifact_update", "status_update"]
    states = [event.status_update.status.state for event in events if event.HasField("status_update")]
    assert states[-1] == state("COMPLETED")
    assert state("WORKING") in states[:-1]
    assert texts(events[-2].artifact_update.artifact.parts) == ["all of it"]
    notes = [text for event in events for text in texts(event.status_update.status.message.parts)]
    assert notes == ["half of it"]


async def test_a_client_that_was_dropped_comes_back_and_misses_nothing(database, binding):
    go_on = asyncio.Event()

    async def patient(hand: Hand):
        await go_on.wait()
        return "after all"

    async with serving(database) as url, working(database, patient), official(url, binding) as client:
        stream = client.send_message(asking())
        task_id = (await anext(stream)).task.id
        await stream.aclose()
        events = []
        async for event in client.subscribe(pb.SubscribeToTaskRequest(id=task_id)):
            events.append(event)
            go_on.set()
        assert events[0].task.id == task_id
        assert texts(events[-2].artifact_update.artifact.parts) == ["after all"]
        assert events[-1].status_update.status.state == state("COMPLETED")
        with pytest.raises(UnsupportedOperationError):
            [event async for event in client.subscribe(pb.SubscribeToTaskRequest(id=task_id))]
        with pytest.raises(TaskNotFoundError):
            [event async for event in client.subscribe(pb.SubscribeToTaskRequest(id=NOWHERE))]


async def test_ends_that_are_no_success(database):
    async def end(hand: Hand):
        await hand.fail(hand.params["text"], "because")

    async with serving(database) as url, working(database, end), official(url, "JSONRPC", streaming=False) as client:
        failed = await sent(client, asking("Broken"))
        rejected = await sent(client, asking("Refused"))
        assert (failed.status.state, rejected.status.state) == (state("FAILED"), state("REJECTED"))
        for task in (failed, rejected):
            there = await client.list_tasks(pb.ListTasksRequest(status=task.status.state))
            assert [found.id for found in there.tasks] == [task.id]
    assert texts(failed.status.message.parts) == ["because"]
    assert not failed.artifacts


async def test_cancelled_while_it_waits_and_while_it_runs(database, binding):
    begun = asyncio.Event()
    configuration = {"returnImmediately": True}

    async def stubborn(hand: Hand):
        begun.set()

        async def asked():
            return await rows(database, "select from dure.cancellation")

        await until(asked)
        await hand.cancelled()

    async with serving(database) as url, official(url, binding, streaming=False) as client:
        waiting = await sent(client, asking(configuration=configuration))
        ended = await client.cancel_task(pb.CancelTaskRequest(id=waiting.id))
        assert ended.status.state == state("CANCELED")
        with pytest.raises(TaskNotCancelableError):
            await client.cancel_task(pb.CancelTaskRequest(id=waiting.id))
        with pytest.raises(TaskNotFoundError):
            await client.cancel_task(pb.CancelTaskRequest(id=NOWHERE))
        async with working(database, stubborn):
            running = await sent(client, asking(configuration=configuration))
            await begun.wait()
            await client.cancel_task(pb.CancelTaskRequest(id=running.id))

            async def gone():
                found = await client.get_task(pb.GetTaskRequest(id=running.id))
                return found.status.state == state("CANCELED")

            await until(gone)


async def test_tasks_are_listed_the_last_changed_first(database, binding):
    configuration = {"returnImmediately": True}
    async with serving(database) as url, official(url, binding, streaming=False) as client:
        made = [await sent(client, asking(str(n), configuration=configuration)) for n in range(5)]
        other = await sent(client, asking(context_id="elsewhere", configuration=configuration))
        await client.cancel_task(pb.CancelTaskRequest(id=made[0].id))
        page = await client.list_tasks(pb.ListTasksRequest(page_size=4))
        assert [task.id for task in page.tasks] == [made[0].id, other.id, made[4].id, made[3].id]
        assert (page.total_size, page.page_size) == (6, 4)
        rest = await client.list_tasks(pb.ListTasksRequest(page_size=4, page_token=page.next_page_token))
        assert [task.id for task in rest.tasks] == [made[2].id, made[1].id]
        assert (rest.next_page_token, rest.total_size) == ("", 6)
        cancelled = await client.list_tasks(pb.ListTasksRequest(status=state("CANCELED")))
        assert [task.id for task in cancelled.tasks] == [made[0].id]
        there = await client.list_tasks(pb.ListTasksRequest(context_id="elsewhere"))
        assert [task.id for task in there.tasks] == [other.id]
        since = pb.ListTasksRequest(status_timestamp_after=page.tasks[0].status.timestamp)
        assert [task.id for task in (await client.list_tasks(since)).tasks] == [made[0].id]
        for wrong in (pb.ListTasksRequest(page_size=101), pb.ListTasksRequest(page_token="nonsense")):
            with pytest.raises(InvalidParamsError):
                await client.list_tasks(wrong)


async def test_artifacts_are_listed_only_when_asked_for(database):
    async with serving(database) as url, working(database, echo), official(url, "HTTP+JSON", streaming=False) as client:
        await sent(client, asking())
        (bare,) = (await client.list_tasks(pb.ListTasksRequest())).tasks
        (whole,) = (await client.list_tasks(pb.ListTasksRequest(include_artifacts=True))).tasks
    assert not bare.artifacts
    assert len(whole.artifacts) == 1


async def test_pushing_is_refused(database, binding):
    config = {"url": "https://example.com/hook"}
    async with serving(database) as url, official(url, binding, streaming=False) as client:
        with pytest.raises(PushNotificationNotSupportedError):
            await sent(client, asking(configuration={"taskPushNotificationConfig": config}))
        with pytest.raises(PushNotificationNotSupportedError):
            await client.create_task_push_notification_config(pb.TaskPushNotificationConfig(task_id=NOWHERE, **config))


async def test_another_version_is_refused(database, binding):
    async with serving(database) as url, official(url, binding, streaming=False) as client:
        headers = client._transport._base.httpx_client.headers
        headers["A2A-Version"] = "0.3"
        with pytest.raises(VersionNotSupportedError):
            await client.get_task(pb.GetTaskRequest(id=NOWHERE))
        del headers["A2A-Version"]
        with pytest.raises(VersionNotSupportedError):
            await client.get_task(pb.GetTaskRequest(id=NOWHERE))
        headers["A2A-Version"] = "1.0.7"
        with pytest.raises(TaskNotFoundError):
            await client.get_task(pb.GetTaskRequest(id=NOWHERE))
