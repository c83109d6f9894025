"""What goes over the wire about tasks, as OpenAPI shows it. What is out of range is refused by the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from dure.agents.model import PLAIN_TASK, AgentState, Choice, Need, NewTask, Strategy, Task, Why
from dure.agents.tasks import SUBMIT_MAX
from dure.agents.wording import choice_text, excluded_text, waits_text
from dure.errors import Invalid
from dure.http.agent_schemas import AGENT_ID, CLASS
from dure.http.schemas import EXAMPLE_ID, EXAMPLE_TIME, TENANT_SHAPE, AnyJson, Out
from dure.queue.model import State


class TaskIn(BaseModel):
    """A task that is asked for: what is to be done, and by whom."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"title": "tides", "params": {"q": "tide"}, "capabilities": ["search"], "strategy": "least_loaded"}
            ]
        },
    )

    params: AnyJson = Field(default_factory=dict)
    handler: StrictStr = Field(default=PLAIN_TASK, description="Name of the kind of work.")
    title: StrictStr = Field(default="", json_schema_extra={"maxLength": 500})
    class_: StrictStr | None = Field(
        default=None, alias="class", description="Only an agent of this class.", json_schema_extra=CLASS
    )
    capabilities: list[StrictStr] = Field(
        default_factory=list,
        description="Only an agent that can do all of this.",
        json_schema_extra={"maxItems": 20, "examples": [["search"]]},
    )
    agent: StrictStr | None = Field(default=None, description="This agent and no other.", json_schema_extra=AGENT_ID)
    tree: StrictStr | None = Field(
        default=None, description="Only this agent and those below it.", json_schema_extra=AGENT_ID
    )
    strategy: Strategy | None = Field(
        default=None, description="How an agent is chosen; `direct` when one is named, else `first_come`."
    )
    sticky_key: StrictStr | None = Field(
        default=None,
        description="With `sticky`: tasks of one key go to one agent.",
        json_schema_extra={"minLength": 1, "maxLength": 500},
    )
    parent_id: StrictStr | None = Field(
        default=None,
        description="The task above it; its deadline and its cancelling hold for this one too.",
        examples=[EXAMPLE_ID],
    )
    from_agent: StrictStr | None = Field(default=None, description="Who asks.", json_schema_extra=AGENT_ID)
    depends_on: list[StrictStr] = Field(default_factory=list, description="Tasks that must complete first.")
    deadline_at: AwareDatetime | None = Field(default=None, description="Not after this time.", examples=[EXAMPLE_TIME])
    run_at: AwareDatetime | None = Field(default=None, description="Not before this time.", examples=[EXAMPLE_TIME])
    timeout_s: StrictFloat | None = Field(default=None, description="How long one attempt may take.")
    priority: StrictInt = Field(
        default=0, description="Larger runs first.", json_schema_extra={"minimum": -1000, "maximum": 1000}
    )
    max_retries: StrictInt | None = Field(default=None, json_schema_extra={"minimum": 0, "maximum": 100})
    unique_key: StrictStr | None = Field(
        default=None, description="One open task of a handler may have it; a repeat answers with that task."
    )
    unique_for_s: StrictFloat | None = Field(default=None, description="How long a completed task keeps its key.")
    tags: list[StrictStr] = Field(default_factory=list, json_schema_extra={"maxItems": 50})
    trace_id: StrictStr | None = Field(default=None, description="Goes with all that is handed on.", max_length=100)

    def to_new(self) -> NewTask:
        """Answer the value that the service takes."""
        needs = Need(class_=self.class_, capabilities=self.capabilities, agent=self.agent, tree=self.tree)
        rest = {name: getattr(self, name) for name in TaskIn.model_fields if name in NewTask.__dataclass_fields__}
        return NewTask(**rest, needs=needs)


