"""What goes over the wire about schedules and what they fire, as OpenAPI shows it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from dure.http.schemas import EXAMPLE_ID, EXAMPLE_TIME, TENANT_SHAPE, AnyJson, Out
from dure.schedule.ahead import Ahead, described
from dure.schedule.checking import CATCH_UP_MAX, JITTER_S_MAX, NAME_CHARS_MAX
from dure.schedule.files import SCHEDULES_MAX, Action
from dure.schedule.kinds import CRON_CHARS_MAX, EVERY_S_MAX, EVERY_S_MIN, MONTH_DAYS_MAX, TIMES_MAX, WEEKDAYS
from dure.schedule.model import (
    CatchUp,
    Cause,
    Fire,
    Mode,
    Moved,
    NewSchedule,
    Outcome,
    Overlap,
    Schedule,
    ScheduleState,
    reason_text,
)

TIME: dict[str, Any] = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["09:00"]}
TIMES: dict[str, Any] = {"type": "array", "items": TIME, "minItems": 1, "maxItems": TIMES_MAX, "uniqueItems": True}
MOMENT: dict[str, Any] = {"type": "string", "format": "date-time", "examples": [EXAMPLE_TIME]}
NAME: dict[str, Any] = {"minLength": 1, "maxLength": NAME_CHARS_MAX, "examples": ["nightly"]}
HANDLER: dict[str, Any] = {"maxLength": 200, "examples": ["report.write"]}


def _kind(name: str, optional: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    properties = {"kind": {"const": name}, **fields}
    required = [field for field in properties if field not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most, "uniqueItems": True}


RULE: dict[str, Any] = {
    "oneOf": [
        _kind("cron", expr={"type": "string", "maxLength": CRON_CHARS_MAX, "examples": ["0 9 * * 1-5", "@daily"]}),
        _kind("daily", at=TIMES),
        _kind("weekly", days=_list({"enum": list(WEEKDAYS)}, len(WEEKDAYS)), at=TIMES),
        _kind("monthly", days=_list({"type": "integer", "minimum": -1, "maximum": 31}, MONTH_DAYS_MAX), at=TIMES),
        _kind(
            "interval",
            optional=("anchor",),
            every_s={"type": "integer", "minimum": EVERY_S_MIN, "maximum": EVERY_S_MAX},
            anchor=MOMENT,
        ),
        _kind("once", at=MOMENT),
    ],
    "examples": [{"kind": "daily", "at": ["09:00"]}],
}
ZONE = "A name of the IANA time-zone data, whose clocks the rule follows."
OPTIONS = "Of its jobs: queue, priority, max_retries, timeout_s, tags."
PARAMS = "Parameters. The texts {fire.at}, {fire.date}, {fire.date-1} and {schedule.name} are filled in when it fires."


class ScheduleIn(BaseModel):
    """A schedule that is wanted: of a handler, or of an operation."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly",
                    "rule": {"kind": "daily", "at": ["02:00"]},
                    "zone": "Asia/Seoul",
                    "handler": "report.write",
                    "params": {"date": "{fire.date-1}"},
                }
            ]
        },
    )

    name: StrictStr = Field(json_schema_extra=NAME)
    rule: AnyJson = Field(description="When it fires.", json_schema_extra=RULE)
    zone: StrictStr = Field(default="UTC", description=ZONE, examples=["Asia/Seoul"])
    handler: StrictStr | None = Field(default=None, description="Or `operation`.", json_schema_extra=HANDLER)
    operation: StrictStr | None = Field(default=None, description="Or `handler`.", json_schema_extra=HANDLER)
    params: AnyJson = Field(default_factory=dict, description=PARAMS)
    mode: Mode | None = Field(
        default=None,
        description="Of an operation: `plan` (the default) only plans, `approve` applies what somebody has approved,"
        " `apply` applies at once.",
    )
    catch_up: CatchUp = Field(
        default="latest", description="Which of the fires that nobody made in time are made afterwards."
    )
    catch_up_max: StrictInt = Field(
        default=10,
        description="With `all`: at most so many, the latest.",
        json_schema_extra={"minimum": 1, "maximum": CATCH_UP_MAX},
    )
    overlap: Overlap = Field(default="skip", description="What happens while the job before it runs.")
    jitter_s: StrictInt = Field(
        default=0,
        description="Fires so much later at most, each schedule by its own, unchanging part of it.",
        json_schema_extra={"minimum": 0, "maximum": JITTER_S_MAX},
    )
    calendar: StrictStr | None = Field(default=None, description="Whose days and hours it leaves out.")
    starts_at: AwareDatetime | None = Field(default=None, examples=[EXAMPLE_TIME])
    ends_at: AwareDatetime | None = Field(default=None, description="Nothing fires then or after.")
    options: AnyJson = Field(default_factory=dict, description=OPTIONS)
    paused: StrictBool = Field(default=False, description="Only when it is made.")

    def to_new(self) -> NewSchedule:
        """Answer the value that the service takes."""
        return NewSchedule(**{name: getattr(self, name) for name in ScheduleIn.model_fields})


