"""Memories as mem0 keeps them in PostgreSQL, by SQL alone: no model is ever asked, so what returns is what was.

A memory is a row: an id, a vector, and a payload that holds the text (`data`), whose it is (`agent_id`, `user_id`,
`run_id`) and what the user added. Beside it mem0 keeps entities, whose `linked_memory_ids` name memories.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psycopg import sql

from dure.apps.knowledge.layouts import Layout
from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import Key

ENTITIES = "_entities"
"""What mem0 adds to a collection's name for its entities."""
ROWS_A_FETCH = 500
"""A row may carry thousands of numbers."""
NAME_CHARS = 80
_PGVECTOR = re.compile(r"(?:^|\.)(?:vector|halfvec)(?:\(|$)")
_NUMBER = np.dtype([("bytes", ">i4"), ("number", ">f4")])
"""A number of an array as PostgreSQL sends it."""
_HEAD_BYTES = 20
"""Before them: the dimensions, whether there are nulls, the type; then the length and where it begins."""

_AGENTS = load("dure.apps.knowledge", "memories_agents")
_READ = load("dure.apps.knowledge", "memories_read")
_ENTITIES = load("dure.apps.knowledge", "entities_read")


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory, as it is compared. `session` tells apart whose it is within an agent: two users' are never merged."""

    table: str
    key: Key
    agent: str
    session: tuple[str, str]
    """The user and the session that it belongs to; empty for the agent's own."""
    text: str
    created_at: str
    vector: Any = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """What the finding calls it, unique over all tables."""
        return f"{self.table}/{'/'.join(self.key)}"

    @property
    def name(self) -> str:
        """What people read of it in a list."""
        line = " ".join(self.text.split())
        return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Mending:
    """A row of entities that names memories which may leave."""

    table: str
    key: Key
    column: str
    payload: Mapping[str, Any]
    linked: tuple[str, ...]
    """The ids that it names, in its order."""
    memories: frozenset[str]
    """Those of them that may leave."""


async def agents(tx: Connection, layout: Layout, whose: Mapping[str, Any], agent: str | None) -> set[str]:
    """Answer the agents that have memories here. `whose` names the tenant, and whose the records of no tenant are."""
    statement = sql.SQL(_AGENTS).format(table=layout.identifier, **_parts(layout))
    rows = await (await tx.execute(statement, {**whose, "agent": agent})).fetchall()
    return {row[0] for row in rows}


async def read(
    tx: Connection, layout: Layout, whose: Mapping[str, Any], agents: Sequence[str]
) -> AsyncIterator[Memory]:
    """Stream the memories of some agents, by agent, the older first."""
    parts = _parts(layout)
    vector = next((name for name in ("vector", "vec") if name in layout.columns), None)
    statement = sql.SQL(_READ).format(
        table=layout.identifier,
        key=layout.key_texts("m"),
        vector=_packed(layout, vector) if vector else sql.NULL,
        **parts,
    )
    async with tx.cursor("dure_memories") as cursor:
        cursor.itersize = ROWS_A_FETCH
        await cursor.execute(statement, {**whose, "agents": list(agents)})
        async for key, agent, user, session, text, created_at, numbers in cursor:
            yield Memory(layout.name, tuple(key), agent, (user, session), text, created_at, _vector(numbers))


async def mendings(tx: Connection, layout: Layout, ids: Sequence[str]) -> list[Mending]:
    """Answer the entities that name memories which may leave."""
    if not ids:
        return []
    parts = _parts(layout)
    statement = sql.SQL(_ENTITIES).format(table=layout.identifier, key=layout.key_texts("m"), payload=parts["payload"])
    leaving = frozenset(ids)
    found = []
    for key, linked, text in await (await tx.execute(statement, {"ids": sorted(leaving)})).fetchall():
        names = tuple(str(each) for each in linked)
        found.append(
            Mending(layout.name, tuple(key), payload_column(layout), json.loads(text), names, leaving & set(names))
        )
    return found


def payload_column(layout: Layout) -> str:
    """Answer the column that holds the text and all else: `payload`, or `metadata` in Supabase's collections."""
    for name in ("payload", "metadata"):
        if name in layout.columns:
            return name
    raise Refused("knowledge_table", table=layout.name, columns="payload")


def _parts(layout: Layout) -> dict[str, sql.Composable]:
    layout.require("id")
    payload = sql.Identifier(payload_column(layout))
    tenant = layout.text("m", "tenant_id")
    if "tenant_id" not in layout.columns:
        tenant = sql.SQL("m.{} ->> 'tenant_id'").format(payload)
    return {"payload": payload, "tenant": tenant}


def _packed(layout: Layout, name: str) -> sql.Composable:
    """Answer an expression for the numbers of a column: packed where pgvector made it, which saves writing digits."""
    form = "array_send(m.{}::real[])" if _PGVECTOR.search(layout.columns[name]) else "m.{}::text"
    return sql.SQL(form).format(sql.Identifier(name))


def _vector(numbers: bytes | str | None) -> Any:
    if not numbers:
        return None
    if isinstance(numbers, str):
        return np.fromstring(numbers.strip("[]"), dtype=np.float32, sep=",")
    return np.frombuffer(numbers, dtype=_NUMBER, offset=_HEAD_BYTES)["number"].astype(np.float32)
