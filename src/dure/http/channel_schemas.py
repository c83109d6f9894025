"""What goes over the wire about channels, their messages and the log, as OpenAPI shows it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from dure.agents.channels import (
    ACCESS,
    ACCESS_EXAMPLE,
    ACCESS_MAX,
    AGENT,
    DESCRIPTION_CHARS_MAX,
    KEEP_DAYS,
    KEEP_DAYS_MAX,
    NAME,
    TYPE,
    NewChannel,
)
from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out

NAME_SHAPE: dict[str, Any] = {"pattern": f"^{NAME.pattern}$", "examples": ["builds.done"]}
TYPE_SHAPE: dict[str, Any] = {"pattern": f"^{TYPE.pattern}$", "examples": ["custom"]}
AGENT_SHAPE: dict[str, Any] = {"pattern": f"^{AGENT.pattern}$", "examples": ["worker-7"]}
ACCESS_SHAPE: dict[str, Any] = {
    "maxItems": ACCESS_MAX,
    "items": {"type": "string", "pattern": f"^(?:{ACCESS.pattern})$"},
    "examples": [ACCESS_EXAMPLE.split(", ")],
}
DAYS_SHAPE: dict[str, Any] = {"minimum": 1, "maximum": KEEP_DAYS_MAX}


class ChannelCreate(BaseModel):
    """A channel that is wanted. Nobody may publish or subscribe who is not named, but administrators."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "builds.done", "publish": ["class:executor"], "subscribe": ["viewer", "agent"]}]
        },
    )

    name: StrictStr = Field(json_schema_extra=NAME_SHAPE)
    type: StrictStr = Field(default="custom", description="What sort it is, for people.", json_schema_extra=TYPE_SHAPE)
    description: StrictStr = Field(default="", json_schema_extra={"maxLength": DESCRIPTION_CHARS_MAX})
    publish: list[StrictStr] = Field(
        default_factory=list,
        description="Who may publish: `*`, a scope of keys, `agent:ID`, `class:NAME`.",
        json_schema_extra=ACCESS_SHAPE,
    )
    subscribe: list[StrictStr] = Field(
        default_factory=list, description="Who may read.", json_schema_extra=ACCESS_SHAPE
    )
    keep_days: StrictInt = Field(
        default=KEEP_DAYS, description="How long messages are kept.", json_schema_extra=DAYS_SHAPE
    )
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )

    def to_new(self) -> NewChannel:
        """Answer the value that the service takes."""
        given = self.model_dump(exclude={"tenant_id", "publish", "subscribe"})
        return NewChannel(**given, publish=tuple(self.publish), subscribe=tuple(self.subscribe))


class ChannelEdit(BaseModel):
    """What is to change of a channel; messages that are there already are kept for as long as they were to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"subscribe": ["viewer"]}]})

    type: StrictStr = Field(default="", json_schema_extra=TYPE_SHAPE)
    description: StrictStr = Field(default="", json_schema_extra={"maxLength": DESCRIPTION_CHARS_MAX})
    publish: list[StrictStr] = Field(default_factory=list, json_schema_extra=ACCESS_SHAPE)
    subscribe: list[StrictStr] = Field(default_factory=list, json_schema_extra=ACCESS_SHAPE)
    keep_days: StrictInt = Field(default=KEEP_DAYS, json_schema_extra=DAYS_SHAPE)

    def changes(self) -> dict[str, Any]:
        """Answer the fields that the request names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ChannelOut(Out):
    """A channel, and how much it is used."""

    name: str
    type: str
    description: str
    publish: list[str]
    subscribe: list[str]
    keep_days: int
    built_in: bool = Field(description="Whether it belongs to every tenant, and cannot be deleted.")
    messages: int = Field(description="Ever published; the number of the last one.")
    bytes: int = Field(description="Ever published.")
    subscribers: int = Field(description="Who listen now.")
    last_message_at: datetime | None
    revision: int
    created_by: str
    created_at: datetime
    updated_at: datetime


class MessageIn(BaseModel):
    """A message that is to be published."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"body": {"state": "done"}, "kind": "build", "to": "planner"}]}
    )

    body: AnyJson = Field(description="At most 64 KiB.")
    kind: StrictStr = Field(default="message", json_schema_extra={**NAME_SHAPE, "examples": ["message"]})
    to: StrictStr | None = Field(default=None, description="The agent that it is for.", json_schema_extra=AGENT_SHAPE)
    task_id: StrictStr | None = Field(default=None, description="The task that it is about.", examples=[EXAMPLE_ID])
    from_agent: StrictStr | None = Field(
        default=None, description="The agent that publishes: one of this key.", json_schema_extra=AGENT_SHAPE
    )


class PublishedOut(BaseModel):
    """Where a message stands."""

    channel: str
    no: int = Field(description="Its number: dense, and in the order in which messages can be seen.")


class MessageOut(Out):
    """A message as it is kept."""

    no: int
    at: datetime
    from_agent: str | None
    to_agent: str | None
    kind: str
    body: AnyJson
    task_id: str | None
    size_bytes: int


class LogEntryOut(Out):
    """One message between agents, or between them and Dure."""

    seq: int = Field(description="Its place in the tenant's chain.")
    at: datetime
    from_agent: str | None
    to_agent: str | None
    protocol: str
    kind: str
    task_id: str | None
    trace_id: str | None
    size_bytes: int | None
    latency_ms: float | None
    ok: bool
    error: str | None
    hash: str = Field(description="The sha256 of this entry and of the hash before it.")
