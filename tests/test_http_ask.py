"""Asking with a sentence: what is found is shown, what is confirmed is done, and a lost connection loses nothing."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from dure.intents import intent
from dure.intents.catalogue import Catalogue
from dure.intents.keeping import prune
from dure.intents.model import Declaration
from dure.intents.offering import Offers
from dure.intents.patterns import Patterns
from dure.intents.requests import Intents
from dure.runtime.web import HttpServer, bind
from engine import Engine
from intending import ALL, Number, allow, working
from queueing import TENANT, one, rows, settings, until
from web import Web, problem

MISSING = "00000000-0000-7000-8000-000000000000"
REGISTER = Declaration(
    key="test.exec.register",
    title={"en": "Register a student", "ko": "학생 등록"},
    ask="operator",
    examples={"en": ("register a student", "add a new student"), "ko": ("학생 등록해줘", "새 학생을 등록해줘")},
)


@intent(REGISTER)
class Register:
    Params = Number

    async def answer(self, params, ctx):
        return {"registered": params.n}


def known():
    """The intents of the tests and one more, which a worker finds by its name."""
    return Catalogue({REGISTER.key: replace(REGISTER, target=f"{__name__}:Register")}, ALL)


def web_of(database):
    web, catalogue = Web(Engine(database)), known()
    web.services = web.app.state.services = replace(
        web.services,
        intents=Intents(database, settings(), catalogue),
        offers=Offers(database, catalogue),
        patterns=Patterns(database, settings(), catalogue),
    )
    return web


@pytest.fixture
def web(database):
    return web_of(database)


@pytest.fixture
async def http(web):
    async with web.client(**{"Dure-Tenant": TENANT}) as client:
        yield client


def events_of(text):
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


async def ask(http, sentence, confirm=None, **headers):
    body = {"sentence": sentence, **({"confirm": confirm} if confirm else {})}
    async with asyncio.timeout(20):
        answer = await http.post("/v1/intents/ask", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


REGISTERED = {"intent_key": REGISTER.key, "params": {"n": 7}}


class TestASentence:
    @pytest.mark.parametrize("sentence", ["학생 등록해줘", "register a student"])
    async def test_is_answered_with_candidates_and_nothing_is_done(self, http, database, sentence):
        await allow(database)
        events = await ask(http, sentence)
        assert [(no, kind) for no, kind, _ in events] == [(1, "status"), (2, "candidates"), (9, "done")]
        first, *_ = events[1][2]["candidates"]
        assert (first["intent_key"], first["missing"]) == (REGISTER.key, [])
        assert 0.5 < first["confidence"] <= 1
        assert first["reason"]
        assert len(events[1][2]["candidates"]) <= 3
        assert await one(database, "select count(*) from dure.job") == 0
        assert await one(database, "select count(*) from dure.intent_request") == 0

    @pytest.mark.parametrize("sentence", ["ㅁ", "a", "...", "qwxz vbnm"])
    async def test_noise_finds_nothing(self, http, sentence):
        events = await ask(http, sentence)
        assert events[1][2]["candidates"] == []
        assert events[-1][1] == "done"

    async def test_is_answered_in_the_readers_language(self, http):
        english = (await ask(http, "학생 등록해줘", **{"Accept-Language": "en"}))[1][2]["candidates"][0]
        korean = (await ask(http, "학생 등록해줘", **{"Accept-Language": "ko"}))[1][2]["candidates"][0]
        assert (english["title"], korean["title"]) == ("Register a student", "학생 등록")
        assert english["reason"] != korean["reason"]

    async def test_what_cannot_be_asked_is_an_error_and_no_stream(self, http):
        for given, field in (("", "sentence"), ("   ", "sentence"), ("x" * 2001, "sentence")):
            answer = await http.post("/v1/intents/ask", json={"sentence": given})
            assert [*problem(answer, 422, "invalid")] == [field]
        body = {"sentence": "학생 등록해줘", "confirm": {"intent_key": REGISTER.key, "params": {"n": "x"}}}
        assert [*problem(await http.post("/v1/intents/ask", json=body), 422, "invalid")] == ["params.n"]
        body["confirm"] = {"intent_key": "no.such", "params": {}}
        problem(await http.post("/v1/intents/ask", json=body), 404, "not_found")


class TestWhatIsConfirmed:
    async def test_is_done_and_its_result_told(self, http, database):
        await allow(database)
        async with working(database, known()):
            events = await ask(http, "학생 등록해줘", REGISTERED)
        assert [(no, kind) for no, kind, _ in events] == [
            (1, "status"), (2, "candidates"), (3, "status"), (4, "status"), (6, "result"), (9, "done")
        ]  # fmt: skip
        assert events[-2][2]["request"]["result"] == {"registered": 7}
        assert events[-1][2]["request"]["source"] == "ask"
        # The pattern that found it was of use.
        used = await rows(database, "select usage_count, success_count from dure.intent_pattern where usage_count > 0")
        assert used == [(1, 1)]

    async def test_of_one_that_writes_the_plan_is_told(self, http, database):
        await rows(database, "create table public.thing (id int primary key, name text)")
        await rows(database, "insert into public.thing values (1, 'a'), (2, 'b')")
        await allow(database, approval=False)
        confirm = {"intent_key": "test.exec.rename", "params": {"name": "z"}}
        async with working(database):
            events = await ask(http, "rename all things", confirm)
        kinds = {kind: data for _, kind, data in events}
        assert kinds["plan"]["run"]["counts"]["update"] == 2
        assert (kinds["result"]["request"]["result"]["state"], kinds["done"]["state"]) == ("applied", "completed")

    async def test_what_waits_for_a_person_says_so(self, http, database):
        await allow(database)
        events = await ask(http, "rename all things", {"intent_key": "test.exec.rename", "params": {}})
        assert [(no, kind) for no, kind, _ in events] == [
            (1, "status"), (2, "candidates"), (3, "status"), (9, "done")
        ]  # fmt: skip
        assert events[-1][2]["state"] == "waiting"
        assert await one(database, "select count(*) from dure.job") == 0

    async def test_what_is_refused_ends_with_the_reason(self, http, database):
        events = await ask(http, "학생 등록해줘", REGISTERED)
        no, kind, data = events[-1]
        assert (no, kind, data["status"], data["code"]) == (9, "error", 403, "refused")
        assert data["errors"][0]["code"] == "intent_no_policy"
        await allow(database, cap_per_day=0)
        _, kind, data = (await ask(http, "학생 등록해줘", REGISTERED))[-1]
        assert (kind, data["status"], data["errors"][0]["code"]) == ("error", 429, "cap_reached")
        assert await one(database, "select count(*) from dure.intent_request") == 0
        assert await one(database, "select count(*) from dure.intent_pattern where usage_count > 0") == 0

    async def test_what_fails_ends_with_the_error(self, http, database):
        await allow(database)
        async with working(database):
            events = await ask(http, "x y z", {"intent_key": "test.get.swallows", "params": {}})
        _, kind, data = events[-1]
        assert (kind, data["state"], data["code"]) == ("error", "failed", "ReturnedError")

    async def test_a_double_click_is_done_once(self, http, database):
        await allow(database)
        async with working(database, known()):
            key = {"Idempotency-Key": "click"}
            both = [await ask(http, "학생 등록해줘", REGISTERED, **key) for _ in range(2)]
        assert both[0][-1][2]["ask_id"] == both[1][-1][2]["ask_id"]
        assert [event[:2] for event in both[0]] == [event[:2] for event in both[1]]
        assert await one(database, "select count(*) from dure.intent_request") == 1


@asynccontextmanager
async def serving(web):
    server = HttpServer(web.app, bind("127.0.0.1", 0), stopping=web.services.stopping)
    await server.start()
    try:
        headers = {"Dure-Tenant": TENANT}
        url = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=url, timeout=10, headers=headers) as http:
            yield http
    finally:
        await server.stop()


async def read_until(answer, no):
    """Read a stream up to an event, and leave it."""
    text = ""
    async with asyncio.timeout(10):
        async for piece in answer.aiter_text():
            text += piece
            if any(event[0] == no for event in events_of(text)):
                break
    return events_of(text)


class TestALostConnection:
    async def test_loses_nothing_and_repeats_nothing(self, web, database):
        await allow(database)
        body = {"sentence": "학생 등록해줘", "confirm": REGISTERED}
        async with serving(web) as http:
            async with http.stream("POST", "/v1/intents/ask", json=body) as answer:
                first = await read_until(answer, 3)
            assert [event[0] for event in first] == [1, 2, 3]
            # Away; things go on.
            url = f"/v1/intents/asks/{first[0][2]['ask_id']}/events"
        # Another server, as after a deploy.
        async with serving(web_of(database)) as http, working(database, known()):
            async with http.stream("GET", url, headers={"Last-Event-ID": "3"}) as answer:
                rest = await read_until(answer, 9)
            assert [event[0] for event in rest] == [4, 6, 9]
            assert rest[1][2]["request"]["result"] == {"registered": 7}
            over = await http.get(url, headers={"Last-Event-ID": "9"})
            assert (over.status_code, over.content) == (204, b"")
            whole = events_of((await http.get(url)).text)
            assert [event[0] for event in whole] == [1, 2, 3, 4, 6, 9]
        assert await one(database, "select count(*) from dure.intent_request") == 1

    async def test_errors_come_before_the_stream(self, web, http, database):
        problem(await http.get(f"/v1/intents/asks/{MISSING}/events"), 404, "not_found")
        problem(await http.get("/v1/intents/asks/x/events"), 404, "not_found")
        ask_id = (await ask(http, "학생 등록해줘"))[0][2]["ask_id"]
        url = f"/v1/intents/asks/{ask_id}/events"
        answer = await http.get(url, headers={"Last-Event-ID": "7"})
        assert [*problem(answer, 422, "invalid")] == ["Last-Event-ID"]
        key = await web.key("admin", "other")
        async with web.client(key) as other:
            problem(await other.get(url), 404, "not_found")

    async def test_what_runs_for_long_is_not_followed_for_ever(self, http, database):
        await allow(database)
        asking = asyncio.create_task(ask(http, "학생 등록해줘", REGISTERED))
        async with asyncio.timeout(10):
            earlier = "update dure.intent_ask set created_at = created_at - interval '1 hour' returning id"
            await until(lambda: rows(database, earlier))
            events = await asking
        assert (events[-1][1], events[-1][2]["state"]) == ("done", "pending")

    async def test_what_was_asked_is_kept_for_a_day(self, http, database, clock):
        await ask(http, "학생 등록해줘")
        assert await prune(database) == 0
        clock.advance(25 * 3600)
        assert await prune(database) == 1
        assert await one(database, "select count(*) from dure.intent_ask") == 0
