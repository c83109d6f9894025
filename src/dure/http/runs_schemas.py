"""What goes over the wire about runs: bodies of requests and of answers, as OpenAPI shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out
from dure.runs.guards import Verdict
from dure.runs.model import Approval, Change, ChangeState, Kind, Mode, Run, RunState
from dure.runs.reading import SEQ_MAX, progress_of
from dure.runs.service import NOTE_CHARS_MAX, ROLLBACK_SEQS_MAX, STATEMENT_CHARS_MAX
from dure.runs.wording import guard_sentence, sentence

EXAMPLE_HASH = "5f0c" * 16
HASH_SHAPE: dict[str, Any] = {"pattern": "^[0-9a-f]{64}$", "examples": [EXAMPLE_HASH]}
TEXT_SHAPE: dict[str, Any] = {"maxLength": NOTE_CHARS_MAX}
SEQS_SHAPE: dict[str, Any] = {
    "maxItems": ROLLBACK_SEQS_MAX,
    "items": {"type": "integer", "minimum": 1, "maximum": SEQ_MAX},
}
Then = Literal["plan", "apply"]


class RunCreate(BaseModel):
    """A run that is asked for: of an operation, or of one SQL statement."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"operation": "students.archive_inactive", "params": {"inactive_days": 400}, "note": "spring cleaning"},
                {"sql": "delete from public.students where left_at < '2020-01-01'"},
            ],
            "oneOf": [{"required": ["operation"]}, {"required": ["sql"]}],
        },
    )

    operation: StrictStr | None = Field(
        default=None,
        description="The operation's name.",
        json_schema_extra={"maxLength": 200, "pattern": r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"},
    )
    params: AnyJson | None = Field(default=None, description="The operation's parameters.")
    sql: StrictStr | None = Field(
        default=None,
        description="One UPDATE, DELETE, INSERT or MERGE; only for admins of no single tenant.",
        json_schema_extra={"minLength": 1, "maxLength": STATEMENT_CHARS_MAX},
    )
    leaves: list[StrictStr] = Field(
        default_factory=list,
        description="With `sql`: tables that triggers write to and whose rows stay when the run is undone.",
        json_schema_extra={"maxItems": 100},
    )
    note: StrictStr = Field(default="", description="What it is for; kept with the run.", json_schema_extra=TEXT_SHAPE)
    then: Then = Field(default="plan", description="Stop at the plan, or apply it when no guard and no person objects.")
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class ApproveIn(BaseModel):
    """A yes to one plan."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: StrictStr = Field(description="Of the plan that was looked at.", json_schema_extra=HASH_SHAPE)
    override: StrictBool = Field(default=False, description="Approve although guards refused; needs a reason.")
    reason: StrictStr = Field(default="", json_schema_extra=TEXT_SHAPE)


class WhyIn(BaseModel):
    """Why something is ended."""

    model_config = ConfigDict(extra="forbid")

    reason: StrictStr = Field(default="", json_schema_extra=TEXT_SHAPE)


class AnswersIn(BaseModel):
    """What a person says to questions of a plan."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"seqs": [3, 7], "accepted": True}, {"all": True, "accepted": False}]},
    )

    accepted: StrictBool
    seqs: list[StrictInt] | None = Field(default=None, description="Which questions.", json_schema_extra=SEQS_SHAPE)
    all: StrictBool = Field(default=False, description="Every question of the plan.")


class ApplyIn(BaseModel):
    """Which plan is to be applied."""

    model_config = ConfigDict(extra="forbid")

    plan_hash: StrictStr = Field(description="Of the plan that was looked at.", json_schema_extra=HASH_SHAPE)


class RetryIn(BaseModel):
    """What is tried again."""

    model_config = ConfigDict(extra="forbid")

    conflicts: StrictBool = Field(default=False, description="Also what was in conflict.")


