"""The values of agents and of their tasks: what is asked for, and what people read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from dure.queue.model import State

Kind = Literal["parent", "child", "external"]
AgentState = Literal["alive", "suspect", "dead", "reaped", "draining", "retired"]
Protocol = Literal["claim", "a2a"]
OnDeath = Literal["parent", "escalate", "keep"]
Strategy = Literal["direct", "least_loaded", "round_robin", "sticky", "broadcast", "first_come"]
Outcome = Literal["completed", "retried", "failed", "cancelled", "released"]
LinkState = Literal["connected", "disconnected", "orphaned"]

RENEWALS = 3
"""A lease is renewed so many times within its length."""
PLAIN_TASK = "dure.task"
GATHER_JOB = "dure.task.gather"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """What an agent says of itself. Example: `NewAgent(agent_id="research-1", class_="research", version="1.9.0")`."""

    agent_id: str
    class_: str
    version: str
    kind: Kind = "child"
    capabilities: Sequence[str] = ()
    parent_id: str | None = None
    link_protocol: str | None = None
    link_settings: Mapping[str, Any] | None = None
    location: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    protocol: Protocol = "claim"
    capacity: int = 1
    on_death: OnDeath = "parent"
    lease_s: float | None = None
    """None is 30 seconds for a parent or an external agent, 10 for a child."""


@dataclass(frozen=True, slots=True)
class Session:
    """A registration that holds: its epoch goes with everything that the agent sends."""

    agent_id: str
    epoch: int
    lease_s: float
    state: AgentState
    upgrade_to: str | None
    hold: Mapping[str, Any] | None

    @property
    def renew_every_s(self) -> float:
        """How often to renew."""
        return self.lease_s / RENEWALS


@dataclass(frozen=True, slots=True)
class Renewal:
    """What an agent is told when it renews: until when it has its lease, and what it should do."""

    lease_until: datetime
    draining: bool
    upgrade_to: str | None
    hold: Mapping[str, Any] | None
    cancel: tuple[tuple[str, str], ...]
    """Tasks in its hands that are to stop, each with the reason."""


@dataclass(frozen=True, slots=True)
class Link:
    """How an agent is bound to its parent."""

    parent_id: str | None
    protocol: str
    settings: Mapping[str, Any]
    state: LinkState
    connected_at: datetime | None
    disconnected_at: datetime | None
    orphaned_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent, as people see it."""

    tenant_id: str
    agent_id: str
    kind: Kind
    class_: str
    version: str
    state: AgentState
    capabilities: tuple[str, ...]
    location: str
    endpoints: Mapping[str, str]
    labels: Mapping[str, Any]
    protocol: Protocol
    capacity: int
    on_death: OnDeath
    lease_s: float
    epoch: int | None
    lease_until: datetime | None
    load: Mapping[str, Any] | None
    in_hand: int
    """Tasks that it has taken and not ended."""
    target_version: str | None
    hold: Mapping[str, Any] | None
    link: Link | None
    trees: tuple[str, ...]
    """The agent itself, then its parent, and so on to the root."""
    first_registered_at: datetime
    registered_at: datetime
    suspected_at: datetime | None
    died_at: datetime | None
    reaped_at: datetime | None
    draining_at: datetime | None
    retired_at: datetime | None
    revision: int

    @property
    def depth(self) -> int:
        """0 for a root."""
        return len(self.trees) - 1


