"""What is told, and to whom: by the target's name only, because its URL holds secrets."""

import hashlib

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from dure.logs import mask_text
from dure.settings import NoticeEvent

REASON_CHARS_MAX = 500
COUNTS_MAX = 30


class Notice(BaseModel):
    """Something that happened to a run, as it is told outside.

    Example: `Notice(event="failed", run_id=id, tenant_id="acme", operation="students.archive", happened_at=ended_at)`.
    """

    model_config = ConfigDict(frozen=True)

    event: NoticeEvent
    run_id: str = Field(max_length=100)
    tenant_id: str = Field(max_length=100)
    operation: str = Field(max_length=200)
    happened_at: AwareDatetime
    """As the run's row has it, so that a repeat is the same notice."""
    counts: dict[str, int] = Field(default_factory=dict, max_length=COUNTS_MAX)
    """Changes by kind or state: `{"delete": 12, "keep": 3}`."""
    reason: str = ""
    """Why it failed or was refused; personal data is masked and a long text cut."""
    rollback_of: str | None = None
    """The run that this one undoes, if it is a rollback."""

    @field_validator("reason")
    @classmethod
    def _shorten(cls, reason: str) -> str:
        text = " ".join(mask_text(reason[: 4 * REASON_CHARS_MAX]).replace("\x00", " ").split())
        return text if len(text) <= REASON_CHARS_MAX else text[: REASON_CHARS_MAX - 1] + "…"

    def digest(self) -> str:
        """Answer a short hash of all that is said, which tells a repeat from news of the same run."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class Delivery(BaseModel):
    """The parameters of `dure.notice`: one notice for one target."""

    model_config = ConfigDict(frozen=True)

    target: str
    notice: Notice
