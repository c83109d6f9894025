"""What goes over the wire about intents, as OpenAPI shows it. What is out of range is refused by the services."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out
from dure.intents.catalogue import Catalogue
from dure.intents.model import Effect, Risk
from dure.intents.offering import Offer
from dure.intents.outbox.store import State as MessageState
from dure.intents.patterns import Candidate, KnownPattern
from dure.intents.policies import CAP_MAX, Policy
from dure.intents.requests import UNIQUE_CHARS_MAX
from dure.intents.rows import Decision, Request, Source

EXAMPLE_KEY = "attendance.exec.notify_guardians_late"
KEY: dict[str, Any] = {"minLength": 1, "maxLength": 200, "examples": [EXAMPLE_KEY]}
NOTE: dict[str, Any] = {"maxLength": 2000}
SENTENCE: dict[str, Any] = {"minLength": 1, "maxLength": 2000, "examples": ["지각한 학생 보호자에게 알려줘"]}
PATTERN: dict[str, Any] = {"minLength": 2, "maxLength": 200, "examples": ["지각 학부모 연락"]}
WAIT_S_MAX = 60.0
Ask = Literal["viewer", "operator", "approver", "admin"]
Lang = Literal["ko", "en"]


class Given(BaseModel):
    """Of a tenant: whose it is, when the key does not say."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class SubmitIn(Given):
    """An intent that is asked for."""

    params: AnyJson = Field(default_factory=dict, description="Its parameters.")
    unique_key: StrictStr | None = Field(
        default=None,
        description="A repeat answers with the request that there is.",
        json_schema_extra={"minLength": 1, "maxLength": UNIQUE_CHARS_MAX},
    )


class NoteIn(BaseModel):
    """Why something is decided so."""

    model_config = ConfigDict(extra="forbid")

    note: StrictStr = Field(default="", max_length=2000)


class ExecuteIn(BaseModel):
    """A request that is approved, carried out, and waited for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"action": "approve-and-execute", "task_id": EXAMPLE_ID}]}
    )

    action: Literal["approve-and-execute"]
    task_id: StrictStr = Field(description="The request's id, or its job's.", max_length=200)
    wait_s: StrictFloat = Field(
        default=10.0,
        description="How long to wait for the end.",
        json_schema_extra={"minimum": 0, "maximum": WAIT_S_MAX},
    )


class ConfirmIn(BaseModel):
    """What somebody confirms of what was found."""

    model_config = ConfigDict(extra="forbid")

    intent_key: StrictStr = Field(json_schema_extra=KEY)
    params: AnyJson = Field(default_factory=dict, description="As they were confirmed, or put right.")


class AskIn(Given):
    """A sentence; with `confirm` one of the intents that it may ask for is carried out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"sentence": "지각한 학생 보호자에게 알려줘"},
                {"sentence": "지각한 학생 보호자에게 알려줘", "confirm": {"intent_key": EXAMPLE_KEY, "params": {}}},
            ]
        },
    )

    sentence: StrictStr = Field(json_schema_extra=SENTENCE)
    confirm: ConfirmIn | None = Field(default=None, description="Without it nothing is carried out.")


class PolicyIn(Given):
    """What a tenant says of some intents; what is null is as the intent declares it."""

    allowed: StrictBool
    ask: Ask | None = Field(default=None, description="The least scope of a key that may ask.")
    agents: StrictBool | None = Field(default=None, description="Whether agents may ask, too.")
    approval: StrictBool | None = Field(default=None, description="Whether a person must approve each request.")
    cap_per_day: StrictInt | None = Field(
        default=None, description="How often in a day.", json_schema_extra={"minimum": 0, "maximum": CAP_MAX}
    )
    risk_max: Risk | None = Field(default=None, description="Intents of more risk are refused.")
    note: StrictStr = Field(default="", json_schema_extra=NOTE)

    def to_policy(self, key: str) -> Policy:
        """Answer the value that the service takes."""
        given = self.model_dump(exclude={"tenant_id"})
        return Policy(key, **given)