class RollbackIn(BaseModel):
    """How a run is to be undone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{}, {"mode": "clean_only", "subjects": ["agent-7"], "then": "apply"}]},
    )

    mode: Mode = Field(
        default="strict",
        description="`strict`: with any conflict nothing is done. `clean_only`: conflicts are left as they are. "
        "`force`: they are overwritten, and their present state is kept for a way back.",
    )
    subjects: list[StrictStr] = Field(
        default_factory=list, description="Only what concerns these.", json_schema_extra={"maxItems": ROLLBACK_SEQS_MAX}
    )
    seqs: list[StrictInt] = Field(default_factory=list, description="Only these changes.", json_schema_extra=SEQS_SHAPE)
    note: StrictStr = Field(default="", json_schema_extra=TEXT_SHAPE)
    then: Then = Field(default="plan", description="Stop at the plan, or apply it.")


class ReasonOut(BaseModel):
    """A reason: a stable code, its figures, and the sentence in the language of the request."""

    code: str = Field(examples=["changed_since"])
    params: AnyJson
    text: str

    @classmethod
    def of(cls, reason: Mapping[str, Any] | None, lang: str) -> "ReasonOut | None":
        """Answer a stored reason with its sentence."""
        if reason is None:
            return None
        return cls(code=str(reason["code"]), params=reason.get("params") or {}, text=sentence(reason, lang))


class GuardOut(BaseModel):
    """What one guard said."""

    guard: str = Field(examples=["leaving"])
    verdict: Verdict
    params: AnyJson
    text: str = Field(description="The same as a sentence, in the language of the request.")

    @classmethod
    def of(cls, answer: Mapping[str, Any], lang: str) -> "GuardOut":
        """Answer a stored answer with its sentence."""
        return cls(
            guard=answer["guard"],
            verdict=answer["verdict"],
            params=answer.get("params") or {},
            text=guard_sentence(answer, lang),
        )


class RunOut(Out):
    """A run as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    operation: str
    rollback_of: str | None
    mode: Mode | None = Field(description="Of a rollback.")
    params: AnyJson
    author: str
    note: str
    state: RunState
    reason: ReasonOut | None
    stores: list[str]
    counts: dict[str, int] = Field(examples=[{"create": 0, "update": 2, "delete": 7, "move": 0, "keep": 3, "ask": 1}])
    guards: list[GuardOut]
    notes: list[ReasonOut] = Field(description="What whoever decides should know besides.")
    population: int | None
    plan_hash: str | None = Field(examples=[EXAMPLE_HASH])
    job_id: str | None
    paused_at: datetime | None
    created_at: datetime
    planned_at: datetime | None
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    applied: int
    conflicts: int
    failed: int
    skipped: int
    to_do: int = Field(description="Changes that are planned and not yet done.")
    rolled_back: Literal["no", "partly", "wholly"]

    @classmethod
    def values(cls, run: Run, lang: str) -> dict[str, Any]:
        """Answer the values of a run's fields."""
        plain = {name: getattr(run, name) for name in cls.model_fields if hasattr(run, name)}
        return {
            **plain,
            "reason": ReasonOut.of(run.reason, lang),
            "stores": [str(store["store"]) for store in run.stores],
            "guards": [GuardOut.of(answer, lang) for answer in run.guards],
            "notes": [ReasonOut.of(note, lang) for note in run.notes],
        }

    @classmethod
    def of(cls, run: Run, lang: str) -> "RunOut":
        """Answer a run in the language of a request."""
        return cls(**cls.values(run, lang))


class RunProgressOut(Out):
    """How far an application is."""

    done: int
    total: int
    rate: float | None = Field(description="Changes a second so far.")
    eta_s: float | None = Field(description="How long the rest takes at that rate.")


class RunDetailOut(RunOut):
    """A run with what a person needs to decide about it."""

    approval: Approval = Field(description="Who must say yes: nobody else, anyone, or a person other than the author.")
    progress: RunProgressOut

    @classmethod
    def detailed(cls, run: Run, approval: str, lang: str) -> "RunDetailOut":
        """Answer a run in the language of a request, with its progress."""
        progress = RunProgressOut.model_validate(progress_of(run, datetime.now(UTC)))
        return cls(**RunOut.values(run, lang), approval=approval, progress=progress)  # type: ignore[arg-type]


class ChangeOut(Out):
    """A change as it stands, with the record before and after by column."""

    run_id: str = Field(examples=[EXAMPLE_ID])
    seq: int
    store: str = Field(examples=["public.students"])
    kind: Kind
    state: ChangeState
    ask: bool = Field(description="A question: done only when a person says yes.")
    accepted: bool | None
    unit: int | None = Field(description="Changes of one unit are done together or not at all.")
    subject: str | None
    scope: str
    key: list[str]
    to_key: list[str] | None
    before: dict[str, str | None] | None = Field(description="Each column as its own exact text.")
    after: dict[str, str | None] | None
    reason: ReasonOut | None = Field(description="Why it is to be done.")
    outcome: ReasonOut | None = Field(description="Why it did not go as planned.")

    @classmethod
    def of(cls, change: Change, lang: str) -> "ChangeOut":
        """Answer a change in the language of a request."""
        plain = {name: getattr(change, name) for name in cls.model_fields}
        keys = {"key": list(change.key), "to_key": None if change.to_key is None else list(change.to_key)}
        reasons = {"reason": ReasonOut.of(change.reason, lang), "outcome": ReasonOut.of(change.outcome, lang)}
        return cls(**{**plain, **keys, **reasons})


class ApprovedOut(Out):
    """What somebody said to a plan."""

    decision: Literal["approve", "reject", "override"]
    actor: str
    reason: str
    plan_hash: str
    at: datetime


class RunEventOut(Out):
    """Something that happened to a run."""

    id: int
    at: datetime
    actor: str
    verb: str = Field(examples=["run.approve"])
    detail: AnyJson


class AnsweredOut(BaseModel):
    """How many questions were answered."""

    answered: int


class OperationOut(Out):
    """An operation that the database knows."""

    operation: str = Field(examples=["students.archive_inactive"])
    description: str
    params_schema: AnyJson | None
    guards: AnyJson
    approval: Approval
    expires_s: float = Field(description="How long a plan may wait.")
