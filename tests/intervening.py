"""Users, their records and their recommendations, for the tests of the interventions app."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

from dure.apps.interventions.config import load
from dure.apps.interventions.demo import fingerprint, make_tables
from dure.apps.interventions.operation import NAME, Generate
from dure.db.pool import Database
from dure.runs.model import Change, Run
from dure.runs.wording import sentence
from queueing import one, rows
from running import Batches, batches

DAY = "2026-08-01"
SEOUL = "+09"


class Interventions:
    """Example: `await made.user("food", "exercise"); run = await made.plan()`."""

    def __init__(self, runs: Batches) -> None:
        self.runs = runs
        self.database = runs.database

    async def user(self, *records: str, day: str = DAY, **columns: Any) -> str:
        """A user with a record of these kinds on a day."""
        names = ", ".join(columns) or "language"
        values = list(columns.values()) or ["ko"]
        marks = ", ".join(["%s"] * len(values))
        id = str(
            await one(self.database, f"insert into interventions_user ({names}) values ({marks}) returning id", values)
        )
        for record in records:
            await getattr(self, record)(id, day)
        return id

    async def food(self, user: str, day: str = DAY, time: str = "12:00", **given: Any) -> None:
        values = {"calories": 2000, "protein_g": 75, "carbs_g": 300, "fat_g": 50, "sodium_mg": 1800, **given}
        await self._insert("userfoodrecord", {"user_id": user, "eaten_at": f"{day} {time}{SEOUL}", **values})

    async def exercise(self, user: str, day: str = DAY, time: str = "18:00", **given: Any) -> None:
        values = {"minutes": 20, "intensity": "moderate", **given}
        await self._insert("userexerciserecord", {"user_id": user, "started_at": f"{day} {time}{SEOUL}", **values})

    async def sleep(self, user: str, day: str = DAY, hours: float = 7.5) -> None:
        statement = (
            "insert into interventions_usersleeprecord (user_id, slept_at, woke_at)"
            " select %s, %s::timestamptz - %s * interval '1 hour', %s::timestamptz"
        )
        woke_at = f"{day} 07:00{SEOUL}"
        await rows(self.database, statement, [user, woke_at, hours, woke_at])

    async def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        statement = f"insert into interventions_{table} ({names}) values ({marks})"
        await rows(self.database, statement, list(values.values()))

    async def plan(self, *, tenant: str | None = None, **params: Any) -> Run:
        return await self.runs.plan(NAME, {"date": DAY, **params})

    async def apply(self, run: Run) -> Run:
        return await self.runs.apply(run)

    async def made(self, **params: Any) -> Run:
        """Plan and apply."""
        return await self.apply(await self.plan(**params))

    async def changes(self, run: Run, kind: str | None = None) -> list[Change]:
        return [change for change in await self.runs.changes(run) if kind in (None, change.kind)]

    async def skipped(self, run: Run, lang: str = "en") -> dict[str, str]:
        """Who gets none, each with why."""
        return {str(c.subject): sentence(c.reason, lang) for c in await self.changes(run, "keep")}

    async def stored(self) -> list[tuple[str, str, str, str]]:
        """Every recommendation: user, date, period, text."""
        statement = "select user_id::text, date::text, period, content from interventions_intervention order by 1, 2, 3"
        return [(str(a), str(b), str(c), str(d)) for a, b, c, d in await rows(self.database, statement)]

    async def fingerprint(self) -> str:
        return await fingerprint(self.database)


@asynccontextmanager
async def interventions(database: Database, **given: Any) -> AsyncIterator[Interventions]:
    """Empty tables, and a worker for the operation; the environment names the tenant."""
    async with database.owner_tx() as tx:
        await make_tables(tx, load().tables)
    async with batches(database, [Generate], **given) as runs:
        yield Interventions(runs)


class ModelServer:
    """A model behind an OpenAI-compatible endpoint. `answer(facts, number)` says the advice, as pieces, as a whole
    message, or as a status with which the request is refused.
    """

    def __init__(self, answer: Callable[[dict[str, Any], int], Any] | None = None, *, tokens: int | None = 500) -> None:
        self.asked: list[dict[str, Any]] = []
        self.open_most = 0
        self._open = 0
        self._lock = Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer._lock:
                    outer.asked.append(body)
                    number = len(outer.asked)
                    outer._open += 1
                    outer.open_most = max(outer.open_most, outer._open)
                said = (answer or usual)(json.loads(body["messages"][-1]["content"]), number)
                self._send(*_reply(said, tokens))
                with outer._lock:
                    outer._open -= 1

            def _send(self, status: int, document: Any) -> None:
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

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


def pieces(*texts: str, topic: str = "diet") -> dict[str, Any]:
    return {"advice": [{"topic": topic, "text": text} for text in texts]}


def usual(_facts: Mapping[str, Any], _number: int) -> dict[str, Any]:
    return pieces("Eat a vegetable more today.", "Drink water with it.")


def _reply(said: Any, tokens: int | None) -> tuple[int, Any]:
    if isinstance(said, int):
        return said, {"error": {"message": "no"}}
    message = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    usage = {} if tokens is None else {"usage": {"total_tokens": tokens}}
    return 200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": message}}], **usage}


def codes(changes: Sequence[Change]) -> list[str]:
    return sorted(str((change.reason or {}).get("code")) for change in changes)