class PatternIn(Given):
    """A sentence that asks for an intent."""

    pattern: StrictStr = Field(json_schema_extra=PATTERN)
    intent_key: StrictStr = Field(json_schema_extra=KEY)
    lang: Lang | None = Field(default=None, description="By default the sentence's own.")
    confidence: StrictFloat = Field(default=0.8, json_schema_extra={"minimum": 0, "maximum": 1})


class LearnIn(Given):
    """What somebody meant with a sentence."""

    sentence: StrictStr = Field(json_schema_extra=PATTERN)
    intent_key: StrictStr = Field(json_schema_extra=KEY)


class PatternEdit(BaseModel):
    """What is changed of a pattern; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    pattern: StrictStr | None = Field(default=None, json_schema_extra=PATTERN)
    intent_key: StrictStr | None = Field(default=None, json_schema_extra=KEY)
    confidence: StrictFloat | None = Field(default=None, json_schema_extra={"minimum": 0, "maximum": 1})
    is_active: StrictBool | None = None


class SwitchIn(BaseModel):
    """Whether the intents' queue is on."""

    model_config = ConfigDict(extra="forbid")

    on: StrictBool


class VerdictOut(Out):
    """Whether the caller may have an intent now, and why."""

    allowed: bool
    code: str = Field(examples=["no_policy"], description="`allowed`, or why not.")
    text: str = Field(description="The same as a sentence, in the language of the request.")
    policy: str | None = Field(description="The key of the policy that holds.", examples=["billing.*"])
    approval: bool = Field(description="Whether a person must approve it.")
    cap_per_day: int | None
    cap_left: int | None = Field(description="How often the tenant may have it yet today.")


class IntentOut(Out):
    """An intent, and what the policies say of it to the caller."""

    key: str = Field(examples=[EXAMPLE_KEY])
    category: str = Field(examples=["attendance"])
    title: str
    effect: Effect
    risk: Risk
    reads: list[str]
    writes: list[str]
    sends: list[str]
    examples: list[str] = Field(description="Sentences that ask for it.")
    policy: VerdictOut

    @classmethod
    def values(cls, offer: Offer, lang: str) -> dict[str, Any]:
        """Answer the values of an intent's fields."""
        declared, verdict = offer.declaration, offer.verdict
        policy = VerdictOut(
            allowed=offer.allowed,
            code=offer.code,
            text=offer.text(lang),
            policy=verdict.policy,
            approval=verdict.approval,
            cap_per_day=verdict.cap_per_day,
            cap_left=offer.cap_left,
        )
        return {
            "key": declared.key,
            "category": declared.category,
            "title": in_lang(declared.title, lang) or declared.key,
            "effect": declared.effect,
            "risk": declared.risk,
            "reads": list(declared.reads),
            "writes": list(declared.writes),
            "sends": list(declared.sends),
            "examples": list(in_lang(declared.examples, lang) or ()),
            "policy": policy,
        }

    @classmethod
    def of(cls, offer: Offer, lang: str) -> "IntentOut":
        """Answer an intent in a language."""
        return cls(**cls.values(offer, lang))


class IntentDetailOut(IntentOut):
    """An intent with what it takes."""

    form: Literal["answer", "targets", "operation"] = Field(
        description="It answers; does a thing for each of many; or changes data by a run."
    )
    description: str
    params_schema: AnyJson = Field(description="The JSON schema of its parameters.")
    max_retries: int
    timeout_s: float


