"""Agents before one's eyes: `dure demo agents`.

Five classes of agents, each agent a process that knows nothing but an address, under one orchestrator. A goal is fanned
out, an agent is killed, a bad release is taken back by its gate. Everything happens in a database of its own. What is
told was looked at: where it is not so, the demo says so and ends with an error.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from dure import logs
from dure.agents.audit import Audit, LogEntry, LogFilter, Verified
from dure.agents.model import Agent, AgentFilter, Branch, Need, NewTask, Task, TaskFilter
from dure.agents.releases import NewRelease, Releases
from dure.agents.rollout_model import OVER, NewRollout, Rollout
from dure.agents.rollouts import Rollouts
from dure.apps.ecosystem.demo_agent import BAD_VERSION, NOTES
from dure.apps.ecosystem.demo_fleet import Fleet, Member
from dure.db.sql import load
from dure.errors import Conflict, LeaseLost, TimedOut
from dure.lang import say
from dure.runtime.demo import own_database
from dure.runtime.parts import Runtime
from dure.settings import Settings

TENANT = "default"
ACTOR = "demo"
WAIT_MAX_S = 60.0
POLL_S = 0.05
WORKER_LEASE_S = 15.0
PARENT = "orchestrator-1"
WORDS = ("refund", "free", "card")
SEARCH_S = 3.0
"""Long enough that one is still in hand when it is to be killed, on a slow machine too."""
ANSWER_S = 0.1
KILLED_AFTER_S = 0.4
AT_ONCE = 6
"""So many tasks for executors wait while a rollout is looked at, so that there is something to look at."""
MANY = 1_000
LOG_SHOWN = 16
FLEET: Sequence[Member] = (
    Member(id=PARENT, class_="orchestrator", version="2.1.0", capability="plan", kind="parent"),
    Member(id="test-system-1", class_="test-system", version="1.0.0", capability="check", parent_id=PARENT),
    Member(id="indexing-1", class_="indexing", version="1.7.1", capability="index", parent_id=PARENT),
    *(
        Member(id=f"research-{n}", class_="research", version="1.9.0", capability="search", parent_id=PARENT)
        for n in (1, 2)
    ),
    *(
        Member(id=f"executor-{n}", class_="executor", version="1.8.3", capability="answer", parent_id=PARENT)
        for n in (1, 2, 3)
    ),
)
CANARY: Mapping[str, Any] = {
    "steps": [{"share_pct": 33, "bake_s": 2}, {"share_pct": 100, "bake_s": 2}],
    "min_healthy_s": 0,
    "progress_deadline_s": WAIT_MAX_S,
    "gates": {"task_success": {"samples_min": 6}, "lease_loss": None, "error_rate": None, "latency": None},
}

T = TypeVar("T")

_HELD = load("dure.runtime", "demo_held")


class Story:
    """One telling. Example: `await Story(settings, say_line=print).run()`."""

    def __init__(self, settings: Settings, *, say_line: Callable[[str], None]) -> None:
        self._settings = settings
        self._line = say_line
        self._chapter = 0
        self._facts: dict[str, Any] = {}
        self._runtime: Runtime
        self._fleet: Fleet
        self._index = ""

    async def run(self) -> dict[str, Any]:
        """Tell it; answers its figures."""
        began_s = time.monotonic()
        # What goes wrong here goes wrong on purpose; the story says it better than a log.
        logs.configure(log_level="error")
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._join()
            goal = await self._delegate()
            await self._kill(goal)
            await self._finish(goal)
            await self._release()
            await self._tree()
            await self._log(goal)
            self._line("")
            self._say("stopping")
        self._facts["took_s"] = round(time.monotonic() - began_s, 1)
        self._say("end", took_s=self._facts["took_s"])
        for command in ("up", "load", "tree", "worker", "why"):
            self._line(f"    {say(f'ecosystem.demo.try_{command}')}")
        return self._facts

    async def _start(self, stack: AsyncExitStack) -> None:
        self._say("starting", home=self._settings.home)
        changes = {
            "database_url": await stack.enter_async_context(own_database(self._settings)),
            "host": "127.0.0.1", "port": 0, "lease_s": WORKER_LEASE_S, "queues": (), "imports": (),
            "notice_targets": (), "notify": True, "pooler": False, "log_level": "error",
        }  # fmt: skip
        settings = self._settings.model_copy(update=changes)
        self._runtime = await stack.enter_async_context(Runtime.open(settings, worker=True, http=True, migrate=True))
        assert self._runtime.http is not None
        url = f"http://127.0.0.1:{self._runtime.http.port}"
        self._say("started", url=url)
        self._fleet = Fleet(url, upgraded=self._upgraded)
        stack.push_async_callback(self._fleet.stop)

    async def _join(self) -> None:
        self._title("join")
        # The others say that they stand below it.
        await self._fleet.start(FLEET[0])
        await self._alive(FLEET[0].id)
        await asyncio.gather(*(self._fleet.start(member) for member in FLEET[1:]))
        for member in FLEET:
            agent = await self._alive(member.id)
            self._say(
                "joined", id=f"{member.id:<15}", class_=f"{agent.class_:<13}", version=agent.version,
                pid=self._fleet.pid(member.id), epoch=agent.epoch,
            )  # fmt: skip
        self._facts["agents"] = len(FLEET)

    async def _delegate(self) -> Task:
        self._title("delegate")
        goal = await self._runtime.tasks.submit(
            TENANT,
            NewTask(
                title="plan",
                params={"topics": list(NOTES), "words": list(WORDS), "pause_s": SEARCH_S},
                needs=Need(class_="orchestrator", capabilities=("plan",)),
            ),
            actor=ACTOR,
        )
        goal = await self._ended(goal.id)
        self._check(goal.state == "completed", "goal")
        for task in await self._all_of(goal):
            needs = " ".join([task.needs.class_ or "", *task.needs.capabilities])
            waits = say("ecosystem.demo.waits", count=task.blocked_by) if task.blocked_by else ""
            self._line(f"   {'  ' * task.depth}{task.title:<{18 - 2 * task.depth}} {needs:<20} {waits}".rstrip())
        self._index = goal.result["index"]
        return goal

    async def _kill(self, goal: Task) -> None:
        self._title("kill")
        task = await self._until("task", lambda: self._in_hand(goal))
        victim = str(task.agent_id)
        await asyncio.sleep(KILLED_AFTER_S)
        claim, epoch, _ = await self._holder(task.id)
        self._say("works", id=victim, pid=self._fleet.pid(victim), title=task.title)
        member = self._fleet.kill(victim)
        killed_s = time.monotonic()
        self._say("killed", pid=self._fleet.pid(victim))
        again = await self._until("task", lambda: self._taken_again(task.id, claim))
        took_s = time.monotonic() - killed_s
        self._check(again.agent_id != victim, "elsewhere")
        self._say("taken", title=again.title, id=again.agent_id, attempt=again.attempt, took_s=f"{took_s:.1f}")
        gone = await self._runtime.agents.get(TENANT, victim)
        self._check(gone.state == "dead", "dead")
        try:
            await self._runtime.agents.complete(TENANT, victim, epoch, task.id, claim, {"notes": []})
        except LeaseLost as error:
            self._say("fenced", epoch=epoch, code=error.code)
        else:
            raise Conflict("demo_not_so", what=say("ecosystem.demo.not_fenced"))
        await self._fleet.start(member)
        back = await self._alive(victim)
        self._check(back.epoch is not None and back.epoch > epoch, "epoch")
        self._say("back", id=victim, epoch=back.epoch)
        self._facts.update(killed=victim, taken_over_s=round(took_s, 1))

    async def _finish(self, goal: Task) -> None:
        self._title("finish")
        check = await self._ended(goal.result["check"])
        done = await self._all_of(goal)
        for task in done:
            self._say(
                "done",
                title=f"{task.title:<18}",
                state=task.state,
                id=f"{task.agent_id or '':<15}",
                attempt=task.attempt,
            )
        self._check(all(task.state == "completed" for task in done), "completed")
        began = next(task.started_at for task in done if task.id == self._index)
        searched = [task.finished_at for task in done if task.needs.class_ == "research"]
        self._check(began is not None and all(one is not None and one <= began for one in searched), "order")
        self._check(check.result == {"checked": len(WORDS), "wrong": []}, "right")
        self._say("right", count=len(WORDS), id=check.agent_id)
        self._facts.update(tasks=len(done), attempts=sum(task.attempt for task in done))

    async def _release(self) -> None:
        self._title("release")
        releases, rollouts = Releases(self._runtime.database), Rollouts(self._runtime.database)
        (current,) = (await releases.list(TENANT, class_="executor", state="current")).items
        await releases.create(TENANT, NewRelease(class_="executor", version=BAD_VERSION), actor=ACTOR)
        begun = await rollouts.start(
            TENANT, NewRollout(class_="executor", to_version=BAD_VERSION, strategy="canary", **CANARY), actor=ACTOR
        )
        traffic = await self._watch(rollouts, begun)
        over = await rollouts.get(TENANT, begun.id)
        reason = over.reason or {}
        self._check((over.state, reason.get("code")) == ("reverted", "gate_failed"), "reverted")
        kept = await releases.get(TENANT, "executor", current.version)
        bad = await releases.get(TENANT, "executor", BAD_VERSION)
        self._check((kept.state, bad.state) == ("current", "reverted"), "current")
        self._say("kept", version=kept.version, bad=bad.version, state=bad.state)
        await self._until("agent", self._all_old)
        done = [await self._ended(one) for one in traffic]
        self._check(all(task.state == "completed" for task in done), "traffic")
        retried = sum(task.retry_count for task in done)
        self._check(retried > 0, "failed")
        self._say("traffic", count=len(done), failed=retried, bad=BAD_VERSION)
        self._facts.update(rollout=over.state, traffic=len(done), failed_attempts=retried)

    async def _watch(self, rollouts: Rollouts, rollout: Rollout) -> list[str]:
        """Tell what happens to a rollout, and keep the executors busy meanwhile; answer the tasks."""
        traffic: list[str] = []
        told = 0
        until_s = time.monotonic() + WAIT_MAX_S
        while time.monotonic() < until_s:
            state = (await rollouts.get(TENANT, rollout.id)).state
            # Read after the state: what led to it is among them.
            for event in await rollouts.events(TENANT, rollout.id, after=told):
                told = event.id
                self._happened(event.kind, dict(event.detail))
            if state in OVER:
                return traffic
            waiting = await self._runtime.tasks.list(TENANT, TaskFilter(state="pending", class_="executor"), limit=MANY)
            if len(waiting.items) < AT_ONCE and len(traffic) < MANY:
                made = await self._runtime.tasks.submit_many(
                    TENANT, [self._question() for _ in range(AT_ONCE)], actor=ACTOR
                )
                traffic += [task.id for task in made]
            await asyncio.sleep(0.1)
            self._require_fleet()
        raise TimedOut(what=say("ecosystem.demo.rollout"), after_s=WAIT_MAX_S)

    def _happened(self, kind: str, detail: dict[str, Any]) -> None:
        numbers = detail.get("numbers", {})
        match kind:
            case "started":
                self._say("event_started", old=detail["from_version"], new=BAD_VERSION)
            case "asked":
                self._say("event_asked", agents=", ".join(detail["agents"]), new=BAD_VERSION)
            case "gate" if detail["answer"] == "fail":
                self._say(
                    "event_gate",
                    gate=detail["gate"],
                    new=f"{1 - numbers['new_rate']:.0%}",
                    of=numbers["new_samples"],
                    old=f"{1 - numbers['old_rate']:.0%}",
                    of_old=numbers["old_samples"],
                    chance=f"{numbers['as_good']:.1g}",
                )
            case "failed" | "reverting" | "reverted":
                self._say(f"event_{kind}", new=BAD_VERSION)

    async def _tree(self) -> None:
        self._title("tree")
        trees = await self._runtime.agents.tree(TENANT)
        for line in drawn(trees):
            self._line(f"   {line}")
        self._check([len(tree.children) for tree in trees] == [len(FLEET) - 1], "tree")

    async def _log(self, goal: Task) -> None:
        self._title("log")
        audit = Audit(self._runtime.database)
        verified = await self._until("log", lambda: self._chained(audit))
        entries = (await audit.read(TENANT, LogFilter(trace_id=goal.trace_id), limit=MANY)).items[::-1]
        for entry in entries[-LOG_SHOWN:]:
            self._line(f"   {_entry_line(entry)}")
        given = sum(entry.kind == "task" for entry in entries)
        refused = sum(not entry.ok for entry in entries)
        self._check((given, refused) == (self._facts["attempts"], 1), "log")
        self._say("log_counts", trace=goal.trace_id[:12], count=len(entries), given=given, refused=refused)
        self._title("chain")
        self._check(verified.ok, "chain")
        self._say("chain_ok", rows=verified.rows, hash=verified.head_hash)
        self._facts.update(log_entries=verified.rows, head_hash=verified.head_hash)

    async def _chained(self, audit: Audit) -> Verified | None:
        verified = await audit.verify(TENANT)
        return verified if not verified.waiting or not verified.ok else None

    async def _in_hand(self, goal: Task) -> Task | None:
        found = await self._runtime.tasks.list(TENANT, TaskFilter(state="processing", class_="research", root=goal.id))
        return found.items[-1] if found.items else None

    async def _taken_again(self, task_id: str, claim: int) -> Task | None:
        held = await self._held(task_id)
        task = await self._runtime.tasks.get(TENANT, task_id)
        taken = (held is not None and held[0] != claim) or task.state == "completed"
        return task if taken else None

    async def _all_old(self) -> tuple[Agent, ...] | None:
        """The executors, once all of them work again, as what they were."""
        agents = (await self._runtime.agents.list(TENANT, AgentFilter(class_="executor"), limit=MANY)).items
        back = all(one.state == "alive" and one.hold is None and one.version != BAD_VERSION for one in agents)
        return agents if back else None

    async def _alive(self, agent_id: str) -> Agent:
        async def look() -> Agent | None:
            found = [
                one for one in (await self._runtime.agents.list(TENANT, limit=MANY)).items if one.agent_id == agent_id
            ]
            return found[0] if found and found[0].state == "alive" else None

        return await self._until("agent", look)

    async def _ended(self, task_id: str) -> Task:
        async def look() -> Task | None:
            task = await self._runtime.tasks.get(TENANT, task_id)
            return task if task.finished_at is not None else None

        return await self._until("task", look)

    async def _all_of(self, goal: Task) -> list[Task]:
        return list((await self._runtime.tasks.list(TENANT, TaskFilter(root=goal.id), limit=MANY)).items)[::-1]

    async def _held(self, task_id: str) -> tuple[int, int, int] | None:
        async with self._runtime.database.system_tx() as tx:
            row = await (await tx.execute(_HELD, {"id": task_id})).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    async def _holder(self, task_id: str) -> tuple[int, int, int]:
        return await self._until("task", lambda: self._held(task_id))

    async def _until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something, but not for ever."""
        until_s = time.monotonic() + WAIT_MAX_S
        while time.monotonic() < until_s:
            self._require_fleet()
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(POLL_S)
        raise TimedOut(what=say(f"ecosystem.demo.{what}"), after_s=WAIT_MAX_S)

    def _question(self) -> NewTask:
        return NewTask(
            title="answer",
            params={"index": self._index, "word": WORDS[0], "pause_s": ANSWER_S},
            needs=Need(class_="executor", capabilities=("answer",), tree=PARENT),
            max_retries=20,
        )

    def _upgraded(self, member: Member) -> None:
        self._say("upgraded", id=member.id, version=member.version, pid=self._fleet.pid(member.id))

    def _require_fleet(self) -> None:
        if self._fleet.failed is not None:
            agent_id, said = self._fleet.failed
            raise Conflict("demo_agent_ended", agent=agent_id, said=said)

    def _check(self, is_so: bool, what: str) -> None:
        if not is_so:
            raise Conflict("demo_not_so", what=say(f"ecosystem.demo.not_{what}"))

    def _title(self, key: str) -> None:
        self._chapter += 1
        self._line("")
        self._line(f"{self._chapter}. {say(f'ecosystem.demo.{key}')}")

    def _say(self, key: str, **params: object) -> None:
        self._line(f"   {say(f'ecosystem.demo.{key}', **params)}".rstrip())


def drawn(branches: Sequence[Branch]) -> Iterator[str]:
    """Yield the lines of a tree of agents. Example: `for line in drawn(await agents.tree("acme")): print(line)`."""
    for branch in branches:
        yield from _drawn(branch, "", "")


def _drawn(branch: Branch, before: str, below: str) -> Iterator[str]:
    agent = branch.agent
    name = f"{before}{agent.agent_id}"
    yield f"{name:<20} {agent.class_:<13} {agent.version:<7} {say(f'agents.state_{agent.state}')}"
    for child in branch.children:
        last = child is branch.children[-1]
        yield from _drawn(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _entry_line(entry: LogEntry) -> str:
    latency = "" if entry.latency_ms is None else f"{entry.latency_ms:.0f} ms"
    sender, receiver = entry.from_agent or "-", entry.to_agent or "-"
    outcome = entry.error or ""
    return f"{entry.seq:>5}  {sender:<15} > {receiver:<15} {entry.kind:<10} {latency:>8}  {outcome}".rstrip()
