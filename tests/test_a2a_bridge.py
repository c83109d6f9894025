"""Agents of others behind our bridge: servers made with the official SDK, which do, fail, vanish and lie."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from a2a_foreign import TOKEN, Elsewhere, elsewhere
from a2a_sides import BINDINGS, asking, join, official, sent, serving, state, tasks_of, texts
from dure.agents.model import Need, NewTask
from dure.apps.ecosystem.a2a.bridge import Bridge
from dure.apps.ecosystem.a2a.config import A2aSettings
from queueing import TENANT, rows, settings, until

HERE = ("127.0.0.0/8",)


@asynccontextmanager
async def bridged(database, **chosen):
    """A bridge as worker processes have one."""
    given = A2aSettings(**{"allow": HERE, "poll_s": 0.05, **chosen})
    bridge = Bridge(database, settings(database_url=database.url), given, look_s=0.1, again_s=0.2)
    await bridge.start()
    try:
        yield bridge
    finally:
        await bridge.stop()


async def known(database, there: Elsewhere, agent_id="far", **said):
    """Register an agent of others, as a person does; nobody renews that session."""
    given = {"kind": "external", "protocol": "a2a", "endpoints": {"a2a": there.url}, "lease_s": 3.0, "capacity": 4}
    await join(database, agent_id, **{**given, **said})


async def task(database, text, **given):
    new = NewTask(params={"text": text}, needs=Need(capabilities=("search",)), **given)
    return (await tasks_of(database).submit(TENANT, new, actor="kim")).id


async def ended(database, task_id):
    async def look():
        found = await tasks_of(database).get(TENANT, task_id)
        return found if found.finished_at is not None else None

    return await until(look)


async def problem(database):
    async def look():
        found = await rows(database, "select problem from dure.a2a_bridge where problem is not null")
        return found[0][0] if found else None

    return await until(look)


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("streaming", [True, False])
async def test_tasks_are_done_elsewhere(database, binding, streaming):
    async with elsewhere(binding, streaming=streaming) as there, bridged(database):
        await known(database, there)
        asked = {word: await task(database, f"{word} it") for word in ("echo", "fail", "nul", "reject", "answer")}
        found = {word: await ended(database, task_id) for word, task_id in asked.items()}
    done = found["echo"]
    assert (done.state, done.result["text"], done.agent_id) == ("completed", "did echo it", "far")
    assert done.result["a2a"]["artifacts"][0]["name"] == "report"
    assert (found["fail"].state, found["fail"].error_class, found["fail"].error) == (
        "failed",
        "RemoteFailed",
        "it broke",
    )
    assert (found["reject"].state, found["reject"].error_class) == ("failed", "Rejected")
    assert found["answer"].result["text"] == "without a task"
    assert (found["nul"].state, found["nul"].error) == ("failed", "it � broke")
    assert {one.retry_count for one in found.values()} == {0}
    assert {message.message_id for message in there.doer.heard} == set(asked.values())


async def test_parameters_of_any_shape_are_sent_as_data(database):
    async with elsewhere() as there, bridged(database):
        await known(database, there)
        new = NewTask(params={"query": "x", "n": 2}, needs=Need(agent="far"))
        made = await tasks_of(database).submit(TENANT, new, actor="kim")
        await ended(database, made.id)
    (part,) = there.doer.heard[0].parts
    assert dict(part.data.struct_value) == {"query": "x", "n": 2}


@pytest.mark.parametrize("binding", BINDINGS)
async def test_a_cancellation_is_passed_on(database, binding):
    async with elsewhere(binding) as there, bridged(database):
        await known(database, there)
        waiting = await task(database, "wait")
        await until(there.doer.begun.is_set)
        await tasks_of(database).cancel(TENANT, waiting, reason="enough", actor="kim")
        assert (await ended(database, waiting)).state == "cancelled"
        await until(lambda: there.doer.cancelled)


async def test_what_vanishes_in_the_middle_is_done_elsewhere(database):
    async with elsewhere(streaming=False) as first, elsewhere("HTTP+JSON") as second, bridged(database):
        await known(database, first, "first")
        waiting = await task(database, "wait")
        await until(first.doer.begun.is_set)
        await first.stop()
        await known(database, second, "second")
        second.doer.go_on.set()

        async def over():
            # As the sweep of every worker does.
            await rows(
                database,
                "select dure.bury(array(select worker_id from dure.worker where ended_at is null"
                " and lease_until < dure.now()))",
            )
            found = await tasks_of(database).get(TENANT, waiting)
            return found if found.finished_at is not None else None

        done = await until(over)
        assert (done.state, done.agent_id) == ("completed", "second")
        assert done.result["text"] == "did wait"


async def test_another_process_goes_on_with_what_was_sent_before(database):
    async with elsewhere() as there:
        await known(database, there)
        async with bridged(database):
            waiting = await task(database, "wait")
            await until(there.doer.begun.is_set)

            async def noted():
                return await rows(database, "select from dure.a2a_remote")

            await until(noted)
        assert (await tasks_of(database).get(TENANT, waiting)).state == "pending"
        async with bridged(database):
            there.doer.go_on.set()
            assert (await ended(database, waiting)).result["text"] == "did wait"
    assert len(there.doer.heard) == 1


async def test_one_process_at_a_time_speaks_for_an_agent(database):
    async with elsewhere() as there, bridged(database), bridged(database), bridged(database):
        await known(database, there)
        found = [await ended(database, await task(database, f"echo {n}")) for n in range(3)]
        sessions = await rows(database, "select count(*) from dure.worker where agent_id = 'far' and ended_at is null")
    assert all(one.state == "completed" for one in found)
    assert sessions[0][0] == 1
    # The person's, and the bridge's.
    assert (await rows(database, "select count(*) from dure.worker where agent_id = 'far'"))[0][0] == 2


async def test_when_it_is_back_it_is_spoken_for_again(database):
    async with elsewhere() as there, bridged(database):
        await there.stop()
        await known(database, there)
        assert (await problem(database))["code"] == "unreachable"
        await there.start()
        assert (await ended(database, await task(database, "echo"))).state == "completed"
        assert (await rows(database, "select problem from dure.a2a_bridge"))[0][0] is None


async def test_what_may_pass_is_tried_again_with_the_same_message(database):
    async with elsewhere() as there, bridged(database):
        await known(database, there)
        there.busy = 2
        done = await ended(database, asked := await task(database, "echo"))
    assert (done.state, done.retry_count) == ("completed", 2)
    assert [message.message_id for message in there.doer.heard] == [asked]
    assert there.calls.count("POST /rpc") >= 3


async def test_a_server_that_never_answers_holds_nobody(database):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await join(database, "far", protocol="a2a", endpoints={"a2a": url}, kind="external", lease_s=3.0)
    async with bridged(database, call_timeout_s=0.2):
        assert (await problem(database))["code"] == "unreachable"
    server.close()


LIES = {
    "another origin": ({"supportedInterfaces": [
        {"url": "http://127.0.0.1:1/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}, "another origin"),
    "an old version": ({"supportedInterfaces": [
        {"url": "http://127.0.0.1:1/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}]}, "no interface"),
    "no interface": ({"supportedInterfaces": "all of them"}, "no interface"),
    "a file": ({"supportedInterfaces": [
        {"url": "file:///etc/passwd", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}, "not a URL"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
async def test_a_card_that_lies_is_not_followed(database, lie):
    told, text = LIES[lie]
    async with elsewhere() as there:
        there.card.update(told)
        await known(database, there)
        async with bridged(database):
            found = await problem(database)
    assert found["code"] == "bad_card"
    assert text in found["text"]
    assert set(there.calls) == {"GET /.well-known/agent-card.json"}


async def test_another_origin_may_be_allowed(database):
    async with elsewhere() as there, elsewhere() as real, bridged(database, origins=(real.url,)):
        there.card.update({"supportedInterfaces": real.card["supportedInterfaces"]})
        await known(database, there)
        assert (await ended(database, await task(database, "echo"))).state == "completed"
    assert len(real.doer.heard) == 1


async def test_redirects_are_not_followed(database):
    async with elsewhere() as there, elsewhere() as inside:
        there.redirects_to = f"{inside.url}/.well-known/agent-card.json"
        await known(database, there)
        async with bridged(database):
            assert "redirects" in (await problem(database))["text"]
    assert inside.calls == []


async def test_an_internal_address_is_refused_unless_it_is_allowed(database):
    async with elsewhere() as there:
        await known(database, there)
        async with bridged(database, allow=()):
            assert (await problem(database))["code"] == "internal"
    assert there.calls == []


async def test_too_large_an_answer_fails_the_task_and_nothing_else(database):
    async with elsewhere() as there, bridged(database):
        await known(database, there)
        large, huge = await task(database, "big 300000"), await task(database, "big 5000000")
        found = await ended(database, large)
        assert (found.state, found.error_class) == ("failed", "AnswerRefused")
        found = await ended(database, huge)
        assert (found.state, found.error_class) == ("failed", "Refused")
        assert "bytes" in found.error
        assert (await ended(database, await task(database, "echo"))).state == "completed"


async def test_a_token_goes_to_its_origin_and_to_no_other(database):
    async with elsewhere(token=TOKEN) as there, elsewhere(token=TOKEN) as other:
        await known(database, there)
        await known(database, other, "other", capabilities=("other",))
        async with bridged(database, keys=(f"{there.url}={TOKEN}",)):
            assert (await ended(database, await task(database, "echo"))).state == "completed"
            assert "401" in (await problem(database))["text"]
    assert other.doer.heard == []


async def test_what_is_said_is_never_logged(database, capsys):
    async with elsewhere() as there, bridged(database):
        await known(database, there)
        await ended(database, await task(database, "echo sesame-secret"))
        await ended(database, await task(database, "fail sesame-secret"))
    captured = capsys.readouterr()
    assert "sesame-secret" not in captured.out + captured.err
    assert "a2a.reached" in captured.out + captured.err


async def test_a_client_of_ours_and_an_agent_elsewhere_speak_through_us(database):
    async with (
        serving(database) as url,
        elsewhere() as there,
        bridged(database),
        official(url, "HTTP+JSON", streaming=False) as client,
    ):
        await known(database, there)
        asked = await sent(client, asking("ask me"))
        assert asked.status.state == state("INPUT_REQUIRED")
        assert texts(asked.status.message.parts) == ["which one?"]
        done = await sent(client, asking("echo this one", task_id=asked.id))
        assert done.status.state == state("COMPLETED")
        assert texts(done.artifacts[-1].parts) == ["did echo this one"]
        assert done.artifacts[-1].name == "report"
    first, second = there.doer.heard
    assert second.task_id == first.task_id
