"""Operations that put students into classes, take them out, and move them from one to another.

Nobody is in a class twice, and nobody sits where there is no seat: who cannot be moved stays in the plan with the
reason, and the others are moved.
"""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, Field

import dure
from dure.apps.intents.naming import Class, class_of, students
from dure.apps.intents.params import CLASS, Day, Name, OfStudents
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Draft, Reason

STUDENT = dure.Table("academy.student")
ENROLMENT = dure.Table("academy.enrolment")
DAY = dt.timedelta(days=1)

_SEATS = load("dure.apps.intents.classes", "seats")


class SomeInClass(OfStudents):
    """Some students, a class, and from when on. Example: `SomeInClass(student="김하늘", class_name="중2 수학")`."""

    class_name: Annotated[Name, CLASS]
    date: Day | None = None
    """The first day that it holds for; None is today."""


class FromTo(OfStudents):
    """Some students and two classes. Example: `FromTo(student="김하늘", from_class="중1", to_class="중2")`."""

    from_class: Annotated[Name, Field(validation_alias=AliasChoices("from_class", "from_class_id", "from"))]
    to_class: Annotated[Name, Field(validation_alias=AliasChoices("to_class", "to_class_id", "to"))]
    date: Day | None = None
    """The first day in the other class; None is today."""


async def _seated(
    ctx: dure.PlanContext, params: OfStudents, leaves: str | None, enters: str | None, day: dt.date | None
) -> AsyncIterator[dict[str, Any]]:
    """Yield each student with what they leave, whether there is a seat, and why nothing is to be done, if so."""
    view = PlanReader(ctx)
    who = await students(view, params.students)
    left = None if leaves is None else await class_of(view, leaves)
    entered = None if enters is None else await class_of(view, enters)
    if entered is not None and not entered.is_open:
        raise Invalid(field="params.class", reason="academy.class_closed", name=entered.name)
    values = {
        "students": [one.id for one in who],
        "from": left.id if left else None,
        "to": entered.id if entered else None,
    }
    first = day or view.today
    taken = 0
    for row in await view.rows(_SEATS, values):
        why = _obstacle(row, left is not None, entered is not None, taken)
        taken += entered is not None and why is None
        yield {
            "id": str(row["id"]),
            "name": row["name"],
            "leaves": row["leaves"] and str(row["leaves"]),
            # Who goes before the first day was never there.
            "ends": (max(first, row["was_from"]) - DAY).isoformat() if row["leaves"] else None,
            "enters": entered.id if entered else None,
            "first": first.isoformat(),
            "why": why,
            "class": _named(why, left, entered),
        }


def _named(why: str | None, left: Class | None, entered: Class | None) -> str:
    """Answer the class that a reason is about."""
    about = left if entered is None or why == "academy.not_enrolled" else entered
    return about.name if about is not None else ""


def _obstacle(row: dict[str, Any], leaves: bool, enters: bool, taken: int) -> str | None:
    """Answer why a student stays as they are; None when nothing is in the way."""
    if leaves and row["leaves"] is None:
        return "academy.not_enrolled"
    if not enters:
        return None
    if row["status"] == "left":
        return "academy.student_left"
    if row["already"] is not None:
        return "academy.already_enrolled"
    return "academy.class_full" if row["free"] - taken <= 0 else None


async def _drafts(subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft | tuple[Draft, ...]]:
    known, enrolments = ctx.store(STUDENT.name), ctx.store(ENROLMENT.name)
    for one in subjects:
        about = {"subject": one["name"]}
        if one["why"] is not None:
            yield known.keep(one["id"], reason=Reason(one["why"], {"name": one["class"]}), **about)
            continue
        together: list[Draft] = []
        if one["leaves"] is not None:
            together.append(enrolments.update(one["leaves"], {"status": "ended", "until_on": one["ends"]}, **about))
        if one["enters"] is not None:
            new = {"student_id": one["id"], "class_id": one["enters"], "from_on": one["first"], "status": "active"}
            together.append(enrolments.create({"tenant_id": ctx.tenant_id, **new}, **about))
        yield tuple(together)


class _Seating:
    """What they have in common."""

    stores = (STUDENT, ENROLMENT)

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft | tuple[Draft, ...]]:
        """Yield, for each student, what ends and what begins, together or not at all."""
        async for draft in _drafts(subjects, ctx):
            yield draft


@dure.operation("class.enrol")
class Enrol(_Seating):
    """Puts students into a class, as long as there are seats."""

    Params = SomeInClass

    async def subjects(self, params: SomeInClass, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the students."""
        async for one in _seated(ctx, params, None, params.class_name, params.date):
            yield one


@dure.operation("class.transfer")
class Transfer(_Seating):
    """Moves students from one class to another, each wholly or not at all."""

    Params = FromTo

    async def subjects(self, params: FromTo, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the students."""
        async for one in _seated(ctx, params, params.from_class, params.to_class, params.date):
            yield one


@dure.operation("class.withdraw")
class Withdraw(_Seating):
    """Takes students out of a class."""

    Params = SomeInClass

    async def subjects(self, params: SomeInClass, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the students."""
        async for one in _seated(ctx, params, params.class_name, None, params.date):
            yield one
