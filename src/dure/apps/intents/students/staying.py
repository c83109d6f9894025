"""Operations on whether students are here, and on their grades."""

import datetime as dt
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import dure
from dure.apps.intents.naming import students
from dure.apps.intents.params import Asked, Day, Note, OfStudents
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.runs.model import Draft, Reason

PACKAGE = "dure.apps.intents.students"
STUDENT = dure.Table("academy.student")
ENROLMENT = dure.Table("academy.enrolment")
DAY = dt.timedelta(days=1)
LAST_GRADE = 12

_ENROLMENTS = load(PACKAGE, "enrolments")
_TO_PROMOTE = load(PACKAGE, "to_promote")


class SomeFromDay(OfStudents):
    """Some students, and from when on. Example: `SomeFromDay(student="김하늘", date="2026-07-03")`."""

    date: Day | None = None
    """None is today; of who leaves, the last day."""
    note: Note = ""


@dure.operation("student.set_status")
class SetStatus:
    """Lets students take a break, come back, or leave; who leaves leaves their classes too."""

    class Params(SomeFromDay):
        """Who, and what they are now."""

        status: Literal["enrolled", "paused", "left"]

    stores = (STUDENT, ENROLMENT)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the students, each with the enrolments that end."""
        view = PlanReader(ctx)
        who = await students(view, params.students)
        day = params.date or view.today
        ending: dict[str, list[dict[str, str]]] = defaultdict(list)
        if params.status == "left":
            for row in await view.rows(_ENROLMENTS, {"students": [one.id for one in who]}):
                until_on = max(day, row["from_on"] - DAY).isoformat()
                ending[str(row["student_id"])].append({"id": str(row["id"]), "until_on": until_on})
        for one in who:
            yield {
                "id": one.id,
                "name": one.name,
                "was": one.status,
                "day": day.isoformat(),
                "enrolments": ending[one.id],
            }

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft | tuple[Draft, ...]]:
        """Yield each student with the enrolments that end, together or not at all."""
        params: SetStatus.Params = ctx.params
        known, enrolments = ctx.store(STUDENT.name), ctx.store(ENROLMENT.name)
        for one in subjects:
            about = {"subject": one["name"]}
            if one["was"] == params.status:
                yield known.keep(one["id"], reason=Reason("academy.status_same", {"status": params.status}), **about)
                continue
            left_on = one["day"] if params.status == "left" else None
            values = {"status": params.status, "left_on": left_on, "updated_at": ctx.now}
            yield (
                known.update(one["id"], values, reason=params.note or None, **about),
                *(
                    enrolments.update(each["id"], {"status": "ended", "until_on": each["until_on"]}, **about)
                    for each in one["enrolments"]
                ),
            )


@dure.operation("student.promote")
class Promote:
    """Moves everyone who is here up a grade; who is in the last one stays there."""

    Params = Asked
    stores = (STUDENT,)

    async def subjects(self, _params: Asked, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the students."""
        async for row in ctx.rows(_TO_PROMOTE, {"tenant": ctx.tenant_id}):
            yield {"id": str(row.id), "name": row.name, "grade": row.grade}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a change for each."""
        store = ctx.store(STUDENT.name)
        for one in subjects:
            if one["grade"] >= LAST_GRADE:
                yield store.keep(one["id"], reason=Reason("academy.last_grade"), subject=one["name"])
            else:
                values = {"grade": one["grade"] + 1, "updated_at": ctx.now}
                yield store.update(one["id"], values, subject=one["name"])
