"""Operations that open a class and close one, with all that ends with it."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

import dure
from dure.apps.intents.naming import class_of
from dure.apps.intents.params import Asked, Day, Name, Note, OfClass
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Draft

PACKAGE = "dure.apps.intents.classes"
CAPACITY_MAX = 1_000
FEE_WON_MAX = 100_000_000
CLASS = dure.Table("academy.class")
ENROLMENT = dure.Table("academy.enrolment")
MEETING = dure.Table("academy.meeting")
DAY = dt.timedelta(days=1)

_CLASS_OPEN = load(PACKAGE, "class_open")
_TO_CLOSE = load(PACKAGE, "to_close")


@dure.operation("class.open")
class Open:
    """Opens a class."""

    class Params(Asked):
        """What it is called, who teaches it, and when."""

        name: Name
        subject: Annotated[str, Field(max_length=100)] = ""
        teacher: Annotated[str, Field(max_length=100)] = ""
        capacity: Annotated[int, Field(ge=1, le=CAPACITY_MAX)]
        fee_won: Annotated[int, Field(ge=0, le=FEE_WON_MAX)] = 0
        weekdays: Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1, max_length=7)]
        """1 is Monday."""
        starts_at: dt.time
        ends_at: dt.time
        opened_on: Day | None = None
        """None is today."""

        @field_validator("weekdays")
        @classmethod
        def _each_once(cls, given: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sorted(set(given)))

        @model_validator(mode="after")
        def _ends_after_it_starts(self) -> Self:
            if self.starts_at >= self.ends_at:
                raise Invalid(field="params.ends_at", reason="academy.ends_before_it_starts")
            return self

    stores = (CLASS,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one class."""
        view = PlanReader(ctx)
        if await view.one(_CLASS_OPEN, {"name": params.name}) is not None:
            raise Invalid(field="params.name", reason="academy.class_exists", name=params.name)
        yield {"opened_on": (params.opened_on or view.today).isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield the class."""
        params: Open.Params = ctx.params
        store = ctx.store(CLASS.name)
        for one in subjects:
            values = {**params.model_dump(), "weekdays": list(params.weekdays), "opened_on": one["opened_on"]}
            new = {**values, "tenant_id": ctx.tenant_id, "updated_at": ctx.now}
            yield store.create(new, subject=params.name)


@dure.operation("class.close")
class Close:
    """Closes a class: its enrolments end, and its lessons after the last day are cancelled."""

    class Params(OfClass):
        """Which class, after which day, and why."""

        date: Day | None = None
        """The last day; None is today."""
        note: Note = ""

    stores = (CLASS, ENROLMENT, MEETING)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one class, with all that ends with it."""
        view = PlanReader(ctx)
        which = await class_of(view, params.class_name)
        if not which.is_open:
            raise Invalid(field="params.class", reason="academy.class_closed", name=which.name)
        last = params.date or view.today
        rows = await view.rows(_TO_CLOSE, {"class": which.id, "last": last})
        yield {
            "id": which.id,
            "name": which.name,
            "last": last.isoformat(),
            "enrolments": [
                {
                    "id": str(row["id"]),
                    "name": row["name"],
                    "until_on": max(last, row["on_date"] - DAY).isoformat(),
                }
                for row in rows
                if row["kind"] == "enrolment"
            ],
            "meetings": [str(row["id"]) for row in rows if row["kind"] == "meeting"],
        }

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[tuple[Draft, ...]]:
        """Yield the class with what ends with it, together or not at all."""
        params: Close.Params = ctx.params
        classes, enrolments, meetings = (ctx.store(one.name) for one in self.stores)
        for one in subjects:
            yield (
                classes.update(
                    one["id"], {"closed_on": one["last"], "updated_at": ctx.now}, subject=one["name"],
                    reason=params.note or None,
                ),
                *(
                    enrolments.update(
                        each["id"], {"status": "ended", "until_on": each["until_on"]}, subject=one["name"],
                        reason=each["name"],
                    )
                    for each in one["enrolments"]
                ),
                *(
                    meetings.update(id, {"cancelled": True, "note": params.note}, subject=one["name"])
                    for id in one["meetings"]
                ),
            )  # fmt: skip
