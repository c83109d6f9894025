"""A model that writes advice, over any OpenAI-compatible endpoint.

Each user is one request. What goes wrong with one is that user's failure; the others go on. No error ever quotes what
was asked or answered: it is health data, and errors are stored and logged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from dure.apps.interventions import prompt
from dure.apps.interventions.config import InterventionSettings
from dure.apps.interventions.generator import Allowance, Answer, Ask, Unwritten
from dure.errors import Invalid

ANSWER_BYTES_MAX = 1_000_000
ATTEMPTS_MAX = 3
RETRY_AFTER_MAX_S = 30.0
FAILURES_MAX = 5
"""After so many users in a row without an answer the rest of a slice is not asked for."""
TOKENS_A_REQUEST = 1_700
"""What a request may cost, by which a run's budget is shared out; see `prompt.tokens`."""

Pause = Callable[[float], Awaitable[Any]]


@dataclass(slots=True)
class Pace:
    """How often requests begin, for all slices of this process. Example: `await Pace(5.0).turn(asyncio.sleep)`."""

    per_s: float
    _next_s: float = 0.0

    async def turn(self, pause: Pause) -> None:
        """Return when the next request may begin."""
        now_s = time.monotonic()
        begin_s = max(now_s, self._next_s)
        self._next_s = begin_s + 1.0 / self.per_s
        if begin_s > now_s:
            await pause(begin_s - now_s)


@dataclass(slots=True)
class Purse:
    """What a slice may still spend: reserved before a request, settled when its cost is known.

    Example: `Purse.of(Allowance(requests=10, tokens=20_000)).reserve(1_500)`.
    """

    requests: float
    tokens: float
    failures: int = 0

    @classmethod
    def of(cls, allowance: Allowance) -> "Purse":
        """Answer a purse with all that a slice may spend."""
        no_limit = float("inf")
        requests, tokens = allowance.requests, allowance.tokens
        return cls(no_limit if requests is None else requests, no_limit if tokens is None else tokens)

    @property
    def hopeless(self) -> bool:
        """Whether too many got no answer, one after the other."""
        return self.failures >= FAILURES_MAX

    def reserve(self, tokens: int) -> bool:
        """Take one request with so many tokens, or answer that there is no room for it."""
        if self.requests < 1 or self.tokens < tokens:
            return False
        self.requests -= 1
        self.tokens -= tokens
        return True

    def settle(self, reserved: int, cost: int | None) -> None:
        """Give back what a request did not cost."""
        if cost is not None:
            self.tokens += reserved - cost


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint and a model of it. Example: `Endpoint(base_url="http://127.0.0.1:11434/v1", model="qwen3:8b")`."""

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    concurrency: int = 4
    pace: Pace = field(default_factory=lambda: Pace(5.0), compare=False)
    pause: Pause = field(default=asyncio.sleep, repr=False, compare=False)
    _gates: dict[Any, asyncio.Semaphore] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.model:
            raise Invalid(field="DURE_INTERVENTIONS_MODEL", reason="missing")

    @classmethod
    def of(cls, settings: InterventionSettings) -> "Endpoint":
        """Make one of the settings."""
        return cls(
            base_url=settings.url or "",
            model=settings.model or "",
            api_key=settings.key.get_secret_value() if settings.key is not None else "",
            timeout_s=settings.timeout_s,
            concurrency=settings.concurrency,
            pace=Pace(settings.requests_per_s),
        )

    async def write(self, asks: Sequence[Ask], allowance: Allowance) -> list[Answer]:
        """Answer for every user, in order, advice or why there is none. Never raises for what the endpoint does."""
        purse = Purse.of(allowance)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with httpx.AsyncClient(timeout=self.timeout_s, headers=headers, follow_redirects=False) as client:

            async def one(ask: Ask) -> Answer:
                async with self._gate():
                    return await self._write(client, ask, purse)

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(ask)) for ask in asks]
        return [task.result() for task in tasks]

    def _gate(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        return self._gates.setdefault(loop, asyncio.Semaphore(self.concurrency))

    async def _write(self, client: httpx.AsyncClient, ask: Ask, purse: Purse) -> Answer:
        body = prompt.request(self.model, ask)
        answer: Answer = Unwritten("endpoint_unavailable")
        for attempt in range(ATTEMPTS_MAX):
            reserved = prompt.tokens(body)
            if purse.hopeless:
                break
            if not purse.reserve(reserved):
                return Unwritten("endpoint_budget_used")
            await self.pace.turn(self.pause)
            reply = await self._post(client, body)
            if reply.text is not None:
                answer, cost = prompt.read(reply.text, ask, self.model)
                purse.settle(reserved, cost)
                purse.failures = 0
                return answer
            if reply.plainer and "response_format" in body:
                body = {name: value for name, value in body.items() if name != "response_format"}
                continue
            answer = Unwritten(reply.error, reply.detail)
            if not reply.again:
                break
            if attempt + 1 < ATTEMPTS_MAX:
                await self.pause(min(RETRY_AFTER_MAX_S, reply.after_s or 2.0**attempt))
        purse.failures += 1
        return answer

    async def _post(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> "_Reply":
        address = self.base_url.rstrip("/") + "/chat/completions"
        try:
            async with asyncio.timeout(self.timeout_s), client.stream("POST", address, json=body) as response:
                if response.status_code != httpx.codes.OK:
                    return _refused(response)
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        return _Reply(error="answer_too_long")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # The class alone: what such an error says may quote the request.
            return _Reply(error="endpoint_unavailable", detail=type(error).__name__, again=True)
        return _Reply(text=bytes(content))


@dataclass(frozen=True, slots=True)
class _Reply:
    text: bytes | None = field(default=None, repr=False)
    error: str = ""
    detail: str = ""
    again: bool = False
    plainer: bool = False
    after_s: float | None = None


def _refused(response: httpx.Response) -> _Reply:
    detail = f"HTTP {response.status_code}"
    match response.status_code:
        case 400 | 422:
            # Some endpoints know no JSON schema; the prompt asks for the same form in words.
            return _Reply(error="endpoint_refused", detail=detail, plainer=True)
        case 408 | 429 | 500 | 502 | 503 | 504 | 529:
            return _Reply(error="endpoint_unavailable", detail=detail, again=True, after_s=_after_s(response))
        case _:
            return _Reply(error="endpoint_refused", detail=detail)


def _after_s(response: httpx.Response) -> float | None:
    try:
        asked_s = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return asked_s if 0 <= asked_s < float("inf") else None
