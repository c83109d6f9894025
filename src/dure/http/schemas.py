"""What goes over the wire: bodies of requests and of answers, as OpenAPI shows them.

Ranges stand here for the reader of the document; what is out of range is refused by the database, in the same
words for every face. Only shapes are checked here.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from dure.queue.model import NewJob, State
from dure.queue.views import Scope

EXAMPLE_ID = "0198a0c2-7d3e-7a51-9c4f-2b1d8e6f0a11"
EXAMPLE_TIME = "2030-01-01T09:00:00+09:00"

TENANT_SHAPE: dict[str, Any] = {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$", "examples": ["acme-1"]}
AnyJson = dict[str, Any]


def _range(low: float, high: float) -> dict[str, Any]:
    return {"minimum": low, "maximum": high}


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["params.seconds"])
    code: str = Field(description="Stable, never translated.", examples=["missing"])
    detail: str = Field(description="A sentence, in the language of the request.", examples=["This is required."])


class Problem(BaseModel):
    """A problem document (RFC 9457); `code` is stable, sentences are in the language of the request."""

    type: str = Field(examples=["urn:dure:problem:invalid"])
    title: str = Field(examples=["The request is not valid."])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["handler: This is required."])
    code: str = Field(examples=["invalid"])
    request_id: str | None = Field(default=None, examples=[EXAMPLE_ID])
    errors: list[FieldError] | None = Field(default=None, description="What is wrong with which field.")
    upgrade_to: str | None = Field(
        default=None, description="Of an agent whose version is not admitted: the one to become.", examples=["2.0.0"]
    )


class JobIn(BaseModel):
    """A job that is asked for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"handler": "dure.demo.echo", "params": {"n": 1}, "priority": 5, "tags": ["example"]}],
        },
    )

    handler: StrictStr = Field(
        description="The handler's name.",
        json_schema_extra={"minLength": 1, "maxLength": 200, "pattern": r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"},
    )
    params: AnyJson = Field(default_factory=dict, description="Its parameters.")
    queue: StrictStr | None = Field(default=None, json_schema_extra={"minLength": 1, "maxLength": 100})
    priority: StrictInt | None = Field(
        default=None, description="Larger runs first.", json_schema_extra=_range(-1000, 1000)
    )
    run_at: AwareDatetime | None = Field(default=None, description="Not before this time.", examples=[EXAMPLE_TIME])
    delay_s: StrictFloat | None = Field(
        default=None,
        description="Not before so many seconds from now.",
        json_schema_extra=_range(0, 315_360_000),
    )
    deadline_at: AwareDatetime | None = Field(default=None, description="Not after this time.", examples=[EXAMPLE_TIME])
    max_retries: StrictInt | None = Field(default=None, json_schema_extra=_range(0, 100))
    timeout_s: StrictFloat | None = Field(default=None, json_schema_extra=_range(0.001, 604_800))
    unique_key: StrictStr | None = Field(
        default=None,
        description="One open job of a handler may have it; a repeat answers with that job.",
        json_schema_extra={"minLength": 1, "maxLength": 500},
    )
    unique_for_s: StrictFloat | None = Field(
        default=None,
        description="How long a completed job keeps its unique key.",
        json_schema_extra=_range(0, 315_360_000),
    )
    depends_on: list[StrictStr] = Field(
        default_factory=list,
        description="Ids of jobs that must complete first.",
        json_schema_extra={"maxItems": 1000},
    )
    parent_id: StrictStr | None = Field(default=None, examples=[EXAMPLE_ID])
    tags: list[StrictStr] = Field(default_factory=list, json_schema_extra={"maxItems": 50})
    limit_key: StrictStr | None = Field(
        default=None,
        description="What the limits per key count by.",
        json_schema_extra={"minLength": 1, "maxLength": 500},
    )

    def to_new(self, ref: str | None = None) -> NewJob:
        """Answer the value that the queue takes."""
        given = self.model_dump(exclude={"tenant_id", "ref"})
        return NewJob(**{**given, "depends_on": tuple(self.depends_on), "tags": tuple(self.tags), "ref": ref})


class JobCreate(JobIn):
    """A job that is asked for, and whose it is when the key does not say."""

    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class BulkJobIn(JobIn):
    """A job of a bulk request, which others of it may name by `ref`."""

    ref: StrictStr | None = Field(default=None, description="A name for this job within the request; not stored.")


class BulkCreate(BaseModel):
    """Jobs that are made all or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "jobs": [
                        {"handler": "dure.demo.echo", "params": {"n": 1}, "ref": "first"},
                        {"handler": "dure.demo.echo", "params": {"n": 2}, "depends_on": ["first"]},
                    ]
                }
            ],
        },
    )

    jobs: list[BulkJobIn]
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class CancelIn(BaseModel):
    """Why a job is cancelled."""

    model_config = ConfigDict(extra="forbid")

    reason: StrictStr = Field(default="cancelled by request", json_schema_extra={"maxLength": 2000})


class KeyCreate(BaseModel):
    """A key that is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "ci", "scope": "operator"}]})

    name: StrictStr = Field(json_schema_extra={"minLength": 1, "maxLength": 100})
    scope: Scope
    tenant_id: StrictStr | None = Field(
        default=None, description="Null: a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )
    expires_at: AwareDatetime | None = Field(default=None, examples=[EXAMPLE_TIME])


class Out(BaseModel):
    """What is answered, read from our own values."""

    model_config = ConfigDict(from_attributes=True)


class EnqueuedOut(Out):
    """A job that was made, or the earlier one that holds its unique key."""

    id: str = Field(examples=[EXAMPLE_ID])
    created: bool


class BulkOut(Out):
    """What became of each job of a bulk request, in its order."""

    jobs: list[EnqueuedOut]


class JobOut(Out):
    """A job as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    handler: str
    queue: str
    state: State
    priority: int
    params: Any
    result: Any
    error_class: str | None
    error: str | None
    attempt: int
    retry_count: int
    max_retries: int
    crash_count: int
    blocked_by: int = Field(description="How many jobs it still waits for.")
    timeout_s: float | None
    created_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    worker_id: int | None
    parent_id: str | None
    unique_key: str | None
    limit_key: str | None
    tags: list[str]


class JobCreatedOut(JobOut):
    """A job that was made, or the earlier one that holds its unique key (`created` is false)."""

    created: bool


class ProgressOut(Out):
    """How far a job says it is."""

    done: int
    total: int | None
    note: str
    updated_at: datetime


class WhyOut(Out):
    """Why a job does not run, or what became of it."""

    code: str = Field(examples=["waits_for_time"])
    text: str = Field(description="The same as a sentence, in the language of the request.")
    params: AnyJson


class JobDetailOut(JobOut):
    """A job with all that surrounds it."""

    progress: ProgressOut | None
    attempts: int = Field(description="How many attempts are recorded.")
    children: dict[State, int]
    why: WhyOut


class LogLineOut(Out):
    """One line that a handler wrote."""

    id: int
    attempt: int
    at: datetime
    level: str
    message: str


class AttemptOut(Out):
    """One start of a job and how it ended; `outcome` is null while it runs."""

    attempt: int
    outcome: str | None
    worker_id: int | None
    started_at: datetime | None
    ended_at: datetime | None
    error_class: str | None
    error: str | None
    traceback: str | None


class HandlerOut(Out):
    """A handler as it is declared."""

    handler: str
    queue: str
    description: str
    params_schema: AnyJson | None
    max_retries: int
    timeout_s: float | None
    concurrency_max: int | None
    rate_max: int | None
    rate_period_s: float | None
    key_from: str | None
    key_concurrency_max: int | None
    key_rate_max: int | None
    key_rate_period_s: float | None
    paused_at: datetime | None
    paused_by: str | None
    declared_at: datetime


class QueueOut(Out):
    """A queue and how many open jobs stand where in it."""

    queue: str
    paused_at: datetime | None
    paused_by: str | None
    counts: dict[Literal["ready", "held", "later", "blocked", "processing"], int]


class WorkerOut(Out):
    """A worker and its lease."""

    worker_id: int
    name: str
    host: str
    pid: int
    queues: list[str]
    version: str
    lease_s: float
    lease_until: datetime
    running: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    alive: bool


class KeyOut(Out):
    """A key as it may be shown."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str | None
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyCreatedOut(KeyOut):
    """A new key with its secret, which is shown this once."""

    secret: str = Field(examples=["dure_…"])


class HealthOut(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class CheckOut(BaseModel):
    """One thing that must be right."""

    ok: bool
    detail: Annotated[str, Field(description="A sentence, in the language of the request.")] = ""


class ReadyOut(BaseModel):
    """The process can do its work."""

    status: Literal["ready"] = "ready"
    checks: dict[str, CheckOut]


class NotReadyOut(Problem):
    """The process cannot do its work now, and why."""

    checks: dict[str, CheckOut]


class IndexOut(BaseModel):
    """Where things are."""

    name: str
    version: str
    routes: dict[str, str]
