"""An academy of forty students on a day in July, and its intents asked as a worker asks them, without one."""

import datetime as dt
import importlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg.rows import dict_row

from dure.apps.intents.catalogue import CATALOGUE, OPERATIONS
from dure.apps.intents.demo import fingerprint, load_demo
from dure.db.pool import Database
from dure.intents.declaring import MARK, Intent
from dure.intents.model import Target
from dure.runs.model import Change, Run
from dure.runs.wording import sentence
from queueing import TENANT, rows
from running import Batches, batches

TODAY = dt.date(2026, 7, 3)
"""A Friday."""
NOON = "2026-07-03 12:00:00+09"
LATE, ABSENT = "중1 수학", "초등 수학"


class Surroundings:
    """What an intent is given: it counts what it is asked to read."""

    def __init__(self, database: Database, today: dt.date = TODAY) -> None:
        self._database = database
        self.tenant_id = TENANT
        self.request_id = "00000000-0000-0000-0000-000000000001"
        self.actor = "kim"
        self.today = today
        self.now = dt.datetime.combine(today, dt.time(3), dt.UTC)
        self.statements = 0

    async def rows(self, statement: LiteralString, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.statements += 1
        async with self._database.owner_tx() as tx:
            await tx.execute("set transaction read only")
            cursor = tx.cursor(row_factory=dict_row)
            await cursor.execute(statement, {**(values or {}), "tenant": self.tenant_id})
            return await cursor.fetchall()

    async def one(self, statement: LiteralString, values: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        found = await self.rows(statement, values)
        return found[0] if found else None


class Academy:
    """Example: `(await academy.answer("attendance.get.late"))["count"]`."""

    def __init__(self, database: Database, runs: Batches) -> None:
        self.database = database
        self.runs = runs

    async def answer(self, key: str, **params: Any) -> Any:
        return (await self.answered(key, **params))[0]

    async def answered(self, key: str, **params: Any) -> tuple[Any, int]:
        """Answer what an intent answers, as JSON gives it back, and how many statements it took."""
        found, ctx = intent_of(key), Surroundings(self.database)
        answer = await found.make().answer(found.params.model_validate(params), ctx)
        return json.loads(json.dumps(answer, ensure_ascii=False)), ctx.statements

    async def targets(self, key: str, **params: Any) -> list[Target]:
        found = intent_of(key)
        given = found.make().targets(found.params.model_validate(params), Surroundings(self.database))
        # As they come to their jobs: through JSON.
        return [Target(t.id, json.loads(json.dumps(dict(t.data))), t.version) async for t in given]

    async def each(self, key: str, target: Target, **params: Any) -> Any:
        found = intent_of(key)
        return await found.make().each(found.params.model_validate(params), target, Surroundings(self.database))

    async def plan(self, key: str, **params: Any) -> Run:
        """Plan the run that an intent begins."""
        found = intent_of(key)
        instance, given = found.make(), found.params.model_validate(params)
        of_run = instance.plan(given) if hasattr(instance, "plan") else given.model_dump(mode="json")
        return await self.runs.plan(instance.operation, of_run)

    async def do(self, key: str, **params: Any) -> Run:
        """Plan the run and apply it."""
        run = await self.plan(key, **params)
        assert run.state == "planned", run.reason
        done = await self.runs.apply(run)
        assert done.state == "applied", (done.reason, await self.runs.changes(done))
        return done

    async def changes(self, run: Run, kind: str | None = None) -> list[Change]:
        return [change for change in await self.runs.changes(run) if kind in (None, change.kind)]

    async def kept(self, run: Run) -> dict[str, str]:
        """Who stays as they are, each with why."""
        return {str(change.subject): sentence(change.reason, "en") for change in await self.changes(run, "keep")}

    async def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return await rows(self.database, statement, list(values) or None)

    async def fingerprint(self) -> str:
        return await fingerprint(self.database)


def intent_of(key: str) -> Intent:
    module, _, name = CATALOGUE[key].target.partition(":")
    found = getattr(getattr(importlib.import_module(module), name), MARK)
    assert isinstance(found, Intent)
    return found


def operation_of(name: str) -> type:
    module, _, kind = OPERATIONS[name].partition(":")
    found = getattr(importlib.import_module(module), kind)
    assert isinstance(found, type)
    return found


@asynccontextmanager
async def academy(database: Database, today: dt.date = TODAY, *, work: bool = True) -> AsyncIterator[Academy]:
    """The example, and a worker for its runs; the environment names the tenant."""
    await load_demo(database, lambda _line: None, today=today)
    async with batches(database, [operation_of(name) for name in OPERATIONS], work=work) as runs:
        yield Academy(database, runs)
