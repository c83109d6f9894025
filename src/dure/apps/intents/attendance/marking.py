"""Operations that mark attendance. Each row of a meeting and a student is there once: the database sees to that."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

import dure
from dure.apps.intents.naming import class_id_of, student, students
from dure.apps.intents.params import CLASS, Day, Name, Note, OfDay, OfStudent, OfStudents
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Draft, Reason

PACKAGE = "dure.apps.intents.attendance"
MINUTES_LATE_MAX = 600
Status = Literal["present", "late", "absent", "excused"]
ATTENDANCE = dure.Table("academy.attendance", key=("meeting_id", "student_id"))
"""By the meeting and the student, so that two who mark at once are in conflict and never make two rows."""

_TO_MARK = load(PACKAGE, "to_mark")
_TO_MARK_REST = load(PACKAGE, "to_mark_rest")
_TO_EXCUSE = load(PACKAGE, "to_excuse")


@dure.operation("attendance.mark")
class Mark:
    """Marks how students came to their classes on a day; what was marked before is changed."""

    class Params(OfStudents):
        """Who, when, and how they came."""

        status: Status
        date: Day | None = None
        """None is today."""
        class_name: Annotated[Name | None, CLASS] = None
        """None is every class of the day that a student is in."""
        minutes_late: Annotated[int, Field(ge=0, le=MINUTES_LATE_MAX)] = 0
        note: Note = ""

        @model_validator(mode="after")
        def _late_alone_has_minutes(self) -> Self:
            if self.minutes_late and self.status != "late":
                raise Invalid(field="params.minutes_late", reason="not_one_of", expected="late")
            return self

    stores = (ATTENDANCE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each meeting of each student."""
        view = PlanReader(ctx)
        day = params.date or view.today
        who = await students(view, params.students)
        values = {"students": [one.id for one in who], "day": day, "class": await class_id_of(view, params.class_name)}
        rows = await view.rows(_TO_MARK, values)
        met = {str(row["student_id"]) for row in rows}
        if missing := [one.name for one in who if one.id not in met]:
            raise Invalid(field="params.date", reason="academy.no_meeting", name=", ".join(missing), date=day)
        for row in rows:
            yield {
                "meeting": str(row["meeting_id"]),
                "student": str(row["student_id"]),
                "name": row["student"],
                "marked": row["status"],
            }

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a row to make or to change for each."""
        params: Mark.Params = ctx.params
        store = ctx.store(ATTENDANCE.name)
        values = {"status": params.status, "minutes_late": params.minutes_late, "note": params.note}
        for one in subjects:
            if one["marked"] is None:
                new = {"meeting_id": one["meeting"], "student_id": one["student"], "tenant_id": ctx.tenant_id}
                yield store.create({**new, **values, "recorded_at": ctx.now}, subject=one["name"])
            else:
                why = Reason("academy.marked_before", {"status": one["marked"]})
                changed = {**values, "recorded_at": ctx.now}
                yield store.update((one["meeting"], one["student"]), changed, subject=one["name"], reason=why)


@dure.operation("attendance.mark_rest")
class MarkRest:
    """Marks everyone of a day's classes who is not marked yet, in one way."""

    class Params(OfDay):
        """Which classes, and how."""

        status: Literal["present", "absent", "excused"] = "present"
        note: Note = ""

    stores = (ATTENDANCE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each meeting of each student that is not marked."""
        view = PlanReader(ctx)
        values = {
            "tenant": ctx.tenant_id,
            "day": params.date or view.today,
            "class": await class_id_of(view, params.class_name),
        }
        async for row in ctx.rows(_TO_MARK_REST, values):
            yield {"meeting": str(row.meeting_id), "student": str(row.student_id), "name": row.student}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a row to make for each."""
        params: MarkRest.Params = ctx.params
        store = ctx.store(ATTENDANCE.name)
        for one in subjects:
            yield store.create(
                {
                    "meeting_id": one["meeting"],
                    "student_id": one["student"],
                    "tenant_id": ctx.tenant_id,
                    "status": params.status,
                    "note": params.note,
                    "recorded_at": ctx.now,
                },
                subject=one["name"],
            )


@dure.operation("attendance.excuse")
class Excuse:
    """Excuses a student's absences of some days."""

    class Params(OfStudent):
        """Who, from when until when, and why."""

        from_on: Day | None = None
        """None is today."""
        until_on: Day | None = None
        """None is the first of them alone."""
        note: Note = ""

    stores = (ATTENDANCE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each absence."""
        view = PlanReader(ctx)
        who = await student(view, params.student)
        first = params.from_on or view.today
        values = {"student": who.id, "first": first, "last": params.until_on or first}
        for row in await view.rows(_TO_EXCUSE, values):
            key = {"meeting": str(row["meeting_id"]), "student": who.id}
            yield {**key, "name": who.name, "date": row["held_on"].isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a change for each."""
        params: Excuse.Params = ctx.params
        store = ctx.store(ATTENDANCE.name)
        for one in subjects:
            why = Reason("academy.absence_of", {"date": one["date"]})
            changed = {"status": "excused", "note": params.note}
            yield store.update((one["meeting"], one["student"]), changed, subject=one["name"], reason=why)
