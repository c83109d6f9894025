"""The edge of the server, as plain ASGI: what every request meets before any route.

A number for each request, its language, one line in the log, its measures; no NUL in its address, no body
larger than its route takes; and an answer even for an error that nobody foresaw.
"""

import re
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dure import logs
from dure.errors import DureError, Invalid
from dure.http import problems
from dure.http.services import Services
from dure.ids import uuid7
from dure.lang import pick

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
"""Use `fullmatch`: a number that a client chose goes into the log."""
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
BULK_BYTES_MAX = 33_554_432
ENVELOPE_BYTES_MAX = 65_536
"""What a job may need besides its parameters."""
REGISTRATION_BYTES_MAX = 65_536
"""What an agent may say of itself."""


class Edge:
    """Middleware: numbers, logs and measures requests, and answers errors that come from anywhere below."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._log = logs.get("http")
        self._requests = services.metrics.counter(
            "dure_http_requests_total", "HTTP requests by route and status", ["method", "route", "status"]
        )
        self._seconds = services.metrics.histogram(
            "dure_http_request_seconds", "Time until the answer was sent", ["method", "route"]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if REQUEST_ID.fullmatch(request_id) is None:
            request_id = uuid7()
        # A copy: the server may share the state of its lifespan between requests.
        scope["state"] = {
            **scope.get("state", {}),
            "request_id": request_id,
            "lang": pick(headers.get("accept-language")),
        }
        answer = _Answer(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                _require_no_nul(scope)
                await self._app(scope, receive, answer.send)
            except DureError as error:
                await self._say(error, scope, receive, answer)
            except ClientDisconnect:
                # In the middle of its own words: there is nobody to be answered, and nothing that went wrong here.
                self._log.info("http.client_gone", method=scope["method"], path=scope["path"])
            except Exception:
                self._log.exception("http.failed", method=scope["method"], path=scope["path"])
                await self._say(DureError(), scope, receive, answer)
            finally:
                self._note(scope, answer.status, time.monotonic() - began_s)

    async def _say(self, error: DureError, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if answer.status is None:
            await problems.respond(scope, error)(scope, receive, answer.send)
        elif not answer.complete:
            # Too late for another answer: cut the connection, so that the client does not take half for the
            # whole.
            raise error

    def _note(self, scope: Scope, status: int | None, took_s: float) -> None:
        route = _route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.add(1, method, route, str(status or 0))
        self._seconds.observe(took_s, method, route)
        write = self._log.debug if scope["path"] in QUIET_PATHS else self._log.info
        principal = scope["state"].get("principal")
        write(
            "http.request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            took_ms=round(took_s * 1000, 1),
            actor=principal.actor if principal else None,
            client=(scope.get("client") or [None])[0],
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Answer:
    """What was sent of an answer; adds the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None
        self.complete = False

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)


class BodyLimit:
    """Middleware: stops reading a body that is larger than its route takes, its length told or not."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._single_bytes_max = services.settings.payload_bytes_max + ENVELOPE_BYTES_MAX
        self._bulk_bytes_max = max(BULK_BYTES_MAX, self._single_bytes_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._bytes_max(scope["path"])
        said = Headers(scope=scope).get("content-length", "")
        if said.isdigit() and int(said[:20]) > max_bytes:
            raise problems.TooLarge(max_bytes=max_bytes)
        read_bytes = 0

        async def limited() -> Message:
            nonlocal read_bytes
            message: MutableMapping[str, Any] = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > max_bytes:
                raise problems.TooLarge(max_bytes=max_bytes)
            return message

        await self._app(scope, limited, send)

    def _bytes_max(self, path: str) -> int:
        if path == "/v1/agents":
            return REGISTRATION_BYTES_MAX
        if path == "/v1/tasks" or path.endswith("/bulk"):
            return self._bulk_bytes_max
        return self._single_bytes_max


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "-"))


def _require_no_nul(scope: Scope) -> None:
    if "\x00" in scope["path"]:
        raise Invalid(field="path", reason="nul_byte")
    if b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        field = next((name for name, value in pairs if "\x00" in value and "\x00" not in name), "query")
        raise Invalid(field=field[:200], reason="nul_byte")
