"""What goes over the wire about releases, rollouts and what agents did, as OpenAPI shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from dure.agents.gates import DEFAULTS
from dure.agents.metrics import Performance
from dure.agents.releases import CLASS_CHARS_MAX, NOTES_CHARS_MAX, NewRelease, Release, ReleaseState, ReleaseType
from dure.agents.rollout_model import (
    BAKE_S_MAX,
    DEADLINE_S_MAX,
    HEALTHY_S_MAX,
    PARALLEL_MAX,
    STEPS_MAX,
    EventKind,
    InFlight,
    NewRollout,
    Rollout,
    RolloutAgent,
    RolloutEvent,
    RolloutState,
    Strategy,
)
from dure.agents.rollout_wording import reason_text
from dure.agents.versions import RANGE_CHARS_MAX, VERSION_CHARS_MAX
from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out

CLASS: dict[str, Any] = {
    "minLength": 1, "maxLength": CLASS_CHARS_MAX, "pattern": "^[a-z0-9][a-z0-9._-]*$", "examples": ["executor"],
}  # fmt: skip
VERSION: dict[str, Any] = {"minLength": 5, "maxLength": VERSION_CHARS_MAX, "examples": ["1.8.3"]}
STEP: dict[str, Any] = {
    "type": "object",
    "properties": {
        "share_pct": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        "bake_s": {"type": "number", "minimum": 0, "maximum": BAKE_S_MAX},
    },
    "additionalProperties": False,
}
GATE: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {"margin": {"type": "number", "minimum": 0}, "samples_min": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
GATES: dict[str, Any] = {
    "properties": {
        "probability": {"type": "number", "minimum": 0.5, "maximum": 0.9999},
        **dict.fromkeys(DEFAULTS, GATE),
    },
    "additionalProperties": False,
    "examples": [{"task_success": {"margin": 0.01, "samples_min": 100}, "latency": None}],
}
OF_NO_TENANT = "For a key of no single tenant."


def _range(low: float, high: float) -> dict[str, Any]:
    return {"minimum": low, "maximum": high}


class ReasonOut(BaseModel):
    """A reason: a stable code, its figures, and the sentence in the language of the request."""

    code: str = Field(examples=["gate_failed"])
    params: AnyJson
    text: str

    @classmethod
    def of(cls, reason: Mapping[str, Any] | None, lang: str) -> "ReasonOut | None":
        """Answer a stored reason with its sentence."""
        if reason is None:
            return None
        return cls(code=str(reason["code"]), params=dict(reason.get("params") or {}), text=reason_text(reason, lang))


class ReleaseCreate(BaseModel):
    """A release that is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"class": "executor", "version": "1.9.0", "compatible": ">=1.7,<2"}]},
    )

    class_: StrictStr = Field(alias="class", json_schema_extra=CLASS)
    version: StrictStr = Field(json_schema_extra=VERSION)
    release_type: ReleaseType | None = Field(default=None, description="When not said, it follows from the version.")
    compatible: StrictStr | None = Field(
        default=None,
        description="Which versions may still work beside it; when not said, those of its major version.",
        json_schema_extra={"maxLength": RANGE_CHARS_MAX, "examples": [">=1.7,<2", "^1.8", "1.x"]},
    )
    notes: StrictStr = Field(default="", json_schema_extra={"maxLength": NOTES_CHARS_MAX})
    pin_knowledge: StrictBool = Field(
        default=False, description="When its rollout is taken back, so is what its agents learned meanwhile."
    )
    tenant_id: StrictStr | None = Field(default=None, description=OF_NO_TENANT, json_schema_extra=TENANT_SHAPE)

    def to_new(self) -> NewRelease:
        """Answer the value that the service takes."""
        return NewRelease(**self.model_dump(exclude={"tenant_id"}))


class WithdrawIn(BaseModel):
    """Why a release is withdrawn."""

    model_config = ConfigDict(extra="forbid")

    reason: StrictStr = Field(default="", json_schema_extra={"maxLength": 1000})


