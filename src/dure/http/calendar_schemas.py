"""What goes over the wire about calendars, as OpenAPI shows it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from dure.http.schemas import AnyJson
from dure.schedule.holidays import NamedCalendar
from dure.schedule.kinds import WEEKDAYS


class CalendarIn(BaseModel):
    """Days, days of the week and hours at which schedules do not fire, by the clocks of each schedule's zone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "days": [{"date": "2026-12-25", "name": "Christmas"}],
                    "weekdays": ["sat", "sun"],
                    "blackouts": [{"daily": ["22:00", "06:00"], "name": "night"}],
                }
            ]
        },
    )

    days: list[AnyJson] = Field(default_factory=list, description="Each with a `date`, and a `name`.")
    weekdays: list[StrictStr] = Field(default_factory=list, json_schema_extra={"items": {"enum": list(WEEKDAYS)}})
    blackouts: list[AnyJson] = Field(
        default_factory=list, description="Each `from` a time `to` another, or `daily` between two times of day."
    )


class CalendarOut(BaseModel):
    """A calendar as it is kept."""

    name: str
    days: list[AnyJson]
    weekdays: list[str]
    blackouts: list[AnyJson]
    updated_at: datetime
    updated_by: str

    @classmethod
    def of(cls, calendar: NamedCalendar) -> "CalendarOut":
        """Answer a stored calendar."""
        parts: dict[str, Any] = {name: calendar.entries.get(name) or [] for name in ("days", "weekdays", "blackouts")}
        return cls(name=calendar.name, **parts, updated_at=calendar.updated_at, updated_by=calendar.updated_by)
