"""A model endpoint that speaks the real protocol over HTTP and answers as a test tells it to."""

import asyncio
import json
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response

from dure.apps.knowledge.finding import Judge


class Endpoint:
    """Collects requests; `answer(pairs)` makes the message, or a `Response` in its place."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.requests = []
        self.keys = []
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._complete)

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("authorization"))
        said = self.answer(pairs_of(body))
        if isinstance(said, Response):
            return said
        message = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": message}}
        return Response(json.dumps({"choices": [choice]}), media_type="application/json")


def pairs_of(body):
    """The numbered pairs as a model reads them: the lines within the fence."""
    lines = body["messages"][1]["content"].split("\n")
    assert lines[0] == lines[-1]
    return [json.loads(line) for line in lines[1:-1]]


def all_say(verdict):
    return lambda pairs: {"verdicts": [{"pair": pair["pair"], "verdict": verdict} for pair in pairs]}


async def no_pause(seconds):
    """Waiting is a matter of the judge's own; what it waits for is asserted by what it asks."""


@asynccontextmanager
async def serving(answer, **settings):
    endpoint = Endpoint(answer)
    config = uvicorn.Config(endpoint.app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    given = {"api_key": "secret-key", "pause": no_pause, **settings}
    try:
        yield endpoint, Judge(base_url=f"http://127.0.0.1:{port}/v1", model="test-model", **given)
    finally:
        server.should_exit = True
        await task
