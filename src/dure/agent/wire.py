"""HTTP to Dure: JSON there and back, problems as exceptions, and patience with a server that is away."""

import asyncio
from typing import Any, Self
from urllib.parse import quote

import httpx

from dure import logs
from dure.clock import Backoff

PATIENCE_S = 10.0
"""How long an answer may take that the server is not asked to wait with."""
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 15.0


class Problem(Exception):
    """The server said no: `code` is stable, `status` is HTTP's, `details` is the whole problem document.

    Example: `try: await agent.submit({}) … except Problem as problem: print(problem.code)`.
    """

    def __init__(self, status: int, details: dict[str, Any]) -> None:
        self.status = status
        self.code = str(details.get("code") or "error")
        self.details = details
        super().__init__(f"{self.code}: {details.get('detail') or status}")


class Away(Exception):
    """The server cannot be reached now, or cannot work now: ask again, after `after_s` seconds if it says so.

    Example: `except Away as away: await asyncio.sleep(away.after_s or 1)`.
    """

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Wire:
    """One server and one key. Example: `await Wire("http://127.0.0.1:8000", "dure_…").call("GET", "/v1/agents")`."""

    def __init__(self, url: str, key: str | None, tenant: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if tenant is not None:
            headers["Dure-Tenant"] = tenant
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None)
        )
        self._log = logs.get("agent")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self, method: str, path: str, body: Any = None, *, wait_s: float = 0.0, headers: dict[str, str] | None = None
    ) -> Any:
        """Ask once; raises `Problem` for a no and `Away` when there is no answer that counts."""
        try:
            answer = await self._http.request(
                method, path, json=body, timeout=httpx.Timeout(PATIENCE_S, read=wait_s + PATIENCE_S), headers=headers
            )
        except httpx.TransportError as error:
            raise Away(f"{type(error).__name__}: {error}") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Away(f"HTTP {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
        if answer.status_code >= 400:
            raise Problem(answer.status_code, _document(answer))
        return answer.json() if answer.content else None

    async def insist(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        """Ask until there is an answer, however long the server is away; raises `Problem` for a no."""
        backoff = Backoff(first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S)
        while True:
            try:
                return await self.call(method, path, body, headers=headers)
            except Away as away:
                delay_s = away.after_s if away.after_s is not None else backoff.next_s()
                self._log.warning("agent.server_away", path=path, reason=str(away), again_in_s=round(delay_s, 2))
                await asyncio.sleep(delay_s)


def path_of(agent_id: str) -> str:
    """Answer where an agent is found; its id may hold slashes. Example: `path_of("a/b") == "/v1/agents/a%2Fb"`."""
    return f"/v1/agents/{quote(agent_id, safe='')}"


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    # A proxy between may answer in its own words.
    return document if isinstance(document, dict) else {"detail": answer.text[:500]}


def _seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else min(RETRY_MAX_S, max(0.0, float(retry_after)))
    except ValueError:
        return None
