"""What agents know, for the tests of the knowledge app: tables as mem0 and others make them, skills in a folder."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from dure.apps.knowledge.demo import dmn_of, fingerprint, skill_of, vector_of
from dure.apps.knowledge.operation import Deduplicate
from dure.apps.knowledge.skills.shelf import Shelf
from dure.db.pool import Database
from dure.runs.model import Change, Run
from dure.runs.wording import sentence
from queueing import TENANT, one, rows
from running import Batches, batches

OPERATION = "knowledge.deduplicate"
AGENT = "agent-1"
SPACE = UUID("00000000-0000-0000-0000-000000000000")
FLAVOURS = ("vanilla", "mango", "lemon", "cherry", "hazelnut", "coffee", "ginger", "fig", "plum", "melon")
PLACES = ("Busan", "Jeju", "Daegu", "Gwangju", "Suwon", "Ulsan", "Incheon", "Sejong", "Mokpo", "Gangneung")


def distinct(n: int) -> str:
    """A text that no other is like: what makes up the rest of a population."""
    return f"Shelf {chr(65 + n % 26)}{n} holds {FLAVOURS[n % 10]} from {PLACES[n // 10 % 10]} since {1000 + n * 7}"


class Knowledge:
    """Example: `await known.memory("차를 좋아한다"); run = await known.plan()`."""

    def __init__(self, runs: Batches, home: Path) -> None:
        self.runs = runs
        self.database = runs.database
        self.home = home
        self.shelf = Shelf(home / "skills")
        self._count = 0

    async def memory(self, text: str, *, agent: str = AGENT, tenant: str = TENANT, **payload: Any) -> str:
        self._count += 1
        id = str(uuid5(SPACE, f"memory {self._count}"))
        at = f"2026-01-01T00:00:{self._count % 60:02}.{self._count:06}+00:00"
        known = {"data": text, "hash": "h", "created_at": at, "agent_id": agent, "tenant_id": tenant, **payload}
        values = [id, vector_of(text), json.dumps(known, ensure_ascii=False)]
        await rows(self.database, "insert into public.memories values (%s, %s, %s)", values)
        return id

    async def memories(self, texts: Sequence[str], **more: Any) -> list[str]:
        return [await self.memory(text, **more) for text in texts]

    async def entity(self, name: str, ids: Sequence[str]) -> str:
        id = str(uuid5(SPACE, f"entity {name}"))
        payload = json.dumps({"data": name, "linked_memory_ids": list(ids)}, ensure_ascii=False)
        await rows(
            self.database, "insert into public.memories_entities values (%s, %s, %s)", [id, vector_of(name), payload]
        )
        return id

    async def rule(self, id: str, name: str, table: Sequence[Sequence[str]], **more: Any) -> str:
        given = {"name": name, "inputs": ["등급"], "output": "배송비", "rows": table, **more}
        return await self.document(id, name, dmn_of(id, given), agent=more.get("agent", AGENT))

    async def document(self, id: str, name: str, xml: str, *, agent: str = AGENT, tenant: str = TENANT) -> str:
        statement = (
            "insert into public.proc_def (id, name, owner, type, bpmn, tenant_id) values (%s, %s, %s, 'dmn', %s, %s)"
        )
        await rows(self.database, statement, [id, name, agent, xml, tenant])
        return id

    def skill(
        self, name: str, description: str, body: str, *, agent: str | None = AGENT, tenant: str = TENANT, **files: str
    ) -> None:
        given = {"name": name, "description": description, "body": body, "files": files}
        self.shelf.put(tenant, skill_of(given, agent), expected=None)

    async def plan(self, agent: str | None = None, **options: Any) -> Run:
        return await self.runs.plan(OPERATION, {"agent_id": agent}, **options)

    async def apply(self, run: Run, **options: Any) -> Run:
        return await self.runs.apply(run, **options)

    async def changes(self, run: Run, *kinds: str) -> list[Change]:
        return [change for change in await self.runs.changes(run) if not kinds or change.kind in kinds]

    async def leaving(self, run: Run) -> dict[str, str]:
        """What a plan deletes or moves unasked, each with why."""
        found = [change for change in await self.changes(run, "delete", "move") if not change.ask]
        return {"/".join(change.key): sentence(change.reason, "en") for change in found}

    async def asked(self, run: Run) -> dict[str, str]:
        return {"/".join(c.key): sentence(c.reason, "en") for c in await self.changes(run) if c.ask}

    async def fingerprint(self) -> str:
        return await fingerprint(self.database)

    async def texts(self) -> list[str]:
        statement = "select payload ->> 'data' from public.memories order by payload ->> 'created_at'"
        return [row[0] for row in await rows(self.database, statement)]

    async def row(self, id: str) -> tuple[Any, ...]:
        return (
            await rows(
                self.database, "select id::text, vector::text, payload::text from public.memories where id = %s", [id]
            )
        )[0]


async def make_tables(database: Database) -> None:
    """As mem0 makes them; where the server has no pgvector the numbers are text, and all else is the same."""
    known = await one(database, "select exists (select from pg_available_extensions where name = 'vector')")
    if known:
        await rows(database, "create extension if not exists vector")
    kind = "vector(32)" if known else "text"
    for name in ("memories", "memories_entities"):
        await rows(database, f"create table public.{name} (id uuid primary key, vector {kind}, payload jsonb)")
    await rows(
        database,
        "create table public.proc_def (id text primary key, name text, owner text, type text, isdeleted boolean"
        " default false, bpmn text, tenant_id text)",
    )


def environment(home: Path, **more: str) -> Mapping[str, str]:
    return {"DURE_HOME": str(home), "DURE_TENANT": TENANT, **more}


@asynccontextmanager
async def knowledge(database: Database, home: Path, **given: Any) -> AsyncIterator[Knowledge]:
    """The three stores, empty, and a worker for the operation; the environment must name `home`."""
    await make_tables(database)
    async with batches(database, [Deduplicate], **given) as runs:
        yield Knowledge(runs, home)
