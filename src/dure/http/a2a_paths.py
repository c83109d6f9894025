"""Where a request of A2A goes: to whichever agent, or to one; for the key's tenant, or one that the path names.

    /a2a/v1/…                       /a2a/agents/{id}/v1/…
    /a2a/v1/{tenant}/…              /a2a/agents/{id}/v1/{tenant}/…

All are the routes of the first, and the rest is remembered beside the request: an id may hold slashes, and there would
be four times the routes.
"""

import re
from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

ROOT = "/a2a/v1"
_PATH = re.compile(
    r"/a2a(?:/agents/(?P<agent_id>.+))?/v1(?:/(?P<tenant>[^/]+))??"
    r"(?P<rest>/(?:rpc|message:[a-z]+|tasks|tasks/.+|extendedAgentCard))"
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says beside the operation. Example: `place_of(request).agent_id`."""

    agent_id: str | None = None
    tenant: str | None = None


class Places:
    """Middleware that brings every address of A2A to one set of routes. Example: `app.add_middleware(Places)`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = scope.get("path", "")
        found = _PATH.fullmatch(asked) if asked.startswith("/a2a/") else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["state"]["a2a"] = Place(found["agent_id"], found["tenant"])
        scope["path"] = ROOT + found["rest"]
        try:
            await self._app(scope, receive, send)
        finally:
            # The log shows what was asked for.
            scope["path"] = asked


def place_of(request: Request) -> Place:
    """Answer what the path of a request says beside the operation."""
    return getattr(request.state, "a2a", None) or Place()
