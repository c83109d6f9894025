"""Rollouts in tests: agents that come and go, tasks that they did, and a clock that is moved by hand."""

import json
from typing import Any

import pytest

from dure.agents.metrics import Metrics, roll_up
from dure.agents.releases import NewRelease, Release, Releases
from dure.agents.rollout_model import NewRollout, Rollout
from dure.agents.rollouts import Rollouts, step
from dure.db.pool import Database
from dure.errors import Conflict
from queueing import TENANT, one, rows
from sqlside import Clock

ACTOR = "kim"
CLASS = "worker"
LEASE_S = 3600
QUICK: dict[str, Any] = {"min_healthy_s": 10, "progress_deadline_s": 120}
NO_GATES: dict[str, Any] = {"lease_loss": None, "error_rate": None, "latency": None, "task_success": None}


class Plan:
    """A class of agents with a release 1.0.0, and whoever rolls out another."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.releases = Releases(database)
        self.rollouts = Rollouts(database)
        self.metrics = Metrics(database)

    async def release(self, version: str, **given: Any) -> Release:
        wanted = NewRelease(class_=CLASS, version=version, **given)
        return await self.releases.create(TENANT, wanted, actor=ACTOR)

    async def start(self, to_version: str = "1.1.0", **given: Any) -> Rollout:
        wanted = NewRollout(class_=CLASS, to_version=to_version, **{**QUICK, "gates": NO_GATES, **given})
        return await self.rollouts.start(TENANT, wanted, actor=ACTOR)

    async def register(self, agent_id: str, version: str = "1.0.0", **given: Any) -> dict[str, Any]:
        document = {"agent_id": agent_id, "class": CLASS, "version": version, "lease_s": LEASE_S, **given}
        return await one(self.database, "select dure.register_agent(%s, %s)", [TENANT, json.dumps(document)])

    async def refused(self, agent_id: str, version: str) -> str:
        """Answer what an agent that is not admitted is told to become."""
        document = json.dumps({"agent_id": agent_id, "class": CLASS, "version": version})
        with pytest.raises(Conflict) as caught:
            async with self.database.system_tx() as tx:
                await tx.execute("select dure.register_agent(%s, %s)", [TENANT, document])
        assert (caught.value.status, caught.value.reason) == (409, "agent_incompatible")
        return str(caught.value.params["upgrade_to"])

    async def fleet(self, count: int, version: str = "1.0.0") -> list[str]:
        names = [f"a{n}" for n in range(count)]
        for name in names:
            await self.register(name, version)
        return names

    async def agent(self, agent_id: str) -> tuple[str, str | None, str | None]:
        """Its version, what it is to become, and why it gets no work."""
        statement = "select version, target_version, hold ->> 'code' from dure.agent where agent_id = %s"
        return (await rows(self.database, statement, [agent_id]))[0]

    async def asked(self) -> list[str]:
        """Who is asked to become another version, and has not yet."""
        statement = "select agent_id from dure.agent where target_version <> version order by 1"
        return [row[0] for row in await rows(self.database, statement)]

    async def upgrade(self) -> list[str]:
        """Let everyone who is asked come back as what they are asked to be."""
        names = await self.asked()
        for name in names:
            version = await one(self.database, "select target_version from dure.agent where agent_id = %s", [name])
            await self.register(name, version)
        return names

    async def work(self, agent_id: str, version: str, *, ok: int = 0, failed: int = 0, latency_ms: float = 100) -> None:
        """Tasks that an agent did."""
        statement = """
            select dure.sample(%(tenant)s, %(agent)s, %(class)s, %(version)s, 'task', n <= %(ok)s, %(latency)s)
            from generate_series(1, %(all)s) n"""
        values = {
            "tenant": TENANT, "agent": agent_id, "class": CLASS, "version": version, "ok": ok, "all": ok + failed,
            "latency": latency_ms,
        }  # fmt: skip
        await rows(self.database, statement, values)

    async def sample(self, agent_id: str, version: str, kind: str) -> None:
        statement = "select dure.sample(%s, %s, %s, %s, %s, false, null)"
        await rows(self.database, statement, [TENANT, agent_id, CLASS, version, kind])

    async def tick(self, after_s: float = 0) -> int:
        """One round of a worker."""
        if after_s:
            self.clock.advance(after_s)
        await roll_up(self.database)
        return await step(self.database)

    async def state(self, rollout: Rollout) -> str:
        return (await self.rollouts.get(TENANT, rollout.id)).state

    async def kinds(self, rollout: Rollout) -> list[str]:
        return [event.kind for event in await self.rollouts.events(TENANT, rollout.id)]

    async def told(self) -> list[tuple[str, str]]:
        """What was published about rollouts, and where."""
        statement = """
            select channel, body ->> 'event' from dure.message
            where body ->> 'event' like 'rollout.%' order by at, channel, no"""
        return [(row[0], row[1]) for row in await rows(self.database, statement)]


async def planned(database: Database, clock: Clock) -> Plan:
    clock.to("2026-03-02 12:00:00+00")
    plan = Plan(database, clock)
    await plan.release("1.0.0")
    return plan
