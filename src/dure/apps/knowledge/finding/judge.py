"""A model that says of two texts whether they mean the same, over any OpenAI-compatible endpoint.

Its answers are checked and never trusted: an answer that is not exactly one known verdict for each pair that was asked
is worth nothing, and its pairs stay as they were. The worst that a hostile text can reach is a wrong verdict about its
own pair; it can name no record, since the model never sees an id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx

from dure.apps.knowledge.finding import prompt
from dure.apps.knowledge.finding.texts import digest
from dure.errors import Invalid

Verdict = Literal["same", "different", "unsure", "contradicts"]

PAIRS_PER_CALL = 8
TEXT_CHARS_MAX = 2_000
CALL_CHARS_MAX = 16_000
ANSWER_BYTES_MAX = 1_000_000
ATTEMPTS_MAX = 3
RETRY_AFTER_MAX_S = 30.0
FAILURES_MAX = 3
"""After so many calls in a row without an answer the endpoint is left alone."""
CACHE_ENTRIES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, or the reason why there is none: a key in `[knowledge.reasons]`."""

    verdict: Verdict | None
    reason: str = ""


class Cache(Protocol):
    """Where verdicts are kept between runs, by a key that names model, prompt and both texts."""

    async def get(self, keys: Sequence[str]) -> Mapping[str, Verdict]:
        """Answer the verdicts that are known."""
        ...

    async def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep verdicts."""
        ...


class MemoryCache:
    """Verdicts for the life of this process, the oldest forgotten first. Example: `Judge(…, cache=MemoryCache())`."""

    def __init__(self, entries_max: int = CACHE_ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._verdicts: dict[str, Verdict] = {}

    async def get(self, keys: Sequence[str]) -> Mapping[str, Verdict]:
        """Answer the verdicts that are known."""
        return {key: self._verdicts[key] for key in keys if key in self._verdicts}

    async def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep verdicts."""
        self._verdicts.update(verdicts)
        for key in list(self._verdicts)[: max(0, len(self._verdicts) - self._entries_max)]:
            del self._verdicts[key]


@dataclass(slots=True)
class Budget:
    """What may still be spent: every request counts, a repeated one too. Example: `Budget(200, 2_000_000)`."""

    calls_max: int
    chars_max: int
    calls: int = 0
    chars: int = 0

    def spend(self, chars: int) -> bool:
        """Take one call with so many characters, or answer that there is no room for it."""
        if self.calls + 1 > self.calls_max or self.chars + chars > self.chars_max:
            return False
        self.calls += 1
        self.chars += chars
        return True


@dataclass(slots=True)
class _State:
    budget: Budget
    failures: int = 0

    @property
    def hopeless(self) -> bool:
        return self.failures >= FAILURES_MAX


