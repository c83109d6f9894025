"""What goes over the wire about agents, as OpenAPI shows it. What is out of range is refused by the database."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from dure.agents.model import (
    Agent,
    AgentState,
    Assignment,
    Branch,
    Kind,
    LinkState,
    NewAgent,
    OnDeath,
    Protocol,
    Renewal,
    Session,
)
from dure.agents.work import CLAIM_MAX, LINES_MAX, RETRY_AFTER_MAX_S, WAIT_MAX_S
from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out

AGENT_ID: dict[str, Any] = {"pattern": "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$", "examples": ["research-1"]}
CLASS: dict[str, Any] = {"pattern": "^[a-z0-9][a-z0-9._-]{0,99}$", "examples": ["research"]}
CAPABILITIES: dict[str, Any] = {"maxItems": 100, "examples": [["search"]]}
VERSION: dict[str, Any] = {"maxLength": 100, "examples": ["1.9.0"]}
HOLDING_MAX = 10_000
INTEGER_MAX = 2**63 - 1


class AgentIn(BaseModel):
    """An agent that says that it is there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"agent_id": "research-1", "class": "research", "version": "1.9.0", "capabilities": ["search"]},
            ]
        },
    )

    agent_id: StrictStr = Field(json_schema_extra=AGENT_ID)
    class_: StrictStr = Field(alias="class", description="What sort of agent it is.", json_schema_extra=CLASS)
    version: StrictStr = Field(description="Of its program; semantic.", json_schema_extra=VERSION)
    kind: Kind = "child"
    capabilities: list[StrictStr] = Field(
        default_factory=list, description="What it can do.", json_schema_extra=CAPABILITIES
    )
    parent_id: StrictStr | None = Field(default=None, description="The agent above it.", json_schema_extra=AGENT_ID)
    link_protocol: StrictStr | None = Field(default=None, description="How it and its parent speak.")
    link_settings: AnyJson | None = None
    location: StrictStr = Field(default="", description="Where it runs.", json_schema_extra={"maxLength": 500})
    endpoints: AnyJson = Field(default_factory=dict, description="Where it can be reached, if anywhere.")
    labels: AnyJson = Field(default_factory=dict)
    capacity: StrictInt = Field(
        default=1, description="How many tasks it does at a time.", json_schema_extra={"minimum": 1, "maximum": 10_000}
    )
    protocol: Protocol = Field(
        default="claim", description="`claim`: it fetches its tasks; `a2a`: they are sent to it."
    )
    on_death: OnDeath = Field(default="parent", description="Where its children go.")
    lease_s: StrictFloat | None = Field(
        default=None,
        description="How long it may be silent; 30 for parents and external ones, 10 for children.",
        json_schema_extra={"minimum": 1, "maximum": 3600},
    )
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )

    def to_new(self) -> NewAgent:
        """Answer the value that the registry takes."""
        return NewAgent(**{name: getattr(self, name) for name in AgentIn.model_fields if name != "tenant_id"})


Epoch = Annotated[
    StrictInt,
    Field(ge=0, le=INTEGER_MAX, description="The session, as the registration answered it.", examples=[4711]),
]


class SessionIn(BaseModel):
    """What every request of a session names: itself."""

    model_config = ConfigDict(extra="forbid")

    epoch: Epoch


class RenewIn(SessionIn):
    """A sign of life."""

    load: AnyJson | None = Field(default=None, description="How busy it is, for people to see.")


class ClaimIn(SessionIn):
    """A request for work."""

    most: StrictInt = Field(default=1, ge=1, le=CLAIM_MAX, description="So many tasks at most.")
    wait_s: Annotated[StrictFloat, Field(ge=0, le=WAIT_MAX_S, allow_inf_nan=False)] = Field(
        default=0.0, description="How long to wait for one."
    )
    holding: list[StrictInt] | None = Field(
        default=None,
        max_length=HOLDING_MAX,
        description="The claims that the agent knows of. Tasks that were given to this session and are not among them"
        " are given again: the answer was lost on its way. An agent that says so claims by one request at a time.",
    )


class TaskEndIn(SessionIn):
    """Which task in hand is meant."""

    task_id: StrictStr = Field(examples=[EXAMPLE_ID], max_length=200)
    claim_id: Annotated[StrictInt, Field(ge=0, le=INTEGER_MAX)]


class CompleteIn(TaskEndIn):
    """A task is done."""

    result: Any = None


class FailIn(TaskEndIn):
    """A task could not be done."""

    error_class: StrictStr = Field(default="Error", max_length=200, examples=["TimeoutError"])
    message: StrictStr = Field(default="", max_length=10_000)
    retry: StrictBool = Field(default=True, description="False: another attempt would not help.")
    cancelled: StrictBool = Field(default=False, description="It has stopped because it was asked to.")
    retry_after_s: Annotated[StrictFloat, Field(ge=0, le=RETRY_AFTER_MAX_S, allow_inf_nan=False)] | None = Field(
        default=None, description="Not before so many seconds; growing pauses when left out."
    )


