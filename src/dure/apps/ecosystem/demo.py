"""Example agents: five classes in a tree, tasks in several states, messages, and a rollout that its gate took back.

No process stands behind them, so they are given no work: what others ask for is never theirs, and a rollout that others
have is left alone.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from dure.agents.channels import Caller, Channels, NewChannel
from dure.agents.metrics import roll_up
from dure.agents.model import Agent, AgentFilter, Assignment, Need, NewAgent, NewTask, Session, Task
from dure.agents.releases import NewRelease, Releases
from dure.agents.rollout_model import OVER, NewRollout, Rollout
from dure.agents.rollouts import Rollouts, step
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db.pool import Database
from dure.db.sql import load as statement
from dure.errors import Conflict, NotFound
from dure.lang import say
from dure.settings import load

TENANT = "default"
ACTOR = "demo"
PREFIX = "demo-"
TRACE = "demo"
CHANNEL = "demo.findings"
PARENT = "demo-orchestrator"
LEASE_S = 3_600.0
FIRST = 1_000
"""Example tasks come before all others, so that an example agent is never given another's."""
RELEASE = "1.9.0"
SAMPLES = 6
ROUNDS = 5
"""So often is a gate given something to judge; at the turn of a minute once is not enough."""
PROBLEM = "the index cannot be read"
NOTES: Mapping[str, Sequence[str]] = {
    "returns": ("a return is free for 30 days", "a refund takes 5 days"),
    "delivery": ("delivery takes 2 days",),
}
CANARY: Mapping[str, Any] = {
    "steps": [{"share_pct": 33, "bake_s": 60}, {"share_pct": 100, "bake_s": 60}],
    "min_healthy_s": 0,
    "gates": {"task_success": {"samples_min": SAMPLES}, "lease_loss": None, "error_rate": None, "latency": None},
}

_BEGIN = statement("dure.apps.ecosystem", "demo_begin")
_HOLD = statement("dure.apps.ecosystem", "demo_hold")
_ROWS = statement("dure.apps.ecosystem", "demo_rows")
ROWS_A_FETCH = 2_000


def _child(name: str, class_: str, version: str, capability: str, **more: Any) -> NewAgent:
    return NewAgent(
        agent_id=f"{PREFIX}{name}", class_=class_, version=version, capabilities=(capability,), lease_s=LEASE_S,
        labels={"example": True}, **{"parent_id": PARENT, **more},
    )  # fmt: skip


AGENTS: Sequence[NewAgent] = (
    _child("orchestrator", "orchestrator", "2.1.0", "plan", kind="parent", parent_id=None, capacity=4),
    _child("test-system", "test-system", "1.0.0", "check"),
    _child("indexing", "indexing", "1.7.1", "index", capacity=2),
    _child("research-1", "research", "1.9.0", "search", location="seoul"),
    _child("research-2", "research", "1.9.0", "search", kind="external", location="berlin"),
    *(_child(f"executor-{n}", "executor", "1.8.3", "answer", capacity=2) for n in (1, 2, 3)),
)


async def load_demo(database: Database, say_line: Callable[[str], None]) -> dict[str, int]:
    """Put the example into the database in use; as often as one likes, what is there already stays.

    Example: `await load_demo(database, print)`.
    """
    example = Example(database, os.environ.get("DURE_TENANT") or TENANT)
    counts = await example.put(say_line)
    say_line(say("ecosystem.demo.loaded", **counts))
    say_line(say("ecosystem.demo.loaded_held"))
    say_line(say("ecosystem.demo.try_list"))
    return counts


async def fingerprint(database: Database) -> str:
    """Answer one sha256 over every record about agents, of all tenants.

    Example: `assert await fingerprint(database) == before`.
    """
    digest = sha256()
    async with database.owner_tx() as tx:
        await tx.execute("set local row_security = off")
        async with tx.cursor("dure_demo_rows") as cursor:
            cursor.itersize = ROWS_A_FETCH
            await cursor.execute(_ROWS)
            async for (line,) in cursor:
                digest.update(f"{len(line)}:{line}".encode())
    return digest.hexdigest()