@dataclass(frozen=True, slots=True)
class _Batch:
    places: tuple[int, ...]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """An endpoint and a model of it.

    Example: `Judge(base_url="http://127.0.0.1:11434/v1", model="qwen3:8b")`.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    concurrency: int = 4
    cache: Cache = field(default_factory=MemoryCache, compare=False)
    pause: Callable[[float], Awaitable[Any]] = field(default=asyncio.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        if urlsplit(self.base_url).scheme not in ("http", "https") or not urlsplit(self.base_url).hostname:
            raise Invalid(field="base_url", reason="wrong_format", expected="https://host/v1")
        if not self.model:
            raise Invalid(field="model", reason="missing")
        for name, value, most in (("concurrency", self.concurrency, 64), ("timeout_s", self.timeout_s, 600)):
            if not 0 < value <= most:
                raise Invalid(field=name, reason="out_of_range", min=1, max=most)

    async def ask(self, pairs: Sequence[tuple[str, str]], budget: Budget) -> list[Answer]:
        """Answer for every pair, in order, a verdict or why there is none. Never raises for what the endpoint does.

        Example: `await judge.ask([("환불은 7일 안에", "Refunds within 7 days")], Budget(10, 100_000))`.
        """
        ordered = [(min(pair), max(pair)) for pair in pairs]
        keys = [self.key(*pair) for pair in ordered]
        known = await self.cache.get(keys)
        answers = [Answer(known.get(key), "" if key in known else "judge_too_long") for key in keys]
        open_places = [place for place, key in enumerate(keys) if key not in known]
        state = _State(budget)
        gate = asyncio.Semaphore(self.concurrency)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with httpx.AsyncClient(timeout=self.timeout_s, headers=headers, follow_redirects=False) as client:

            async def run(batch: _Batch) -> None:
                async with gate:
                    found = await self._call(client, batch, state)
                for place, answer in zip(batch.places, found, strict=True):
                    answers[place] = answer

            async with asyncio.TaskGroup() as group:
                for batch in _batches(ordered, open_places):
                    group.create_task(run(batch))
        fresh = {keys[place]: answers[place].verdict for place in open_places}
        await self.cache.put({key: verdict for key, verdict in fresh.items() if verdict is not None})
        return answers

    def key(self, one: str, other: str) -> str:
        """Answer the name of a verdict: another model, prompt or text is another verdict.

        Example: `judge.key("a", "b") == judge.key("b", "a")`.
        """
        parts = (self.model, prompt.VERSION, *sorted((one, other)))
        return digest("".join(f"{len(part)}:{part}" for part in parts))

    async def _call(self, client: httpx.AsyncClient, batch: _Batch, state: _State) -> list[Answer]:
        body = prompt.request(self.model, batch.pairs)
        reason = "judge_unavailable"
        for attempt in range(ATTEMPTS_MAX):
            if state.hopeless:
                reason = "judge_unavailable"
                break
            if not state.budget.spend(prompt.chars(body)):
                reason = "judge_budget_used"
                break
            reply = await self._post(client, body)
            if reply.text is not None:
                state.failures = 0
                return _checked(reply.text, len(batch.pairs))
            if reply.plainer and "response_format" in body:
                body = {name: value for name, value in body.items() if name != "response_format"}
                continue
            reason = reply.reason
            if not reply.again:
                break
            if attempt + 1 < ATTEMPTS_MAX:
                await self.pause(min(RETRY_AFTER_MAX_S, reply.after_s or 2.0**attempt))
        if reason != "judge_budget_used":
            state.failures += 1
        return [Answer(None, reason)] * len(batch.pairs)

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
                        return _Reply(reason="judge_nonsense")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return _Reply(reason="judge_unavailable", again=True)
        return _Reply(text=bytes(content))


@dataclass(frozen=True, slots=True)
class _Reply:
    text: bytes | None = None
    reason: str = ""
    again: bool = False
    plainer: bool = False
    after_s: float | None = None


def _refused(response: httpx.Response) -> _Reply:
    match response.status_code:
        case 400 | 422:
            # Some endpoints know no JSON schema; the prompt asks for the same form in words.
            return _Reply(reason="judge_refused", plainer=True)
        case 408 | 429 | 500 | 502 | 503 | 504 | 529:
            return _Reply(reason="judge_unavailable", again=True, after_s=_after_s(response))
        case _:
            return _Reply(reason="judge_refused")


def _after_s(response: httpx.Response) -> float | None:
    try:
        asked_s = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return asked_s if 0 <= asked_s < float("inf") else None


def _batches(pairs: Sequence[tuple[str, str]], places: Sequence[int]) -> list[_Batch]:
    batches: list[_Batch] = []
    chosen: list[int] = []
    chars = 0
    for place in places:
        if max(map(len, pairs[place])) > TEXT_CHARS_MAX:
            continue
        size = sum(map(len, pairs[place]))
        if chosen and (len(chosen) == PAIRS_PER_CALL or chars + size > CALL_CHARS_MAX):
            batches.append(_Batch(tuple(chosen), tuple(pairs[number] for number in chosen)))
            chosen, chars = [], 0
        chosen.append(place)
        chars += size
    if chosen:
        batches.append(_Batch(tuple(chosen), tuple(pairs[number] for number in chosen)))
    return batches


def _checked(content: bytes, count: int) -> list[Answer]:
    verdicts = prompt.verdicts(content, count)
    if verdicts is None:
        return [Answer(None, "judge_nonsense")] * count
    return [Answer(verdict) for verdict in verdicts]
