"""What goes over the wire about backfills, as OpenAPI shows it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from dure.http.schemas import EXAMPLE_ID, EXAMPLE_TIME, Out
from dure.schedule.backfills import AT_ONCE_MAX
from dure.schedule.model import BackfillFireState, BackfillState, Which


class BackfillIn(BaseModel):
    """A range of a schedule's past that is to be done again, or for the first time."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"from": "2026-11-01", "until": "2026-11-08", "preview": True}]},
    )

    from_: StrictStr = Field(
        alias="from",
        description="A time, or a day of the schedule's zone; included.",
        examples=["2026-11-01", EXAMPLE_TIME],
    )
    until: StrictStr = Field(description="The same; not included.", examples=["2026-11-08"])
    which: Which = Field(default="missing", description="Fires without a job, fires whose job failed, or all.")
    at_once: StrictInt = Field(
        default=1, description="Jobs at a time.", json_schema_extra={"minimum": 1, "maximum": AT_ONCE_MAX}
    )
    preview: StrictBool = Field(default=False, description="Answer the fires and make nothing.")


class BackfillOut(Out):
    """A backfill and how far it is."""

    id: str = Field(examples=[EXAMPLE_ID])
    tenant_id: str
    schedule_id: str
    from_at: datetime
    until_at: datetime
    which: Which
    at_once: int
    state: BackfillState
    author: str
    created_at: datetime
    finished_at: datetime | None
    counts: dict[str, int] = Field(examples=[{"pending": 5, "made": 1, "completed": 3, "failed": 1}])


class BackfillPreviewOut(BaseModel):
    """The fires that a backfill would make."""

    preview: Literal[True] = True
    count: int
    fires: list[datetime]


class BackfillFireOut(Out):
    """One fire of a backfill."""

    fire_at: datetime
    state: BackfillFireState
    job_id: str | None
    tries: int
