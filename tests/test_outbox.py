"""The outbox: planned before it is sent, sent once, and never said to be sent before it is."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dure.errors import Conflict, Invalid, NotFound
from dure.intents.keeping import prune
from dure.intents.model import Outgoing
from dure.intents.outbox import channels
from dure.intents.outbox.config import load
from dure.intents.outbox.store import Message, Outbox, put
from dure.queue.retry import Final, Retryable
from intending import KIM, allow, ended, intents_of, working
from queueing import TENANT, one, rows, settings, until

HELLO = Outgoing(channel="file", to="+821000000000", body="hello")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"file=file://{tmp_path}, sms=json://sms.example/{{to}}")
    return tmp_path


async def say(database, *people: str, text: str = "hello", channel: str = "file"):
    given = {"to": list(people), "text": text, "channel": channel}
    return await intents_of(database).submit(TENANT, "test.exec.say", given, KIM)


async def add(database, outgoing: Outgoing = HELLO, tenant: str = TENANT) -> tuple[str, bool]:
    async with database.system_tx() as tx:
        return await put(tx, tenant, outgoing)


async def sent(database, message_id: str, state: str = "sent"):
    async def is_so():
        found = await Outbox(database).get(None, message_id)
        return found if found.state == state else None

    return await until(is_so)


async def test_an_intent_sends_to_each_of_its_targets(database, folder):
    await allow(database)
    async with working(database):
        found = await ended(database, await say(database, "ann", "ben"))
        assert (found.state, found.result["done"]) == ("completed", 2)
        await until(lambda: len(list(folder.glob("*.json"))) == 2)
    page = await Outbox(database).list(TENANT, request_id=found.id)
    assert {(one.to, one.state, one.target) for one in page.items} == {("ann", "sent", "ann"), ("ben", "sent", "ben")}
    said = {json.loads(file.read_text())["to"] for file in folder.glob("*.json")}
    assert said == {"ann", "ben"}


async def test_the_same_to_the_same_is_sent_once(database, folder):
    await allow(database)
    async with working(database):
        await ended(database, await say(database, "ann", "ben"))
        again = await ended(database, await say(database, "ann", "cat"))
        await until(lambda: len(list(folder.glob("*.json"))) == 3)
    assert again.result["done"] == 2
    assert await one(database, "select count(*) from dure.outbox_message") == 3


async def test_what_makes_two_messages_the_same(database):
    first, is_new = await add(database)
    assert is_new
    assert await add(database) == (first, False)
    others = [
        Outgoing(channel="file", to="+821000000001", body="hello"),
        Outgoing(channel="mail", to="+821000000000", body="hello"),
        Outgoing(channel="file", to="+821000000000", body="hello!"),
        Outgoing(channel="file", to="+821000000000", body="hello", subject="x"),
    ]
    assert [(await add(database, other))[1] for other in others] == [True] * 4
    named, _ = await add(database, Outgoing(channel="file", to="a", body="one", dedupe="late 2026-03-02"))
    assert await add(database, Outgoing(channel="file", to="a", body="two", dedupe="late 2026-03-02")) == (named, False)
    assert (await add(database, tenant="other"))[1]
    await rows(database, "update dure.outbox_message set same_until = dure.now()")
    assert (await add(database))[1]


async def test_two_that_put_the_same_in_at_a_time(database):
    """The first is held open; the second waits for it, and finds what it put in."""
    async with database.system_tx() as tx:
        first, _ = await put(tx, TENANT, HELLO)
        late = asyncio.create_task(add(database))
        await asyncio.sleep(0.1)
        assert not late.done()
    assert await late == (first, False)


async def test_nothing_goes_out_for_a_transaction_that_is_taken_back(database, folder):
    async with working(database):
        with suppress(ZeroDivisionError):
            async with database.system_tx() as tx:
                await put(tx, TENANT, HELLO)
                raise ZeroDivisionError
        message_id, _ = await add(database, Outgoing(channel="file", to="b", body="hello"))
        await sent(database, message_id)
    assert len(list(folder.glob("*.json"))) == 1


async def test_one_that_is_not_taken_now_is_tried_again(database, folder, monkeypatch):
    tried = []

    async def send(url, message, settings):
        tried.append(message.state)
        if len(tried) == 1:
            raise Retryable("busy", after_s=0)

    monkeypatch.setattr(channels, "send", send)
    async with working(database):
        found = await sent(database, (await add(database))[0])
    assert (tried, found.tries, found.error) == (["sending", "sending"], 2, None)


async def test_one_that_is_never_taken_fails_and_may_be_sent_again_by_a_person(database, folder, monkeypatch):
    async def refuse(url, message, settings):
        raise Final("no such number")

    monkeypatch.setattr(channels, "send", refuse)
    async with working(database):
        message_id, _ = await add(database)
        found = await sent(database, message_id, "failed")
        assert (found.error, found.sent_at) == ("no such number", None)
        monkeypatch.undo()
        monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"file=file://{folder}")
        await Outbox(database).again(TENANT, message_id, actor="lee")
        await sent(database, message_id)


async def test_a_crash_between_the_call_and_its_record(database, folder, monkeypatch):
    """Where the receiver knows repeats it is called again; where not, nobody knows until a person says."""
    known, _ = await add(database)
    blind, _ = await add(database, Outgoing(channel="sms", to="+821000000000", body="hello"))
    await rows(database, "update dure.outbox_message set state = 'sending', tries = 1")
    async with working(database):
        assert (await sent(database, known)).tries == 2
        found = await sent(database, blind, "unknown")
        assert found.sent_at is None
    outbox = Outbox(database)
    with pytest.raises(Conflict):
        await outbox.cancel(TENANT, blind, actor="lee")
    decided = await outbox.was_sent(TENANT, blind, actor="lee")
    assert (decided.state, decided.decided_by) == ("sent", "lee")


async def test_a_call_whose_end_nobody_saw_is_not_made_again(database, folder, monkeypatch):
    async def vanish(url, message, settings):
        raise channels.NobodyKnows("no answer")

    monkeypatch.setattr(channels, "send", vanish)
    async with working(database):
        found = await sent(database, (await add(database))[0], "unknown")
    assert found.tries == 1


async def test_one_that_was_taken_back_is_not_sent(database, folder):
    message_id, _ = await add(database)
    await Outbox(database).cancel(TENANT, message_id, actor="lee")
    async with working(database):
        await until(
            lambda: rows(database, "select from dure.job where handler = 'dure.outbox.send' and state = 'completed'")
        )
    assert list(folder.glob("*")) == []
    # It was never sent: the same may be put in anew.
    assert (await add(database))[1]


async def test_a_channel_that_this_worker_does_not_have(database, folder):
    async with working(database):
        message_id, _ = await add(database, Outgoing(channel="fax", to="1", body="hello"))
        found = await sent(database, message_id, "failed")
    assert "fax" in str(found.error)


async def test_messages_that_do_not_fit(database):
    for outgoing, field in [
        (Outgoing(channel="file", to="", body="x"), "to"),
        (Outgoing(channel="file", to="a", body=""), "body"),
        (Outgoing(channel="file", to="a", body="x" * 20_001), "body"),
    ]:
        with pytest.raises(Invalid) as caught:
            await add(database, outgoing)
        assert caught.value.field == field
    with pytest.raises(NotFound):
        await Outbox(database).get("other", (await add(database))[0])


def test_channels_are_settings(monkeypatch):
    monkeypatch.setenv("DURE_OUTBOX_CHANNELS", "a=https://x.example/{to},b=mailtos://u:p@h.example?to={to}&cc=a,b")
    assert [channels.url_of(load(), name)[:8] for name in ("a", "b")] == ["https://", "mailtos:"]
    assert "u:p" not in repr(load())
    for wrong in ("a", "a=b", "a=x://y,a=x://z", "A=x://y"):
        monkeypatch.setenv("DURE_OUTBOX_CHANNELS", wrong)
        with pytest.raises(Invalid) as caught:
            load()
        assert caught.value.field == "DURE_OUTBOX_CHANNELS"


def test_recipients_cannot_leave_their_place(folder, monkeypatch):
    seen = []

    async def send(url, words, allowed):
        seen.append(url.get_secret_value())

    monkeypatch.setattr(channels.apprise, "send", send)
    message = Message(
        "1",
        "t",
        None,
        None,
        "sms",
        "1/../admin?x=1&to=2",
        "",
        "b",
        "sending",
        None,
        1,
        None,
        datetime.now(UTC),
        None,
        None,
        None,
    )
    asyncio.run(channels.send("twilio://a:b@c/{to}", message, settings()))
    assert seen == ["twilio://a:b@c/1%2F..%2Fadmin%3Fx%3D1%26to%3D2"]


async def test_old_messages_are_removed_but_not_those_of_which_nobody_knows(database):
    sent_one, _ = await add(database)
    blind, _ = await add(database, Outgoing(channel="sms", to="1", body="x"))
    became = "update dure.outbox_message set state = %s, sent_at = %s"
    aged = f"{became}, id = dure.uuid7_at(dure.now() - %s::interval) where id = %s"
    now = datetime.now(UTC)
    await rows(database, aged, ["sent", now, "91 days", sent_one])
    await rows(database, aged, ["unknown", None, "92 days", blind])
    assert await prune(database) == 0
    await rows(database, "update dure.outbox_message set same_until = dure.now()")
    assert await prune(database) == 1
    assert await rows(database, "select state from dure.outbox_message") == [("unknown",)]
