"""What goes over the wire about windows, as OpenAPI shows it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from dure.http.schedule_schemas import HANDLER, WhyNotOut
from dure.http.schemas import EXAMPLE_ID, TENANT_SHAPE, AnyJson, Out
from dure.schedule.model import Window, WindowState
from dure.schedule.windows import EVERY_S, EVERY_S_MAX, FOR_S, FOR_S_MAX, KEY_CHARS_MAX

REASON_CHARS_MAX = 2_000


class WindowStart(BaseModel):
    """A window that is wanted: the first tick at once, the next ones every so often, for a while."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"key": "inbox", "handler": "inbox.read", "for_s": 900}]}
    )

    key: StrictStr = Field(
        description="What it is about; one window of a key is open at a time.",
        json_schema_extra={"minLength": 1, "maxLength": KEY_CHARS_MAX},
    )
    handler: StrictStr = Field(description="What a tick does.", json_schema_extra=HANDLER)
    params: AnyJson = Field(default_factory=dict, description="Its parameters; `window_id` is added.")
    every_s: StrictInt = Field(default=EVERY_S, json_schema_extra={"minimum": 1, "maximum": EVERY_S_MAX})
    for_s: StrictInt = Field(default=FOR_S, json_schema_extra={"minimum": 1, "maximum": FOR_S_MAX})
    options: AnyJson = Field(default_factory=dict, description="Of its jobs: queue, priority, max_retries, tags.")
    tenant_id: StrictStr | None = Field(
        default=None, description="For a key of no single tenant.", json_schema_extra=TENANT_SHAPE
    )


class WindowStop(BaseModel):
    """Why a window is closed."""

    model_config = ConfigDict(extra="forbid")

    reason: StrictStr = Field(default="", max_length=REASON_CHARS_MAX)


class WindowOut(Out):
    """A window: open until `ends_at`, or closed, and how."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    key: str
    state: WindowState
    handler: str
    params: AnyJson
    every_s: int
    started_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: WhyNotOut | None
    author: str
    ticks: int = Field(description="Ticks that made a job.")
    last_tick_at: datetime | None
    last_job_id: str | None
    schedule_id: str = Field(description="Whose fires are the ticks.")

    @classmethod
    def of(cls, window: Window, lang: str) -> "WindowOut":
        """Answer a window in the language of a request."""
        plain = {name: getattr(window, name) for name in cls.model_fields}
        return cls(**{**plain, "reason": WhyNotOut.of(window.reason, lang)})
