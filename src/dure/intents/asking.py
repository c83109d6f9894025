"""Asking with a sentence, and reading the answer as a stream that a lost connection does not end.

    1 status      what was asked
    2 candidates  three intents at most, each with its confidence, reason, parameters and what is missing
    3 status      with `confirm`: the request that was made, `waiting` for an approval or `pending`
    4 status      it has begun
    5 plan        of one that writes: what will be, or was, changed
    6 result      what came of it
    9 done, error the end, and why there is nothing more

An event has one number for good. All of them are read from rows: the ask, the request, its run. So a stream can be
gone on with from any event, by any process, and reading changes nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Invalid, NotFound
from dure.intents.patterns.normalising import Lang
from dure.intents.rows import Request, read_request
from dure.queue.cursors import is_id
from dure.queue.texts import clean_text
from dure.runs.model import Run
from dure.runs.service import Runs

SENTENCE_CHARS_MAX = 2_000
POLL_S = 0.2
FOLLOW_S = 900.0
"""A stream follows a request for so long; then it says how it stands, and where to look."""
ASKED, FOUND, ACCEPTED, BEGUN, PLANNED, ENDED, OVER = 1, 2, 3, 4, 5, 6, 9
GOOD = frozenset({"completed", "partial"})
GOING_ON = frozenset({"pending", "processing"})

_INSERT = load("dure.intents", "ask_insert")
_READ = load("dure.intents", "ask_read")

Kind = Literal["status", "candidates", "plan", "result", "done", "error"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A sentence that was asked with, and what was found."""

    id: str
    tenant_id: str
    sentence: str
    lang: Lang
    actor: str
    candidates: Sequence[Mapping[str, Any]]
    request_id: str | None
    problem: Mapping[str, Any] | None
    created_at: datetime
    age_s: float


@dataclass(frozen=True, slots=True)
class AskEvent:
    """Something of an answer. Example: `AskEvent(6, "result", ask, request)`."""

    no: int
    kind: Kind
    ask: Ask
    request: Request | None = None
    run: Run | None = None


class Asks:
    """The asks of a database. Example: `async for event in asks.watch("acme", ask.id): print(event.kind)`."""

    def __init__(self, database: Database, runs: Runs) -> None:
        self._database = database
        self._runs = runs

    async def note_on(
        self,
        tx: Connection,
        tenant_id: str,
        sentence: str,
        candidates: Sequence[Mapping[str, Any]],
        *,
        lang: Lang,
        actor: str,
        request_id: str | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> str:
        """Note an ask in the caller's transaction, with its request or why there is none; answer its id."""
        values = {
            "tenant": tenant_id, "sentence": sentence, "lang": lang, "actor": actor, "request": request_id,
            "candidates": json.dumps(list(candidates), ensure_ascii=False),
            "problem": None if problem is None else json.dumps(dict(problem), ensure_ascii=False),
        }  # fmt: skip
        row = await (await tx.execute(_INSERT, values)).fetchone()
        assert row is not None
        return str(row[0])

    async def get(self, tenant_id: str | None, ask_id: str) -> Ask:
        """Answer an ask."""
        async with self._database.system_tx() as tx:
            return await _read(tx, tenant_id, ask_id)

    async def watch(
        self, tenant_id: str | None, ask_id: str, *, after: int = 0, poll_s: float = POLL_S
    ) -> AsyncIterator[AskEvent]:
        """Yield the events behind a number, until `done` or `error`."""
        while after != OVER:
            for event in await self.look(tenant_id, ask_id):
                if event.no > after:
                    after = event.no
                    yield event
            if after != OVER:
                await asyncio.sleep(poll_s)

    async def look(self, tenant_id: str | None, ask_id: str) -> list[AskEvent]:
        """Answer all events that there are by now."""
        async with self._database.system_tx() as tx:
            ask = await _read(tx, tenant_id, ask_id)
            request = None if ask.request_id is None else await read_request(tx, ask.tenant_id, ask.request_id)
        run = None
        if request is not None and request.run_id is not None:
            run = await self._runs.get(ask.tenant_id, request.run_id)
        return events_of(ask, request, run)


def events_of(ask: Ask, request: Request | None, run: Run | None) -> list[AskEvent]:
    """Answer what there is to tell. Example: `[event.kind for event in events_of(ask, None, None)]`."""
    kinds: list[tuple[int, Kind]] = [(ASKED, "status"), (FOUND, "candidates")]
    if request is not None:
        kinds.append((ACCEPTED, "status"))
        if request.started_at is not None:
            kinds.append((BEGUN, "status"))
        if run is not None and run.state != "planning":
            kinds.append((PLANNED, "plan"))
        if request.state in GOOD:
            kinds.append((ENDED, "result"))
    end = _end_of(ask, request)
    if end is not None:
        kinds.append((OVER, end))
    return [AskEvent(no, kind, ask, request, run) for no, kind in kinds]


def place_of(last_event_id: str | None) -> int:
    """Answer the number of the event that was received last; 0 for none. Example: `place_of("2") == 2`."""
    if not last_event_id:
        return 0
    if last_event_id not in {str(no) for no in (ASKED, FOUND, ACCEPTED, BEGUN, PLANNED, ENDED, OVER)}:
        raise Invalid(field="Last-Event-ID", reason="wrong_format", expected="2")
    return int(last_event_id)


def clean_sentence(sentence: str) -> str:
    """Answer a sentence if it can be asked with. Example: `clean_sentence("학생 등록해줘")`."""
    clean_text(sentence, "sentence", chars_max=SENTENCE_CHARS_MAX)
    if not sentence.strip():
        raise Invalid(field="sentence", reason="missing")
    return sentence


def _end_of(ask: Ask, request: Request | None) -> Kind | None:
    if request is None:
        return "done" if ask.problem is None else "error"
    if request.state in GOING_ON:
        return "done" if ask.age_s > FOLLOW_S else None
    # One that waits for an approval may wait for days: whoever asked is told so, and may come back.
    return "done" if request.state in GOOD or request.state == "waiting" else "error"


async def _read(tx: Connection, tenant_id: str | None, ask_id: str) -> Ask:
    row = None
    if is_id(ask_id):
        row = await (await tx.execute(_READ, {"id": ask_id, "tenant": tenant_id})).fetchone()
    if row is None:
        raise NotFound("ask", ask_id)
    return Ask(*row)
