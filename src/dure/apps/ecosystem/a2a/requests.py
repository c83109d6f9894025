"""What a client of A2A asks for, read from its JSON. What is not known is passed over, as the protocol wants it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dure.apps.ecosystem.a2a.errors import A2aError
from dure.apps.ecosystem.a2a.states import TaskState
from dure.lang import knows, say

ID_CHARS_MAX = 200
TEXT_CHARS_MAX = 1_000_000
PARTS_MAX = 100
REFERENCES_MAX = 100
NAME_CHARS_MAX = 500
URL_CHARS_MAX = 4_000
HISTORY_MAX = 2**31 - 1
PAGE_SIZE = 50
PAGE_SIZE_MAX = 100
TOKEN_CHARS_MAX = 400
VIOLATIONS_MAX = 20
UNSAID = ("", "TASK_STATE_UNSPECIFIED", 0)
CONTENTS = ("text", "raw", "url", "data")
CLASS = r"^[a-z0-9][a-z0-9._-]{0,99}$"
CAPABILITY = r"^[a-z0-9][a-z0-9._:-]{0,99}$"
CAPABILITIES_MAX = 20
NEEDS = "urn:dure:needs"
"""Our extension: under this name the metadata of a message says what the task asks of an agent."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX)]
# In the JSON of protobuf what is not set may also be written as its empty value.
MaybeId = Annotated[Id | None, BeforeValidator(lambda value: None if value == "" else value)]
T = TypeVar("T", bound="Model")


class Model(BaseModel):
    """What all of them share: names in camel case, or as protobuf has them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )


class Part(Model):
    """A piece of a message: exactly one of text, raw (base64), url and data."""

    text: str | None = Field(default=None, max_length=TEXT_CHARS_MAX)
    raw: str | None = None
    url: str | None = Field(default=None, max_length=URL_CHARS_MAX)
    data: Any = None
    metadata: dict[str, Any] | None = None
    filename: str | None = Field(default=None, max_length=NAME_CHARS_MAX)
    media_type: str | None = Field(default=None, max_length=NAME_CHARS_MAX)

    @model_validator(mode="after")
    def _has_one_content(self) -> "Part":
        if sum(name in self.model_fields_set for name in CONTENTS) != 1:
            raise PydanticCustomError("a2a_content", "one of text, raw, url and data")
        return self


class Message(Model):
    """One message of a client."""

    message_id: Id
    role: Literal["ROLE_USER"]
    parts: list[Part] = Field(min_length=1, max_length=PARTS_MAX)
    context_id: MaybeId = None
    task_id: MaybeId = None
    metadata: dict[str, Any] | None = None
    extensions: list[Annotated[str, StringConstraints(max_length=URL_CHARS_MAX)]] = Field(
        default_factory=list, max_length=REFERENCES_MAX
    )
    reference_task_ids: list[Id] = Field(default_factory=list, max_length=REFERENCES_MAX)

    def plain(self) -> dict[str, Any]:
        """Answer it as JSON has it, without what was not said."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Configuration(Model):
    """How a client wants its answer."""

    accepted_output_modes: list[Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX)]] = Field(
        default_factory=list, max_length=REFERENCES_MAX
    )
    task_push_notification_config: dict[str, Any] | None = None
    history_length: int | None = Field(default=None, ge=0, le=HISTORY_MAX)
    return_immediately: bool = False


class SendMessage(Model):
    """Ask an agent for something, or answer what it asked."""

    tenant: MaybeId = None
    message: Message
    configuration: Configuration = Field(default_factory=Configuration)
    metadata: dict[str, Any] | None = None


class GetTask(Model):
    """Look at a task."""

    tenant: MaybeId = None
    id: Id
    history_length: int | None = Field(default=None, ge=0, le=HISTORY_MAX)


class TaskId(Model):
    """Name a task: to cancel it, or to follow it."""

    tenant: MaybeId = None
    id: Id


class ListTasks(Model):
    """Look for tasks, the one that changed last first."""

    tenant: MaybeId = None
    context_id: MaybeId = None
    status: Annotated[TaskState | None, BeforeValidator(lambda value: None if value in UNSAID else value)] = None
    page_size: int = Field(default=PAGE_SIZE, ge=1, le=PAGE_SIZE_MAX)
    page_token: str = Field(default="", max_length=TOKEN_CHARS_MAX)
    history_length: int | None = Field(default=None, ge=0, le=HISTORY_MAX)
    status_timestamp_after: AwareDatetime | None = None
    include_artifacts: bool = False


class GetCard(Model):
    """Ask for the whole card."""

    tenant: MaybeId = None


class Needs(BaseModel):
    """What a task asks of the agent that is to do it: the value of our extension."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    class_: str | None = Field(default=None, alias="class", pattern=CLASS)
    capabilities: list[Annotated[str, StringConstraints(pattern=CAPABILITY)]] = Field(
        default_factory=list, max_length=CAPABILITIES_MAX
    )
    agent: str | None = Field(default=None, max_length=ID_CHARS_MAX)
    tree: str | None = Field(default=None, max_length=ID_CHARS_MAX)
    title: str = Field(default="", max_length=NAME_CHARS_MAX)
    priority: int | None = Field(default=None, ge=-1000, le=1000)
    timeout_s: float | None = Field(default=None, gt=0, le=31_536_000, allow_inf_nan=False)
    deadline_at: AwareDatetime | None = None


def read(kind: type[T], given: object) -> T:
    """Read a request; raises `A2aError` that names each field at fault. Example: `read(GetTask, {"id": task_id})`."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _wrong(error) from None


def needs_of(*metadata: Mapping[str, Any] | None) -> Needs:
    """Read what a message asks of an agent, from the first metadata that says something."""
    given: object = next((found[NEEDS] for found in metadata if found and NEEDS in found), {})
    try:
        return Needs.model_validate(given)
    except ValidationError as error:
        raise _wrong(error, f"metadata.{NEEDS}") from None


def _wrong(error: ValidationError, inside: str = "") -> A2aError:
    found = []
    for detail in error.errors(include_url=False, include_input=False)[:VIOLATIONS_MAX]:
        field = ".".join([*([inside] if inside else []), *map(str, detail["loc"])])
        key = f"a2a.fields.{detail['type']}"
        # What pydantic says stands for what we have no sentence for: it is for programmers, like the field's name.
        found.append((field, say(key) if knows(key) else detail["msg"]))
    return A2aError("INVALID_PARAMS", violations=found)
