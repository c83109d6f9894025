"""A page in Notion, a person who edits it, and a worker whose windows work it, on a clock that stands still.

The person acts over HTTP, so the same tests run on the Notion of `notion_server` and, with `NOTION_API_KEY` and
`NOTION_TEST_PAGE`, on the real one.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

import notion_server
from dure import Done, handler
from dure.apps.notion import jobs as notion_jobs
from dure.apps.notion.offline import work as offline
from dure.apps.notion.pages import Pages
from dure.db.pool import Database
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.schedule.model import Window
from dure.schedule.ticker import Ticker
from dure.schedule.windows import Windows
from queueing import TENANT, all_ended, rows, settings
from sqlside import Clock

ANSWER = "t.answer"
REAL_URL = "https://api.notion.com"
REAL_KEY, REAL_PAGE = os.environ.get("NOTION_API_KEY"), os.environ.get("NOTION_TEST_PAGE")
REAL_APART_S = 0.4
LEASE_S = 3_000.0
"""Longer than a test moves the clock."""


class Person:
    """Somebody who uses Notion."""

    def __init__(self, url: str, key: str, *, apart_s: float = 0.0) -> None:
        self.url = url
        self.key = key
        self._apart_s = apart_s
        headers = {"Authorization": f"Bearer {key}", "Notion-Version": notion_server.VERSION}
        self._http = httpx.AsyncClient(base_url=f"{url}/v1/", headers=headers, timeout=60)

    async def add(self, below: str, kind: str, *texts: str, **more: Any) -> list[str]:
        """Add blocks of one kind, a hundred a call."""
        made: list[str] = []
        for start in range(0, len(texts), 100):
            blocks = [
                {"type": kind, kind: {"rich_text": [{"type": "text", "text": {"content": text}}], **more}}
                for text in texts[start : start + 100]
            ]
            made += [
                block["id"]
                for block in (await self._call("PATCH", f"blocks/{below}/children", children=blocks))["results"]
            ]
        return made

    async def todo(self, below: str, text: str, *, checked: bool = False) -> str:
        return (await self.add(below, "to_do", text, checked=checked))[0]

    async def edit(self, block_id: str, text: str) -> None:
        await self._call("PATCH", f"blocks/{block_id}", to_do={"rich_text": [{"text": {"content": text}}]})

    async def check(self, block_id: str, checked: bool = True) -> None:
        await self._call("PATCH", f"blocks/{block_id}", to_do={"checked": checked})

    async def remove(self, block_id: str) -> None:
        await self._call("DELETE", f"blocks/{block_id}")

    async def is_checked(self, block_id: str) -> bool:
        return bool((await self._call("GET", f"blocks/{block_id}"))["to_do"]["checked"])

    async def beneath(self, block_id: str) -> list[str]:
        """The texts of what is written beneath a block."""
        texts: list[str] = []
        cursor = ""
        while True:
            found = await self._call("GET", f"blocks/{block_id}/children{cursor}")
            texts += ["".join(p["plain_text"] for p in one[one["type"]]["rich_text"]) for one in found["results"]]
            if not found["has_more"]:
                return texts
            cursor = f"?start_cursor={found['next_cursor']}"

    async def answer(self, block_id: str) -> str:
        """What was answered beneath a to-do, without the markers."""
        return "".join(text for text in await self.beneath(block_id) if not text.startswith("dure:"))

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, **body: Any) -> Any:
        await asyncio.sleep(self._apart_s)
        answer = await self._http.request(method, path, json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def fake() -> AsyncIterator[tuple[Person, str, notion_server.Notion]]:
    """Our Notion, with an empty page."""
    async with notion_server.serving() as notion:
        person = Person(notion.url, notion_server.KEY)
        try:
            yield person, notion.page(), notion
        finally:
            await person.close()


@asynccontextmanager
async def real() -> AsyncIterator[tuple[Person, str, None]]:
    """The real one; the page is a toggle on the given page, which is removed again."""
    assert REAL_KEY
    assert REAL_PAGE
    person = Person(REAL_URL, REAL_KEY, apart_s=REAL_APART_S)
    [page] = await person.add(REAL_PAGE, "toggle", "A test of Dure")
    try:
        yield person, page, None
    finally:
        await person.remove(page)
        await person.close()


def configure(monkeypatch: pytest.MonkeyPatch, person: Person, **more: Any) -> None:
    """Set the app's environment: quick, unless it is the real Notion."""
    pace = 2.5 if person.url == REAL_URL else 10_000
    names = {
        "NOTION_API_KEY": person.key, "NOTION_BASE_URL": person.url, "DURE_NOTION_HANDLER": ANSWER,
        "DURE_NOTION_REQUESTS_PER_S": pace, **more,
    }  # fmt: skip
    for name, value in names.items():
        monkeypatch.setenv(name, str(value))