class ReleaseOut(Out):
    """A release as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    class_: str = Field(serialization_alias="class", json_schema_extra=CLASS)
    version: str
    release_type: ReleaseType
    compatible: str
    notes: str
    pin_knowledge: bool
    pinned_at: datetime | None
    state: ReleaseState
    reason: ReasonOut | None
    created_by: str
    created_at: datetime
    current_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, release: Release, lang: str) -> "ReleaseOut":
        """Answer a release in the language of a request."""
        plain = {name: getattr(release, name) for name in cls.model_fields}
        return cls(**{**plain, "reason": ReasonOut.of(release.reason, lang)})


class RolloutCreate(BaseModel):
    """A rollout that is wanted, from the current release of a class to another."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"class": "executor", "to_version": "1.9.0", "strategy": "canary"}]},
    )

    class_: StrictStr = Field(alias="class", json_schema_extra=CLASS)
    to_version: StrictStr = Field(json_schema_extra=VERSION)
    strategy: Strategy = "canary"
    steps: list[AnyJson] | None = Field(
        default=None,
        description="Shares of the class's agents, growing, and how long each is looked at; one but for a canary.",
        json_schema_extra={
            "items": STEP,
            "minItems": 1,
            "maxItems": STEPS_MAX,
            "examples": [[{"share_pct": 10, "bake_s": 300}]],
        },
    )
    max_parallel: int | None = Field(
        default=None,
        strict=True,
        description="So many agents may be between the versions at a time.",
        json_schema_extra=_range(1, PARALLEL_MAX),
    )
    min_healthy_s: float = Field(default=30, strict=True, json_schema_extra=_range(0, HEALTHY_S_MAX))
    progress_deadline_s: float = Field(
        default=600,
        strict=True,
        description="Without progress for so long it fails: no agent healthy, or no data.",
        json_schema_extra=_range(1, DEADLINE_S_MAX),
    )
    auto_promote: StrictBool = True
    auto_revert: StrictBool = True
    in_flight: InFlight = Field(default="drain", description="On the way back: finish what is in hand, or lose it.")
    gates: AnyJson = Field(
        default_factory=dict, description="Other than by default; null turns a gate off.", json_schema_extra=GATES
    )
    tenant_id: StrictStr | None = Field(default=None, description=OF_NO_TENANT, json_schema_extra=TENANT_SHAPE)

    def to_new(self) -> NewRollout:
        """Answer the value that the service takes."""
        return NewRollout(**self.model_dump(exclude={"tenant_id"}))


class RevertIn(BaseModel):
    """Why a rollout is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: StrictStr = Field(default="", json_schema_extra={"maxLength": 1000})


class ProgressOut(BaseModel):
    """How far the present step is: agents that it wants, that are chosen, and those of them that are healthy."""

    wanted: int
    chosen: int
    healthy: int


class RolloutOut(Out):
    """A rollout as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    class_: str = Field(serialization_alias="class", json_schema_extra=CLASS)
    from_version: str
    to_version: str
    strategy: Strategy
    steps: list[AnyJson]
    step: int = Field(description="Which of them, from 0.")
    max_parallel: int
    min_healthy_s: float
    progress_deadline_s: float
    auto_promote: bool
    auto_revert: bool
    in_flight: InFlight
    gates: AnyJson
    state: RolloutState
    reason: ReasonOut | None
    progress: ProgressOut
    verdicts: AnyJson = Field(description="What each gate said last, with its numbers.")
    began_at: datetime
    step_began_at: datetime
    switched_at: datetime | None
    settled_at: datetime | None = Field(description="Since when all agents of the step are healthy.")
    paused_at: datetime | None
    finished_at: datetime | None
    unlearn_job_id: str | None = Field(description="The job that takes back what was learned.")
    author: str
    revision: int

    @classmethod
    def of(cls, rollout: Rollout, lang: str) -> "RolloutOut":
        """Answer a rollout in the language of a request."""
        plain = {name: getattr(rollout, name) for name in cls.model_fields}
        return cls(**{**plain, "reason": ReasonOut.of(rollout.reason, lang)})


class RolloutAgentOut(Out):
    """An agent of the class as a rollout sees it."""

    agent_id: str
    version: str
    state: str
    chosen: bool = Field(description="Its turn has come.")
    healthy_at: datetime | None
    hold: AnyJson | None
    target_version: str | None

    @classmethod
    def of(cls, agent: RolloutAgent) -> "RolloutAgentOut":
        """Answer an agent."""
        return cls.model_validate(agent)


class RolloutDetailOut(RolloutOut):
    """A rollout as it stands, and the agents of its class in the order of their turns."""

    agents: list[RolloutAgentOut]


class RolloutEventOut(Out):
    """Something that happened to a rollout; of a gate its decision, with the numbers."""

    id: int
    at: datetime
    actor: str
    kind: EventKind
    detail: AnyJson

    @classmethod
    def of(cls, event: RolloutEvent) -> "RolloutEventOut":
        """Answer an event."""
        return cls.model_validate(event)


class PerformanceOut(Out):
    """What a version of a class did, or one agent of it, or all of it in one minute."""

    class_: str = Field(serialization_alias="class", json_schema_extra=CLASS)
    version: str
    agent_id: str | None = Field(description="With `by=agent`.")
    minute: datetime | None = Field(description="With `by=minute`.")
    agents: int
    tasks_ok: int
    tasks_failed: int
    success_rate: float | None
    errors: int
    leases_lost: int
    latency_p50_ms: float | None = Field(description="Quantiles are at most 4.8 % off.")
    latency_p95_ms: float | None
    latency_p99_ms: float | None

    @classmethod
    def of(cls, found: Performance) -> "PerformanceOut":
        """Answer what was done."""
        return cls(**{name: getattr(found, name) for name in cls.model_fields})


class PerformanceListOut(BaseModel):
    """What was done, ten thousand rows at most."""

    items: list[PerformanceOut]
