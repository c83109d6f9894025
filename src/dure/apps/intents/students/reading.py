"""What staff ask about students."""

import re
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from dure.apps.intents.declared_students import DECLARED
from dure.apps.intents.naming import student
from dure.apps.intents.params import Asked, Name, OfMonth, OfStudent, month_of
from dure.apps.intents.reading import Reader, limited, listed, plain
from dure.db.sql import load
from dure.intents import intent

PACKAGE = "dure.apps.intents.students"
DIGITS_MIN = 3
"""Fewer digits are in too many phone numbers."""

_STUDENTS = load(PACKAGE, "students")
_LIKE = load(PACKAGE, "like")
_STUDENT = load(PACKAGE, "student")
_GUARDIANS = load(PACKAGE, "guardians")
_BIRTHDAYS = load(PACKAGE, "birthdays")
_JOINED = load(PACKAGE, "joined")
_WITHOUT_CLASS = load(PACKAGE, "without_class")


@intent(DECLARED["student.get.list"])
class AllStudents:
    """The students who are here, or those in one state or grade."""

    class Params(Asked):
        """Which state and grade; those who are here when not said."""

        status: Literal["enrolled", "paused", "left"] | None = None
        grade: Annotated[int | None, Field(ge=1, le=12)] = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the students, by name."""
        statuses = ["enrolled", "paused"] if params.status is None else [params.status]
        return listed(await ctx.rows(_STUDENTS, limited({"statuses": statuses, "grade": params.grade})))


@intent(DECLARED["student.get.find"])
class Find:
    """Students whose name or phone number holds some letters or digits."""

    class Params(Asked):
        """A part of the name, or of the phone number."""

        name: Annotated[Name, Field(validation_alias=AliasChoices("name", "text", "student", "phone"))]

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the students, those who are here first."""
        digits = re.sub(r"\D", "", params.name)
        values = {"text": params.name, "digits": digits if len(digits) >= DIGITS_MIN else ""}
        return listed(await ctx.rows(_LIKE, limited(values)))


@intent(DECLARED["student.get.show"])
class OneStudent:
    """A student: classes, guardians, and this month's attendance."""

    Params = OfStudent

    async def answer(self, params: OfStudent, ctx: Reader) -> Any:
        """Answer all that is known, without the guardians' numbers."""
        who = await student(ctx, params.student)
        first, last = month_of(None, ctx.today)
        row = await ctx.one(_STUDENT, {"student": who.id, "first": first, "last": last})
        return plain({**(row or {}), "attendance": (row or {}).get("attendance") or {}})


@intent(DECLARED["student.get.guardians"])
class Guardians:
    """The guardians of a student, and how to reach them."""

    Params = OfStudent

    async def answer(self, params: OfStudent, ctx: Reader) -> Any:
        """Answer the guardians."""
        who = await student(ctx, params.student)
        return {"student": who.name, **listed(await ctx.rows(_GUARDIANS, limited({"student": who.id})))}


@intent(DECLARED["student.get.birthdays"])
class Birthdays:
    """Who has a birthday in a month."""

    Params = OfMonth

    async def answer(self, params: OfMonth, ctx: Reader) -> Any:
        """Answer the students, in the order of their birthdays."""
        month = (params.month or ctx.today).month
        return {"month": month, **listed(await ctx.rows(_BIRTHDAYS, limited({"month": month})))}


@intent(DECLARED["student.get.new"])
class NewStudents:
    """Who joined in a month."""

    Params = OfMonth

    async def answer(self, params: OfMonth, ctx: Reader) -> Any:
        """Answer the students, the latest first."""
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(_JOINED, limited({"first": first, "last": last}))
        return {"month": f"{first:%Y-%m}", **listed(rows)}


@intent(DECLARED["student.get.without_class"])
class WithoutClass:
    """Who is here and in no class."""

    async def answer(self, _params: Any, ctx: Reader) -> Any:
        """Answer the students, by name."""
        return listed(await ctx.rows(_WITHOUT_CLASS, limited()))