@dataclass(frozen=True, slots=True)
class Branch:
    """An agent and all below it."""

    agent: Agent
    children: tuple["Branch", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """Which agents; what is not said does not matter. Reaped and retired ones are shown only when asked for."""

    state: AgentState | None = None
    class_: str | None = None
    kind: Kind | None = None
    capability: str | None = None
    tree: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a task asks of the agent that is to do it. Example: `Need(capabilities=("search",))`."""

    class_: str | None = None
    capabilities: Sequence[str] = ()
    agent: str | None = None
    tree: str | None = None
    """Only an agent at or below this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """Work for an agent. Example: `NewTask(params={"query": "dure"}, needs=Need(capabilities=("search",)))`."""

    params: Mapping[str, Any] = field(default_factory=dict)
    handler: str = PLAIN_TASK
    title: str = ""
    needs: Need = field(default_factory=Need)
    strategy: Strategy | None = None
    """None is `direct` where an agent is named, else `first_come`."""
    sticky_key: str | None = None
    parent_id: str | None = None
    from_agent: str | None = None
    depends_on: Sequence[str] = ()
    deadline_at: datetime | None = None
    run_at: datetime | None = None
    timeout_s: float | None = None
    priority: int = 0
    max_retries: int | None = None
    unique_key: str | None = None
    unique_for_s: float | None = None
    tags: Sequence[str] = ()
    trace_id: str | None = None

    def document(self) -> dict[str, Any]:
        """Answer it as the database reads it; what was not said is left out."""
        needs = {
            "class": self.needs.class_,
            "capabilities": list(self.needs.capabilities) or None,
            "agent": self.needs.agent,
            "tree": self.needs.tree,
        }
        asked = {
            "params": dict(self.params),
            "handler": self.handler,
            "title": self.title or None,
            "strategy": self.strategy,
            "sticky_key": self.sticky_key,
            "parent_id": self.parent_id,
            "from_agent": self.from_agent,
            "depends_on": list(self.depends_on) or None,
            "deadline_at": self.deadline_at.isoformat() if self.deadline_at else None,
            "run_at": self.run_at.isoformat() if self.run_at else None,
            "timeout_s": self.timeout_s,
            "priority": self.priority or None,
            "max_retries": self.max_retries,
            "unique_key": self.unique_key,
            "unique_for_s": self.unique_for_s,
            "tags": list(self.tags) or None,
            "trace_id": self.trace_id,
        }
        return {name: value for name, value in {**needs, **asked}.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, as people see it: its job, and what it is beyond that."""

    id: str
    tenant_id: str
    handler: str
    title: str
    state: State
    strategy: Strategy
    needs: Need
    sticky_key: str | None
    agent_id: str | None
    """Whom it was given to, or who has taken it."""
    from_agent: str | None
    parent_id: str | None
    root_id: str
    trace_id: str
    depth: int
    params: Mapping[str, Any]
    result: Any
    error_class: str | None
    error: str | None
    priority: int
    attempt: int
    retry_count: int
    max_retries: int
    crash_count: int
    blocked_by: int
    timeout_s: float | None
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    tags: tuple[str, ...]
    created_by: str
    is_new: bool = True
    """False where a repeated `unique_key` answered with the task that exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks; what is not said does not matter."""

    state: State | None = None
    agent: str | None = None
    class_: str | None = None
    strategy: Strategy | None = None
    root: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that a strategy looked at; `reason` says why it was out of the question, None for one that was not."""

    agent_id: str
    state: AgentState | None = None
    score: float | None = None
    in_hand: int | None = None
    waiting: int | None = None
    capacity: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a strategy chose, from whom, and why; `chosen` is None where whoever comes first takes it."""

    strategy: Strategy
    chosen: str | None
    reason: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that explains where a task is: the choices made for it, the first one first, and what it waits for."""

    task: Task
    choices: tuple[Choice, ...]
    waits_for: Mapping[str, Any] | None
    """`{"code": …}` for a task that is pending: what must happen for it to begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A task in an agent's hands; the claim goes with whatever it says of it."""

    task_id: str
    claim_id: int
    handler: str
    params: Mapping[str, Any]
    attempt: int
    title: str
    from_agent: str | None
    trace_id: str | None
    root_id: str | None
    depth: int
    deadline_at: datetime | None
    timeout_s: float | None
    priority: int
    capabilities: tuple[str, ...] = ()
    """What the task asks for."""
