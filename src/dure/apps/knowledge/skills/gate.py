"""What every request to a skill server passes first: who asks, from where, and how much."""

import hmac
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dure.apps.knowledge.skills.errors import SkillsError, SkillsRefused, SkillsUnauthorized, SkillTooLarge
from dure.lang import pick

BODY_BYTES_MAX = 24 * 1024 * 1024
"""A whole skill in base64, with room for what wraps it."""
PROBLEM_TYPE = "application/problem+json"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Gate:
    """Admits requests with the right token, never from a web page, and no larger than agreed.

    On loopback the name that was asked for must be this machine's: a page elsewhere may have its own name lead here.
    Example: `app = Gate(app, token="…", loopback=False)`.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, loopback: bool) -> None:
        if token is None and not loopback:
            raise SkillsRefused("token_needed")
        self._app = app
        self._token = token.encode() if token is not None else None
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._admit(headers)
        except SkillsError as error:
            await problem(error, headers)(scope, receive, send)
            return
        read_bytes = 0

        async def counted() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > BODY_BYTES_MAX:
                raise SkillTooLarge("body_too_large", max_bytes=BODY_BYTES_MAX)
            return message

        try:
            await self._app(scope, counted, send)
        except SkillTooLarge as error:
            await problem(error, headers)(scope, receive, send)

    def _admit(self, headers: Headers) -> None:
        if self._loopback and _host(headers.get("host", "")) not in LOCAL_HOSTS:
            raise SkillsRefused("host")
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            raise SkillsRefused("web_page")
        if self._token is not None:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
                raise SkillsUnauthorized("token")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > BODY_BYTES_MAX:
            raise SkillTooLarge("body_too_large", max_bytes=BODY_BYTES_MAX)


def problem(error: SkillsError, headers: Headers, **more: Any) -> JSONResponse:
    """Answer an error as a problem document in the language of the request. Example: `problem(error, headers)`."""
    content = {
        "type": f"urn:dure:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.text(pick(headers.get("accept-language"))),
        "code": error.reason,
        **more,
    }
    named = {"WWW-Authenticate": 'Bearer realm="skills"'} if isinstance(error, SkillsUnauthorized) else None
    return JSONResponse(content, error.status, named, PROBLEM_TYPE)


def _host(header: str) -> str:
    """Answer the name of a Host header without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if ":" in header else header
