"""What a run of `interventions.generate` is about; what is not said is filled in when it is asked for, and stored."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

from dure.apps.interventions.config import load
from dure.apps.interventions.periods import Period, Span, end_of_month, span_of, yesterday, zone_of
from dure.errors import Invalid

USERS_MAX = 100_000
ID_CHARS_MAX = 200
DAY_MIN, DAY_MAX = date(1900, 1, 1), date(2999, 12, 31)

Day = Annotated[date, Field(ge=DAY_MIN, le=DAY_MAX)]
UserId = Annotated[str, Field(min_length=1, max_length=ID_CHARS_MAX)]


class What(BaseModel):
    """Which day, week or month, what the advice is about, and for whom."""

    model_config = ConfigDict(extra="forbid")

    date: Day | None = None
    """The day; a week is the seven days that end with it, a month its own. None is yesterday in the zone."""
    period: Period = "day"
    kind: Annotated[str, Field(max_length=200)] | None = None
    """Topics joined by `+`, such as `diet+exercise`; None is all there are."""
    zone: Annotated[str, Field(max_length=100)] | None = None
    """Where the day begins and ends; None is what the setting says."""
    redo: StrictBool = False
    """Whether to write those again that there are already; each is an update, which can be undone."""
    users: Annotated[tuple[UserId, ...], Field(max_length=USERS_MAX)] | None = None
    """Ids of users; None is all."""

    @field_validator("users", mode="before")
    @classmethod
    def _as_texts(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            return given
        return [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in given]

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        settings = load()
        self.zone = self.zone or settings.zone
        zone_of(self.zone, field="params.zone")
        tables = settings.tables
        given = set((self.kind or tables.kind).split("+"))
        if unknown := given - set(tables.topics):
            expected = ", ".join([*tables.topics, tables.kind])
            raise Invalid(field="params.kind", reason="not_one_of", expected=expected, given=", ".join(sorted(unknown)))
        # In one order, so that the same advice has one name.
        self.kind = "+".join(topic for topic in tables.topics if topic in given)
        self.date = self.date or yesterday(self.zone)
        if self.period == "month":
            self.date = end_of_month(self.date)
        return self

    @property
    def kind_of(self) -> str:
        """What the advice is about, filled in."""
        assert self.kind is not None
        return self.kind

    def span(self, day: str | None = None) -> Span:
        """Answer the days that the advice is about; `day` holds when it was fixed before."""
        assert self.zone is not None
        assert self.date is not None
        return span_of(date.fromisoformat(day) if day else self.date, self.period, self.zone)