class LogIn(BaseModel):
    """One line for the task's log."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = "info"
    message: StrictStr = Field(max_length=10_000)


class ProgressIn(TaskEndIn):
    """How far a task is, and what its handler has to say."""

    done: StrictInt | None = Field(default=None, ge=0, le=INTEGER_MAX, description="Left out: only `logs` are meant.")
    total: StrictInt | None = Field(default=None, ge=0, le=INTEGER_MAX)
    note: StrictStr = Field(default="", max_length=10_000)
    logs: list[LogIn] = Field(default_factory=list, max_length=LINES_MAX)


class ParentIn(BaseModel):
    """Whose child an agent is to be, and how the two speak."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"parent_id": "orchestrator-1"}]})

    parent_id: StrictStr = Field(json_schema_extra=AGENT_ID)
    protocol: StrictStr | None = Field(default=None, json_schema_extra={"maxLength": 100})
    settings: AnyJson | None = Field(default=None, description="For that protocol.")


class CascadeIn(BaseModel):
    """How far it reaches."""

    model_config = ConfigDict(extra="forbid")

    cascade: StrictBool = Field(default=True, description="Also all agents below it.")


class ResumeIn(BaseModel):
    """How far it reaches."""

    model_config = ConfigDict(extra="forbid")

    cascade: StrictBool = Field(default=False, description="Also all agents below it.")


class SessionOut(Out):
    """A session that holds."""

    agent_id: str = Field(examples=["research-1"])
    epoch: int = Field(description="Goes with everything that the agent sends from now on.")
    lease_s: float
    renew_every_s: float
    state: AgentState
    upgrade_to: str | None = Field(description="The version that it should become.")
    hold: AnyJson | None = Field(description="Why it gets no work for now.")

    @classmethod
    def of(cls, session: Session) -> "SessionOut":
        """Answer a session."""
        return cls.model_validate(session)


class CancelOut(BaseModel):
    """A task in hand that is wanted no more."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    reason: str


class RenewalOut(Out):
    """What the agent is told."""

    lease_until: datetime
    draining: bool
    upgrade_to: str | None
    hold: AnyJson | None
    cancel: list[CancelOut]

    @classmethod
    def of(cls, renewal: Renewal) -> "RenewalOut":
        """Answer a renewal."""
        cancel = [CancelOut(task_id=task_id, reason=reason) for task_id, reason in renewal.cancel]
        return cls(
            lease_until=renewal.lease_until,
            draining=renewal.draining,
            upgrade_to=renewal.upgrade_to,
            hold=None if renewal.hold is None else dict(renewal.hold),
            cancel=cancel,
        )


class AssignmentOut(Out):
    """A task for this agent; `claim_id` goes with all that it says of it."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    claim_id: int
    handler: str
    title: str
    params: AnyJson
    capabilities: list[str] = Field(description="What the task asked for.")
    attempt: int
    from_agent: str | None
    trace_id: str | None
    root_id: str | None
    depth: int
    deadline_at: datetime | None
    timeout_s: float | None
    priority: int


class ClaimOut(BaseModel):
    """The tasks that the agent was given; none when none came in time."""

    items: list[AssignmentOut]

    @classmethod
    def of(cls, assignments: tuple[Assignment, ...]) -> "ClaimOut":
        """Answer assignments."""
        return cls(items=[AssignmentOut.model_validate(one) for one in assignments])


class EndedOut(BaseModel):
    """It is recorded."""

    task_id: str = Field(examples=[EXAMPLE_ID])
    recorded: Literal[True] = True


class LeftOut(BaseModel):
    """The session has ended."""

    agent_id: str
    ended: Literal[True] = True


class LinkOut(Out):
    """How an agent is bound to its parent."""

    parent_id: str | None
    protocol: str
    settings: AnyJson
    state: LinkState
    connected_at: datetime | None
    disconnected_at: datetime | None
    orphaned_at: datetime | None


class AgentOut(Out):
    """An agent as it stands."""

    tenant_id: str
    agent_id: str = Field(examples=["research-1"])
    kind: Kind
    class_: str = Field(serialization_alias="class", examples=["research"])
    version: str
    state: AgentState
    capabilities: list[str]
    location: str
    endpoints: AnyJson
    labels: AnyJson
    protocol: Protocol
    capacity: int
    in_hand: int = Field(description="Tasks that it has taken and not ended.")
    on_death: OnDeath
    lease_s: float
    epoch: int | None = Field(description="Its session; null while it has none.")
    lease_until: datetime | None
    load: AnyJson | None
    target_version: str | None
    hold: AnyJson | None
    link: LinkOut | None
    depth: int = Field(description="How many agents are above it.")
    trees: list[str] = Field(description="Itself, its parent, and so on to the root.")
    first_registered_at: datetime
    registered_at: datetime
    suspected_at: datetime | None
    died_at: datetime | None
    reaped_at: datetime | None
    draining_at: datetime | None
    retired_at: datetime | None
    revision: int

    @classmethod
    def of(cls, agent: Agent) -> "AgentOut":
        """Answer an agent."""
        return cls.model_validate(agent)


class BranchOut(Out):
    """An agent and all below it."""

    agent: AgentOut
    children: list["BranchOut"]


class TreeOut(BaseModel):
    """Agents, each with all below it."""

    items: list[BranchOut]

    @classmethod
    def of(cls, branches: tuple[Branch, ...]) -> "TreeOut":
        """Answer branches."""
        return cls(items=[BranchOut.model_validate(one) for one in branches])


class MovedOut(BaseModel):
    """The agents that it has reached."""

    items: list[str] = Field(examples=[["orchestrator-1", "research-1"]])
