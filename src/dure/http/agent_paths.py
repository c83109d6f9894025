"""Ids of agents in an address. They may hold slashes, so they are written as one part of it: `team%2Fsearch-1`.

A server is given its path decoded, where such a slash looks like any other. So it is read again as it was sent, and the
encoded slash is left as it is until the id is read.
"""

import re
from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = b"/v1/agents/"
AGENT_ID_CHARS_MAX = 200
_SLASH = re.compile(rb"%2f", re.IGNORECASE)


class SlashedIds:
    """Middleware that keeps the encoded slashes in the ids of agents. Example: `app.add_middleware(SlashedIds)`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw: bytes = scope.get("raw_path") or b""
        if raw.startswith(PREFIX) and _SLASH.search(raw):
            scope["path"] = unquote(_SLASH.sub(b"%252F", raw).decode("latin-1"))
        await self._app(scope, receive, send)


def read_id(written: str) -> str:
    """Answer the id that a part of an address names; no id holds a `%`. Example: `read_id("a%2Fb") == "a/b"`."""
    return written.replace("%2F", "/")


AgentId = Annotated[
    str,
    Path(
        description="The agent's id; a slash in it is written %2F.",
        max_length=3 * AGENT_ID_CHARS_MAX,
        examples=["research-1"],
    ),
    AfterValidator(read_id),
]