@dataclass
class Answers:
    """The handler that works to-dos in a test: `answers.say` decides, `answers.asked` remembers."""

    say: Callable[[dict[str, Any]], Any] = lambda params: f"answer to {params['text']}"
    asked: list[str] = field(default_factory=list)

    def handlers(self) -> list[Callable[..., Any]]:
        @handler(ANSWER)
        async def answer(params: dict[str, Any]) -> Any:
            self.asked.append(params["text"])
            said = self.say(params)
            if asyncio.iscoroutine(said):
                said = await said
            return Done(said)

        return [answer, offline, notion_jobs.tick, notion_jobs.todo]


class Office:
    """A database whose workers work pages. Example: `await office.start(page); await office.settle()`."""

    def __init__(self, database: Database, clock: Clock, answers: Answers) -> None:
        self.database = database
        self.clock = clock
        self.answers = answers
        chosen = settings(lease_s=LEASE_S)
        self.windows = Windows(database, chosen)
        self.ticker = Ticker(database, chosen)

    @property
    def pages(self) -> Pages:
        return Pages(self.database, self.windows)

    async def start(self, page: str, **given: Any) -> Window:
        return await self.pages.start(TENANT, page, actor="kim", **given)

    async def settle(self, *, patience_s: float = 30.0) -> None:
        """Wait until what is due has been done."""
        await all_ended(self.database, patience_s=patience_s)

    async def tick(self, seconds: float = 60.0) -> None:
        """Let time pass, and what is due then be done."""
        self.clock.advance(seconds)
        await self.ticker.tick()
        await self.settle()

    async def run(self, page: str, **given: Any) -> Window:
        """Open a window and wait for its first tick."""
        window = await self.start(page, **given)
        await self.settle()
        return window

    async def todo(self, block_id: str) -> dict[str, Any]:
        names = ("status", "attempts", "reason", "answer", "removed_at", "text")
        statement = f"select {', '.join(names)} from dure.notion_todo where block_id = %s"
        return dict(zip(names, (await rows(self.database, statement, [block_id]))[0], strict=True))

    async def statuses(self, *block_ids: str) -> list[str]:
        return [(await self.todo(block_id))["status"] for block_id in block_ids]


@asynccontextmanager
async def working(
    database: Database, clock: Clock, answers: Answers | None = None, extra: Iterable[Callable[..., Any]] = ()
) -> AsyncIterator[Office]:
    """An office with one worker."""
    answers = answers or Answers()
    worker = Worker(database, Registry([*answers.handlers(), *extra]), settings(lease_s=LEASE_S))
    await worker.start()
    try:
        yield Office(database, clock, answers)
    finally:
        await worker.stop(0)


@dataclass
class World:
    office: Office
    person: Person
    page: str
    notion: notion_server.Notion

    async def todos(self, *texts: str) -> list[str]:
        return [await self.person.todo(self.page, text) for text in texts]

    async def state(self) -> str:
        return (await self.office.windows.get(TENANT, f"notion:{self.page}")).state

    async def message(self) -> str:
        return (await self.office.pages.status(TENANT, self.page, lang="en")).message


@asynccontextmanager
async def opened(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Our Notion with a page, and an office that works it."""
    async with fake() as (person, page, notion):
        configure(monkeypatch, person)
        async with working(database, clock) as office:
            yield World(office, person, page, notion)


def appends(call: notion_server.Call) -> bool:
    """Whether a call writes a result."""
    return call.method == "PATCH" and call.path.endswith("/children") and "dure:" in str(call.body)
