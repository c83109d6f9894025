"""A judge over HTTP that says what a test wants, in the form of an OpenAI-compatible endpoint."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class JudgeServer:
    """Example: `async with JudgeServer(lambda a, b: "same") as judge: …judge.url…`; or `raw="nonsense"`."""

    def __init__(
        self, verdict: Callable[[str, str], str] | None = None, *, raw: str | None = None, status: int = 200
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append(body)
                content = raw if raw is not None else outer._answer(body, verdict)
                answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    async def __aenter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, body: dict[str, Any], verdict: Callable[[str, str], str] | None) -> str:
        lines = body["messages"][-1]["content"].splitlines()
        pairs = [json.loads(line) for line in lines if line.startswith("{")]
        say = verdict or (lambda _a, _b: "unsure")
        return json.dumps({"verdicts": [{"pair": p["pair"], "verdict": say(p["a"], p["b"])} for p in pairs]})