class ScheduleCreate(ScheduleIn):
    """A schedule that is wanted, and whose it is when the key does not say."""

    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class ScheduleEdit(BaseModel):
    """What is to be changed of a schedule: the fields that are there, and no other."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"rule": {"kind": "daily", "at": ["03:00"]}}]}
    )

    name: StrictStr = Field(default_factory=str, json_schema_extra=NAME)
    rule: AnyJson = Field(default_factory=dict, json_schema_extra=RULE)
    zone: StrictStr = Field(default_factory=str, description=ZONE)
    handler: StrictStr | None = Field(default=None, json_schema_extra=HANDLER)
    operation: StrictStr | None = Field(default=None, json_schema_extra=HANDLER)
    params: AnyJson = Field(default_factory=dict, description=PARAMS)
    mode: Mode | None = None
    catch_up: CatchUp = Field(default_factory=lambda: "latest")
    catch_up_max: StrictInt = Field(default_factory=int, json_schema_extra={"minimum": 1, "maximum": CATCH_UP_MAX})
    overlap: Overlap = Field(default_factory=lambda: "skip")
    jitter_s: StrictInt = Field(default_factory=int, json_schema_extra={"minimum": 0, "maximum": JITTER_S_MAX})
    calendar: StrictStr | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    options: AnyJson = Field(default_factory=dict, description=OPTIONS)

    def changes(self) -> dict[str, Any]:
        """Answer the fields that the request names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class SnoozeIn(BaseModel):
    """Until when a schedule passes by its fires."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime = Field(examples=[EXAMPLE_TIME])


class RunNowIn(BaseModel):
    """What is different about a fire by hand."""

    model_config = ConfigDict(extra="forbid")

    params: AnyJson | None = Field(default=None, description="In place of the schedule's parameters of these names.")


class CheckIn(BaseModel):
    """What a check does."""

    model_config = ConfigDict(extra="forbid")

    repair: StrictBool = Field(default=False, description="Store what was computed.")


class ApplyIn(BaseModel):
    """Schedules as they are to be."""

    model_config = ConfigDict(extra="forbid")

    schedules: list[ScheduleIn] = Field(json_schema_extra={"maxItems": SCHEDULES_MAX})
    preview: StrictBool = Field(default=False, description="Say what would be done, and do nothing.")
    prune: StrictBool = Field(default=False, description="Delete those that are not among them.")
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class WhyNotOut(BaseModel):
    """A reason: a stable code, its figures, and the sentence in the language of the request."""

    code: str = Field(examples=["overlap"])
    params: AnyJson
    text: str

    @classmethod
    def of(cls, reason: Mapping[str, Any] | None, lang: str) -> "WhyNotOut | None":
        """Answer a stored reason with its sentence."""
        if reason is None:
            return None
        return cls(code=str(reason["code"]), params=dict(reason.get("params") or {}), text=reason_text(reason, lang))


class ScheduleOut(Out):
    """A schedule as it stands."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    name: str
    state: ScheduleState
    description: str = Field(description="When it fires, in the language of the request.")
    rule: AnyJson = Field(json_schema_extra={"examples": RULE["examples"]})
    zone: str
    handler: str | None
    operation: str | None
    params: AnyJson
    mode: Mode | None
    catch_up: CatchUp
    catch_up_max: int
    overlap: Overlap
    jitter_s: int
    calendar: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    options: AnyJson
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    last_job_id: str | None
    paused_at: datetime | None
    paused_by: str | None
    snoozed_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: WhyNotOut | None
    window_id: str | None
    revision: int = Field(description="Also the ETag, for `If-Match`.")
    author: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, schedule: Schedule, lang: str) -> "ScheduleOut":
        """Answer a schedule in the language of a request."""
        plain = {name: getattr(schedule, name) for name in cls.model_fields if hasattr(schedule, name)}
        reason = WhyNotOut.of(schedule.disabled_reason, lang)
        return cls(**{**plain, "description": described(schedule, lang), "disabled_reason": reason})


