"""What is kept of A2A on the asking side: who speaks for which agent, and which tasks others' servers work on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dure.agents.model import NewAgent
from dure.db.pool import Database
from dure.db.sql import load
from dure.queue.cursors import is_id

_WANTED = load("dure.apps.ecosystem.a2a", "bridges_wanted")
_TAKE = load("dure.apps.ecosystem.a2a", "bridge_take")
_KEEP = load("dure.apps.ecosystem.a2a", "bridge_keep")
_LEAVE = load("dure.apps.ecosystem.a2a", "bridge_leave")
_READ = load("dure.apps.ecosystem.a2a", "remote_read")
_WRITE = load("dure.apps.ecosystem.a2a", "remote_write")

Problem = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Foreign:
    """An agent of others: as what it registers, with whose key, and where it is."""

    tenant_id: str
    agent: NewAgent
    key_id: str | None
    address: str

    @property
    def place(self) -> tuple[str, str]:
        """What it is called in the database."""
        return self.tenant_id, self.agent.agent_id


class Bridges:
    """The bridges of a database, as one process sees them.

    Example: `await Bridges(database, uuid7()).wanted(10, 5.0)`.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder

    async def wanted(self, limit: int, again_s: float) -> list[Foreign]:
        """Answer agents that nobody speaks for."""
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_WANTED, {"limit": limit, "again_s": again_s})).fetchall()
        return [_foreign(*row) for row in rows]

    async def take(self, foreign: Foreign, hold_s: float) -> bool:
        """Speak for an agent from now on; False when another process does."""
        return await self._mine(_TAKE, foreign, hold_s=hold_s)

    async def keep(self, foreign: Foreign, hold_s: float, problem: Problem | None = None) -> bool:
        """Go on to speak for an agent; False when another process does by now."""
        return await self._mine(_KEEP, foreign, hold_s=hold_s, problem=_json(problem))

    async def leave(self, foreign: Foreign, problem: Problem | None = None) -> None:
        """Speak for an agent no more; the reason is kept for people."""
        values = {**self._values(foreign), "problem": _json(problem)}
        async with self._database.system_tx() as tx:
            await tx.execute(_LEAVE, values)

    async def remote_of(self, foreign: Foreign, job_id: object) -> tuple[str, str | None] | None:
        """Answer what the agent's server calls a task of ours, and its context; None when it has none of it."""
        if not isinstance(job_id, str) or not is_id(job_id):
            return None
        values = {"tenant_id": foreign.tenant_id, "agent_id": foreign.agent.agent_id, "job_id": job_id}
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_READ, values)).fetchone()
        return None if row is None else (row[0], row[1])

    async def note_remote(self, foreign: Foreign, job_id: str, task_id: str, context_id: str | None) -> None:
        """Note what the agent's server calls a task of ours."""
        values = {
            "job_id": job_id,
            "tenant_id": foreign.tenant_id,
            "agent_id": foreign.agent.agent_id,
            "remote_task_id": task_id,
            "context_id": context_id,
        }
        async with self._database.system_tx() as tx:
            await tx.execute(_WRITE, values)

    async def _mine(self, statement: Any, foreign: Foreign, **more: Any) -> bool:
        async with self._database.system_tx() as tx:
            return await (await tx.execute(statement, {**self._values(foreign), **more})).fetchone() is not None

    def _values(self, foreign: Foreign) -> dict[str, Any]:
        return {"tenant_id": foreign.tenant_id, "agent_id": foreign.agent.agent_id, "holder": self._holder}


def _foreign(
    tenant_id: str,
    agent_id: str,
    kind: Any,
    class_: str,
    version: str,
    capabilities: list[str],
    location: str,
    endpoints: Mapping[str, str],
    labels: Mapping[str, Any],
    capacity: int,
    on_death: Any,
    lease_s: float,
    key_id: str | None,
    address: str,
) -> Foreign:
    agent = NewAgent(
        agent_id=agent_id,
        kind=kind,
        class_=class_,
        version=version,
        capabilities=capabilities,
        location=location,
        endpoints=endpoints,
        labels=labels,
        protocol="a2a",
        capacity=capacity,
        on_death=on_death,
        lease_s=lease_s,
    )
    return Foreign(tenant_id, agent, key_id, address)


def _json(problem: Problem | None) -> str | None:
    return None if problem is None else json.dumps(problem, ensure_ascii=False)