class TaskWish(TaskIn):
    """A task that is asked for, and whose it is when the key does not say."""

    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class TaskCreate(TaskWish):
    """One task, or many in `tasks`: all or none of them."""

    tasks: list[TaskIn] | None = Field(
        default=None,
        description="In place of all other fields but `tenant_id`.",
        json_schema_extra={"minItems": 1, "maxItems": SUBMIT_MAX},
    )

    def wanted(self) -> list[NewTask]:
        """Answer the values that the service takes; refuse one task beside many."""
        if self.tasks is None:
            return [self.to_new()]
        if beside := sorted(self.model_fields_set - {"tasks", "tenant_id"}):
            raise Invalid(field=beside[0].rstrip("_"), reason="beside_many")
        return [one.to_new() for one in self.tasks]


class NeedOut(Out):
    """What a task asks of the agent that is to do it."""

    class_: str | None = Field(serialization_alias="class")
    capabilities: list[str]
    agent: str | None
    tree: str | None


class TaskOut(Out):
    """A task as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    handler: str
    title: str
    state: State
    strategy: Strategy
    needs: NeedOut
    sticky_key: str | None
    agent_id: str | None = Field(description="Whom it was given to, or who has taken it.")
    from_agent: str | None
    parent_id: str | None
    root_id: str
    trace_id: str
    depth: int
    params: Any
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
    tags: list[str]
    created_by: str

    @classmethod
    def of(cls, task: Task) -> "TaskOut":
        """Answer a task."""
        return cls.model_validate(task)


class TaskCreatedOut(TaskOut):
    """A task that was made, or the earlier one that holds its unique key (`created` is false)."""

    created: bool


class TasksCreatedOut(BaseModel):
    """The tasks of one request, in its order."""

    items: list[TaskCreatedOut]


class ReasonOut(BaseModel):
    """A reason: a stable code, what belongs to it, and the sentence in the language of the request."""

    code: str = Field(examples=["least_loaded"])
    params: AnyJson
    text: str


class CandidateOut(Out):
    """An agent that a strategy looked at."""

    agent_id: str
    state: AgentState | None
    score: float | None = Field(description="Tasks in hand and in line for each place; the lowest is chosen.")
    in_hand: int | None
    waiting: int | None
    capacity: int | None
    reason: str | None = Field(description="Why it was out of the question; null for one that was not.")
    text: str | None


class ChoiceOut(Out):
    """Whom a strategy chose, from whom, and why."""

    strategy: Strategy
    chosen: str | None = Field(description="Null: whoever can and comes first takes it.")
    reason: ReasonOut
    candidates: list[CandidateOut]
    at: datetime | None

    @classmethod
    def of(cls, choice: Choice, lang: str) -> "ChoiceOut":
        """Answer a choice in the language of a request."""
        candidates = [
            CandidateOut(
                **{name: getattr(one, name) for name in CandidateOut.model_fields if name != "text"},
                text=None if one.reason is None else excluded_text(one.reason, lang),
            )
            for one in choice.candidates
        ]
        reason = _reason(choice.reason, choice_text(choice, lang))
        return cls(strategy=choice.strategy, chosen=choice.chosen, reason=reason, candidates=candidates, at=choice.at)


class TaskWhyOut(BaseModel):
    """Everything that explains where a task is."""

    task: TaskOut
    choices: list[ChoiceOut]
    waits_for: ReasonOut | None = Field(description="What must happen for it to begin; null when it is not pending.")

    @classmethod
    def of(cls, why: Why, lang: str) -> "TaskWhyOut":
        """Answer an explanation in the language of a request."""
        waits = None if why.waits_for is None else _reason(why.waits_for, waits_text(why.waits_for, lang))
        return cls(task=TaskOut.of(why.task), choices=[ChoiceOut.of(one, lang) for one in why.choices], waits_for=waits)


def _reason(stored: Mapping[str, Any], text: str) -> ReasonOut:
    params = {name: value for name, value in stored.items() if name != "code"}
    return ReasonOut(code=str(stored["code"]), params=params, text=text)