class NextFireOut(Out):
    """A fire that is to come."""

    at: datetime = Field(description="In UTC.")
    in_zone: str = Field(description="By the clocks of the schedule's zone.", examples=[EXAMPLE_TIME])
    in_yours: str | None = Field(description="By the clocks of the zone that was asked for.")
    blocked: WhyNotOut | None = Field(description="Why it will make no job, by the calendar as it is now.")

    @classmethod
    def of(cls, fire: Ahead, zone: ZoneInfo, yours: ZoneInfo | None, lang: str) -> "NextFireOut":
        """Answer a fire by the clocks of one zone or two."""
        return cls(
            at=fire.at,
            in_zone=fire.at.astimezone(zone).isoformat(),
            in_yours=None if yours is None else fire.at.astimezone(yours).isoformat(),
            blocked=WhyNotOut.of(fire.blocked, lang),
        )


class NextOut(BaseModel):
    """The next fires of a schedule; of a paused one as if it were resumed now."""

    schedule_id: str = Field(examples=[EXAMPLE_ID])
    zone: str
    state: ScheduleState
    items: list[NextFireOut]


class FireOut(Out):
    """A fire: the job that it made, or why it made none. With `until_at` it stands for `count` of them."""

    schedule_id: str = Field(examples=[EXAMPLE_ID])
    fire_at: datetime
    cause: Cause
    outcome: Outcome
    reason: WhyNotOut | None
    job_id: str | None
    job_state: str | None
    until_at: datetime | None
    count: int
    actor: str | None
    created_at: datetime

    @classmethod
    def of(cls, fire: Fire, lang: str) -> "FireOut":
        """Answer a fire in the language of a request."""
        plain = {name: getattr(fire, name) for name in cls.model_fields}
        return cls(**{**plain, "reason": WhyNotOut.of(fire.reason, lang)})


class MovedOut(BaseModel):
    """A schedule whose stored next fire is not what its rule says now."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    name: str
    stored_at: datetime | None
    expected_at: datetime | None = Field(description="Null: it would fire no more.")

    @classmethod
    def of(cls, moved: Moved) -> "MovedOut":
        """Answer what a check found about one schedule."""
        one = moved.schedule
        return cls(
            id=one.id, tenant_id=one.tenant_id, name=one.name, stored_at=one.next_fire_at, expected_at=moved.expected_at
        )


class CheckedOut(BaseModel):
    """What a check found."""

    versions: dict[str, str] = Field(examples=[{"tzdata": "2026b", "cronsim": "2.8"}])
    repaired: bool
    items: list[MovedOut]


class AppliedOut(Out):
    """What became of one schedule, or would."""

    name: str
    action: Action
    fields: list[str]


class AppliedAllOut(BaseModel):
    """What became of each schedule, or would."""

    preview: bool
    items: list[AppliedOut]