class RequestOut(Out):
    """A request as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    key: str
    title: str
    state: str = Field(
        description="`waiting` for an approval, `rejected`, `partial` when some targets failed, or its job's.",
        examples=["completed"],
    )
    params: AnyJson
    actor: str
    source: Source
    decision: Decision
    decided_by: str | None
    decided_at: datetime | None
    note: str
    job_id: str | None
    run_id: str | None = Field(description="Of one that writes: shows what is changed, and takes it back.")
    retry_of: str | None
    result: Any
    error_class: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, request: Request, catalogue: Catalogue, lang: str) -> "RequestOut":
        """Answer a request in a language."""
        known = catalogue.knows(request.key)
        title = in_lang(catalogue.declaration(request.key).title, lang) if known else None
        plain = {name: getattr(request, name) for name in cls.model_fields if name != "title"}
        return cls(**plain, title=title or request.key)


class RequestMadeOut(RequestOut):
    """A request that was made, or the one that was there (`created` is false)."""

    created: bool


class TargetOut(Out):
    """One of many that a request is for, and what became of it."""

    target: str = Field(examples=["guardian:17"])
    outcome: Literal["done", "skipped", "conflict", "failed", "open"]
    reason: str | None
    job_id: str
    error_class: str | None
    data: AnyJson
    result: Any

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "TargetOut":
        """Answer a target as the service reads it."""
        result = row["result"] if isinstance(row["result"], Mapping) else {}
        outcome: Any = "open"
        if row["state"] == "completed":
            outcome = result.get("outcome", "done")
        elif row["state"] in ("failed", "quarantined", "cancelled"):
            outcome = "failed"
        target = row["target"] or {}
        return cls(
            target=str(target.get("id", "")),
            outcome=outcome,
            reason=result.get("reason") or row["error"],
            job_id=row["job_id"],
            error_class=row["error_class"],
            data=target.get("data") or {},
            result=row["result"],
        )


class PolicyOut(Out):
    """A policy of a tenant."""

    key: str = Field(examples=["billing.*"])
    allowed: bool
    ask: Ask | None
    agents: bool | None
    approval: bool | None
    cap_per_day: int | None
    risk_max: Risk | None
    note: str
    revision: int
    updated_by: str
    updated_at: datetime


class PatternOut(Out):
    """A pattern with its story."""

    id: str = Field(examples=[EXAMPLE_ID])
    is_shipped: bool = Field(description="It came with a pack, for all tenants.")
    pattern: str
    lang: Lang
    intent_key: str
    confidence: float = Field(description="The one that holds: from the eleventh use on, successes by uses.")
    base_confidence: float
    usage_count: int
    success_count: int
    is_active: bool
    learned_from: str
    last_used_at: datetime | None
    updated_at: datetime

    @classmethod
    def of(cls, pattern: KnownPattern) -> "PatternOut":
        """Answer a pattern."""
        return cls.model_validate(pattern)


class SwitchOut(Out):
    """How the intents' queue stands."""

    ticking: bool = Field(description="The minute's tick, the safety net, is on.")
    running: bool = Field(description="Jobs of intents begin.")


class MessageOut(Out):
    """A message to somebody outside."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    request_id: str | None
    target: str | None
    channel: str = Field(examples=["sms"])
    to: str
    subject: str
    body: str
    state: MessageState
    job_id: str | None
    tries: int
    error: str | None
    created_at: datetime
    sending_at: datetime | None
    sent_at: datetime | None
    decided_by: str | None


class CandidateOut(Out):
    """An intent that a sentence may ask for: shown, to be confirmed."""

    intent_key: str
    title: str
    confidence: float
    reason: str
    params: AnyJson
    missing: list[str]
    pattern_id: str
    pattern: str

    @classmethod
    def of(cls, candidate: Candidate, catalogue: Catalogue, lang: str) -> "CandidateOut":
        """Answer a candidate in a language."""
        plain = {name: getattr(candidate, name) for name in cls.model_fields if name != "title"}
        title = in_lang(catalogue.declaration(candidate.intent_key).title, lang) or candidate.intent_key
        return cls(**{**plain, "missing": list(candidate.missing), "params": dict(candidate.params)}, title=title)


def in_lang(texts: Mapping[str, Any], lang: str) -> Any:
    """Answer what is there in a language, or else in the other. Example: `in_lang({"en": "x"}, "ko") == "x"`."""
    return texts.get(lang) or next(iter(texts.values()), None)
