"""What staff ask about attendance."""

import datetime as dt
from typing import Annotated, Any

from pydantic import Field

from dure.apps.intents.declared_attendance import DECLARED
from dure.apps.intents.naming import class_id_of, class_of, student
from dure.apps.intents.params import Asked, Day, OfClass, OfDay, OfMonth, OfStudent, month_of
from dure.apps.intents.reading import Reader, limited, listed, plain
from dure.db.sql import load
from dure.intents import intent

PACKAGE = "dure.apps.intents.attendance"
STATUSES = ("present", "late", "absent", "excused")
SPAN_DAYS = 7
STREAK_DAYS = 60
"""How far back a row of absences is looked for."""
NAMES_SHOWN_MAX = 20

_DAY = load(PACKAGE, "day")
_OF_STATUS = load(PACKAGE, "of_status")
_OF_STUDENT = load(PACKAGE, "of_student")
_OF_CLASS = load(PACKAGE, "of_class")
_RATES = load(PACKAGE, "rates")
_UNMARKED = load(PACKAGE, "unmarked")
_STREAKS = load(PACKAGE, "streaks")


@intent(DECLARED["attendance.get.day"])
class ADay:
    """How each class of a day is attended, and in all."""

    Params = OfDay

    async def answer(self, params: OfDay, ctx: Reader) -> Any:
        """Answer the classes of the day with their figures."""
        day = params.date or ctx.today
        values = {"day": day, "class": await class_id_of(ctx, params.class_name)}
        rows = await ctx.rows(_DAY, limited(values))
        totals = {name: sum(row[name] for row in rows) for name in (*STATUSES, "unmarked")}
        return plain({"date": day, "totals": totals, "classes": rows})


async def _of_status(params: OfDay, ctx: Reader, *statuses: str) -> Any:
    day = params.date or ctx.today
    values = {"day": day, "class": await class_id_of(ctx, params.class_name), "statuses": list(statuses)}
    return {"date": day.isoformat(), **listed(await ctx.rows(_OF_STATUS, limited(values)))}


@intent(DECLARED["attendance.get.late"])
class Late:
    """Who came late on a day."""

    Params = OfDay

    async def answer(self, params: OfDay, ctx: Reader) -> Any:
        """Answer the students, each with how many minutes."""
        return await _of_status(params, ctx, "late")


@intent(DECLARED["attendance.get.absent"])
class Absent:
    """Who did not come on a day, excused or not."""

    Params = OfDay

    async def answer(self, params: OfDay, ctx: Reader) -> Any:
        """Answer the students, each with the note."""
        return await _of_status(params, ctx, "absent", "excused")


class StudentMonth(OfStudent, OfMonth):
    """A student's month. Example: `StudentMonth(student="김하늘", month="2026-07")`."""


@intent(DECLARED["attendance.get.student"])
class OfOneStudent:
    """How a student came in a month."""

    Params = StudentMonth

    async def answer(self, params: StudentMonth, ctx: Reader) -> Any:
        """Answer the figures, and each meeting."""
        who = await student(ctx, params.student)
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(_OF_STUDENT, limited({"student": who.id, "first": first, "last": last}))
        totals = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
        return {"student": who.name, "month": f"{first:%Y-%m}", "totals": totals, **listed(rows)}


class ClassMonth(OfClass, OfMonth):
    """A class's month. Example: `ClassMonth(class_name="중2 수학")`."""


@intent(DECLARED["attendance.get.class"])
class OfOneClass:
    """How the students of a class came in a month."""

    Params = ClassMonth

    async def answer(self, params: ClassMonth, ctx: Reader) -> Any:
        """Answer each student with figures."""
        which = await class_of(ctx, params.class_name)
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(_OF_CLASS, limited({"class": which.id, "first": first, "last": last}))
        return {"class": which.name, "month": f"{first:%Y-%m}", **listed(rows)}


@intent(DECLARED["attendance.get.rate"])
class Rate:
    """The share of students who came, class by class, in a month."""

    Params = OfMonth

    async def answer(self, params: OfMonth, ctx: Reader) -> Any:
        """Answer the share of all, and of each class, the lowest first."""
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(_RATES, limited({"first": first, "last": last}))
        marked, came = (sum(row[name] for row in rows) for name in ("marked", "came"))
        percent = round(100 * came / marked, 1) if marked else None
        return {"month": f"{first:%Y-%m}", "came_percent": percent, **listed(rows)}


@intent(DECLARED["attendance.get.unmarked"])
class Unmarked:
    """Meetings of the last days whose attendance nobody has marked wholly."""

    class Params(Asked):
        """Until which day, and how many days of it."""

        date: Day | None = None
        days: Annotated[int, Field(ge=1, le=366)] = SPAN_DAYS

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the meetings, each with who is not marked."""
        last = params.date or ctx.today
        first = last - dt.timedelta(days=params.days - 1)
        values = {"first": first, "last": last, "names": NAMES_SHOWN_MAX}
        found = listed(await ctx.rows(_UNMARKED, limited(values)))
        return plain({"from_on": first, "until_on": last, **found})


@intent(DECLARED["attendance.get.streaks"])
class Streaks:
    """Students who were absent several times in a row and have not come since."""

    class Params(Asked):
        """How many times at least."""

        least: Annotated[int, Field(ge=1, le=100)] = 3

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the students, the most often absent first."""
        first = ctx.today - dt.timedelta(days=STREAK_DAYS)
        values = {"first": first, "last": ctx.today, "least": params.least}
        return {"least": params.least, **listed(await ctx.rows(_STREAKS, limited(values)))}
