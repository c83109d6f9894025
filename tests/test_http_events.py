import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from dure.http import sse
from dure.queue.views import JobEvent
from dure.runtime.web import HttpServer, bind
from engine import Engine
from waiting import until
from web import Web, problem


@pytest.fixture
async def web(database):
    engine = Engine(database)
    await engine.declare()
    await engine.register()
    return Web(engine)


@asynccontextmanager
async def serving(web):
    server = HttpServer(web.app, bind("127.0.0.1", 0), stopping=web.services.stopping)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as http:
            yield server, http
    finally:
        await server.stop()


class Stream:
    """Reads events off an answer, one at a time."""

    def __init__(self, answer):
        self._lines = answer.aiter_lines()

    async def next(self):
        event = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name in ("id", "event", "data"):
                    event[name] = json.loads(value) if name == "data" else value
                elif not line and event:
                    return event
        return None


async def test_a_lost_connection_misses_nothing_and_repeats_nothing(web):
    job_id = await web.engine.enqueue()
    path = f"/v1/jobs/{job_id}/events"
    async with serving(web) as (_, http):
        async with http.stream("GET", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            stream = Stream(answer)
            assert (await stream.next())["data"]["state"] == "pending"
            (held,) = await web.engine.claim()
            assert (await stream.next())["data"]["state"] == "processing"
            await web.engine.log(job_id, "one")
            last = await stream.next()
            assert last["data"]["message"] == "one"
        # Away; things go on.
        await web.engine.log(job_id, "two")
        await web.engine.settle(held, "retried", error_class="Timeout", error="slow")
        async with http.stream("GET", path, headers={"Last-Event-ID": last["id"]}) as answer:
            stream = Stream(answer)
            assert (await stream.next())["data"]["message"] == "two"
            assert (await stream.next())["data"]["state"] == "pending"
            (held,) = await web.engine.claim()
            await web.engine.progress(job_id, 1, 2)
            await web.engine.complete(held, {"ok": True})
            kinds, event = [], await stream.next()
            while event is not None:
                kinds, last, event = [*kinds, event["event"]], event, await stream.next()
            assert kinds[-1] == "end"
            assert set(kinds) == {"state", "progress", "end"}
            assert last["data"]["result"] == {"ok": True}
        over = await http.get(path, headers={"Last-Event-ID": last["id"]})
        assert (over.status_code, over.content) == (204, b"")


async def test_a_client_that_leaves_is_forgotten(web):
    job_id = await web.engine.enqueue()
    open_watches = 0
    watch = web.services.jobs.watch

    async def counted(*args, **kwargs):
        nonlocal open_watches
        open_watches += 1
        try:
            async for event in watch(*args, **kwargs):
                yield event
        finally:
            open_watches -= 1

    object.__setattr__(web.services.jobs, "watch", counted)
    async with serving(web) as (_, http):
        async with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            await Stream(answer).next()
            assert open_watches == 1
        await until(lambda: open_watches == 0)
        assert (await http.get("/healthz")).status_code == 200


async def test_streams_end_when_the_server_stops(web):
    job_id = await web.engine.enqueue()
    async with serving(web) as (server, http), http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        stream = Stream(answer)
        await stream.next()
        stopping = asyncio.create_task(server.stop())
        assert await stream.next() is None
        async with asyncio.timeout(2):
            await stopping


async def test_errors_come_before_the_stream(web):
    job_id = await web.engine.enqueue()
    async with web.client() as http:
        problem(await http.get("/v1/jobs/00000000-0000-7000-8000-000000000000/events"), 404, "not_found")
        answer = await http.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "nonsense"})
        assert problem(answer, 422, "invalid") == {"Last-Event-ID": "wrong_format"}


async def test_while_nothing_happens_there_is_a_sign_of_life():
    async def events():
        await asyncio.sleep(0.15)
        yield JobEvent("1r.0.0", "log", {"message": "two\nlines 한글"})

    answer = sse.respond(events(), asyncio.Event(), heartbeat_s=0.04)
    chunks = [chunk async for chunk in answer.body_iterator]
    assert chunks[0] == b"retry: 2000\n\n"
    assert chunks[1:-1]
    assert set(chunks[1:-1]) == {b": still here\n\n"}
    assert chunks[-1].decode() == 'id: 1r.0.0\nevent: log\ndata: {"message":"two\\nlines 한글"}\n\n'


async def test_a_large_body_is_refused_by_the_real_server_too(web):
    async with serving(web) as (_, http):

        async def chunks():
            for _ in range(60):
                yield b" " * 10_000

        headers = {"Content-Type": "application/json"}
        problem(await http.post("/v1/jobs", content=chunks(), headers=headers), 413, "too_large")
        problem(await http.post("/v1/jobs", content=b" " * 600_000, headers=headers), 413, "too_large")
        assert (await http.get("/healthz")).status_code == 200