class Example:
    """The example of one tenant. Example: `await Example(database, "acme").put(print)`."""

    def __init__(self, database: Database, tenant: str) -> None:
        settings = load()
        self._database = database
        self._tenant = tenant
        self._agents = Agents(database, settings)
        self._tasks = Tasks(database, settings)
        self._releases = Releases(database)
        self._rollouts = Rollouts(database)
        self._channels = Channels(database)
        self._sessions: dict[str, Session] = {}

    async def put(self, say_line: Callable[[str], None]) -> dict[str, int]:
        """Put what is not there; answer how much that was."""
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_BEGIN, {"tenant": self._tenant, "trace": TRACE})).fetchone()
        assert row is not None
        await self._register()
        counts = {"agents": len(self._sessions), "tasks": 0, "messages": await self._say(), "rollouts": 0}
        if len(self._sessions) == len(AGENTS):
            counts["tasks"] = 0 if row[1] else await self._work()
            counts["rollouts"] = await self._roll_out(say_line)
        async with self._database.system_tx() as tx:
            await tx.execute(_HOLD, {"tenant": self._tenant, "agents": list(self._sessions)})
        return counts

    async def _register(self) -> None:
        """Register those that have no session, as the version that is the present one of their class."""
        for wanted in AGENTS:
            known = await self._known(wanted.agent_id)
            if known is None or (known.epoch is None and known.retired_at is None):
                found = (await self._releases.list(self._tenant, class_=wanted.class_, state="current")).items
                version = found[0].version if found else wanted.version
                await self._join(replace(wanted, version=version))

    async def _join(self, agent: NewAgent) -> None:
        self._sessions[agent.agent_id] = await self._agents.register(self._tenant, agent)

    async def _known(self, agent_id: str) -> Agent | None:
        try:
            return await self._agents.get(self._tenant, agent_id)
        except NotFound:
            return None

    async def _say(self) -> int:
        """Make a channel and say something on it, if it is not there."""
        wanted = NewChannel(
            CHANNEL,
            description=say("ecosystem.demo.channel"),
            publish=("operator", "class:research"),
            subscribe=("viewer", "agent", "operator"),
        )
        try:
            await self._channels.create(self._tenant, wanted, actor=ACTOR)
        except Conflict:
            return 0
        sender = Caller(ACTOR, "agent", agent_id=f"{PREFIX}research-1", class_="research")
        for topic, notes in NOTES.items():
            text = say("ecosystem.demo.found", topic=topic, count=len(notes))
            body = {"topic": topic, "text": text, "notes": list(notes)}
            await self._channels.publish(self._tenant, CHANNEL, body, caller=sender, kind="finding", to=PARENT)
        return len(NOTES)

    async def _work(self) -> int:
        """A goal that is fanned out, some of it done, some in hand, some waiting; and others that come to nothing."""
        goal = await self._ask("plan", agent=PARENT)
        planned = await self._take(PARENT, goal)
        searches = [
            await self._ask(f"search {topic}", class_="research", strategy="least_loaded", under=goal)
            for topic in NOTES
        ]
        index = await self._ask("index", class_="indexing", under=goal, after=searches)
        answers = [
            await self._ask(f"answer {word}", class_="executor", strategy="round_robin", under=goal, after=[index])
            for word in ("refund", "free")
        ]
        check = await self._ask("check", class_="test-system", under=goal, after=answers)
        await self._end(PARENT, goal, planned, {"check": check.id})
        for task, (topic, notes) in zip(searches, NOTES.items(), strict=True):
            await self._do(str(task.agent_id), task, {"topic": topic, "notes": list(notes)})
        held = await self._take(f"{PREFIX}indexing", index)
        if held is not None:
            session = self._sessions[f"{PREFIX}indexing"]
            await self._agents.note(
                self._tenant, session.agent_id, session.epoch, index.id, held.claim_id, done=1, total=2, text="1 / 2"
            )
        lost = await self._ask("answer colour", agent=f"{PREFIX}executor-1")
        await self._do(f"{PREFIX}executor-1", lost, None)
        alone = await self._ask("translate", capabilities=("translate",))
        dropped = await self._ask("search prices", class_="research", capabilities=("search", "prices"))
        await self._tasks.cancel(self._tenant, dropped.id, reason=say("ecosystem.demo.dropped"), actor=ACTOR)
        return len([goal, *searches, index, *answers, check, lost, alone, dropped])

    async def _roll_out(self, say_line: Callable[[str], None]) -> int:
        """Roll a release out to one of three executors, where it fails; not where there are other executors."""
        ours = [agent for agent in AGENTS if agent.class_ == "executor"]
        there = (await self._agents.list(self._tenant, AgentFilter(class_="executor"))).items
        found = (await self._releases.list(self._tenant, class_="executor")).items
        current = [release.version for release in found if release.state == "current"]
        if len(there) > len(ours) or current != [ours[0].version] or RELEASE in [one.version for one in found]:
            say_line(say("ecosystem.demo.no_rollout", version=RELEASE))
            return 0
        await self._releases.create(self._tenant, NewRelease(class_="executor", version=RELEASE), actor=ACTOR)
        wanted = NewRollout(class_="executor", to_version=RELEASE, strategy="canary", **CANARY)
        rollout = await self._rollouts.start(self._tenant, wanted, actor=ACTOR)
        await step(self._database)
        chosen = [one.agent_id for one in await self._rollouts.agents(self._tenant, rollout.id) if one.chosen]
        new = next((agent for agent in ours if agent.agent_id in chosen), None)
        if new is not None:
            await self._join(replace(new, version=RELEASE))
            await self._judge(rollout, new, [agent for agent in ours if agent is not new])
            await self._join(new)
        return 1

    async def _judge(self, rollout: Rollout, new: NewAgent, old: Sequence[NewAgent]) -> None:
        for _ in range(ROUNDS):
            for n in range(SAMPLES):
                await self._do(new.agent_id, await self._ask(f"answer {n}", agent=new.agent_id), None)
                other = old[n % len(old)].agent_id
                await self._do(other, await self._ask(f"answer {n}", agent=other), {"notes": []})
            await roll_up(self._database)
            # The first look decides, the next one sees that nothing is in hand any more.
            for _look in range(3):
                await step(self._database)
            if (await self._rollouts.get(self._tenant, rollout.id)).state in OVER:
                return

    async def _ask(
        self, title: str, *, strategy: Any = None, under: Task | None = None, after: Sequence[Task] = (), **needs: Any
    ) -> Task:
        """Ask for a task that only example agents would do: below their parent, or by name."""
        wanted = NewTask(
            title=title,
            params={"example": title},
            needs=Need(**needs) if "agent" in needs else Need(tree=PARENT, **needs),
            strategy=strategy,
            parent_id=under.id if under else None,
            from_agent=PARENT if under else None,
            depends_on=[task.id for task in after],
            priority=FIRST,
            trace_id=TRACE,
            tags=("example",),
        )
        return await self._tasks.submit(self._tenant, wanted, actor=ACTOR)

    async def _take(self, agent_id: str, task: Task) -> Assignment | None:
        """Let an agent take a task; what it would be given instead goes back into line."""
        session = self._sessions[agent_id]
        for one in await self._agents.claim(self._tenant, agent_id, session.epoch):
            if one.task_id == task.id:
                return one
            await self._agents.release(self._tenant, agent_id, session.epoch, one.task_id, one.claim_id)
        return None

    async def _do(self, agent_id: str, task: Task, result: Any) -> None:
        """Let an agent take a task and complete it, or fail without a result."""
        await self._end(agent_id, task, await self._take(agent_id, task), result)

    async def _end(self, agent_id: str, task: Task, taken: Assignment | None, result: Any) -> None:
        if taken is None:
            return
        hold = (self._tenant, agent_id, self._sessions[agent_id].epoch, task.id, taken.claim_id)
        if result is None:
            await self._agents.fail(*hold, error_class="ValueError", message=PROBLEM, retry=False)
        else:
            await self._agents.complete(*hold, result)
