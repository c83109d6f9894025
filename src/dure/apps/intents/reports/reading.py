"""The reports that staff ask for."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from dure.apps.intents.declared_reports import DECLARED
from dure.apps.intents.naming import class_id_of, class_of, student
from dure.apps.intents.params import CLASS, Asked, Day, Name, OfClass, OfStudent, last_of_month
from dure.apps.intents.reading import Reader, limited, listed
from dure.apps.intents.reports.about import class_report, student_report
from dure.apps.intents.reports.kinds import attendance_of, report_of
from dure.apps.intents.reports.params import OfOneDay, OfWeek, OfWrittenMonth, Written
from dure.apps.intents.reports.periods import period_report
from dure.db.sql import load
from dure.errors import Invalid
from dure.intents import Report, intent

PACKAGE = "dure.apps.intents.reports"
TITLE_CHARS_MAX = 300

_LIST = load(PACKAGE, "stored_list")
_NAMED = load(PACKAGE, "stored_named")


@intent(DECLARED["report.get.daily"])
class Daily:
    """A day in figures."""

    Params = OfOneDay

    async def answer(self, params: OfOneDay, ctx: Reader) -> Report:
        """Answer the report."""
        day = params.date or ctx.today
        return await period_report(ctx, "daily", day, day, params.lang)


@intent(DECLARED["report.get.weekly"])
class Weekly:
    """A week in figures, beside the week before."""

    Params = OfWeek

    async def answer(self, params: OfWeek, ctx: Reader) -> Report:
        """Answer the report."""
        return await period_report(ctx, "weekly", *params.days(ctx.today), params.lang)


@intent(DECLARED["report.get.monthly"])
class Monthly:
    """A month in figures, beside the month before."""

    Params = OfWrittenMonth

    async def answer(self, params: OfWrittenMonth, ctx: Reader) -> Report:
        """Answer the report."""
        return await period_report(ctx, "monthly", *params.days(ctx.today), params.lang)


class ClassMonth(OfClass, OfWrittenMonth):
    """A class's month. Example: `ClassMonth(class_name="중2 수학", month="2026-06")`."""


@intent(DECLARED["report.get.class"])
class OfOneClass:
    """A class's month: who came how often."""

    Params = ClassMonth

    async def answer(self, params: ClassMonth, ctx: Reader) -> Report:
        """Answer the report."""
        which = await class_of(ctx, params.class_name)
        return await class_report(ctx, which, *params.days(ctx.today), params.lang)


class StudentMonth(OfStudent, OfWrittenMonth):
    """A student's month. Example: `StudentMonth(student="김하늘", month="2026-06")`."""


@intent(DECLARED["report.get.student"])
class OfOneStudent:
    """A student's month, as it is given to a guardian."""

    Params = StudentMonth

    async def answer(self, params: StudentMonth, ctx: Reader) -> Report:
        """Answer the report card."""
        who = await student(ctx, params.student)
        return await student_report(ctx, who, *params.days(ctx.today), params.lang)


@intent(DECLARED["report.get.attendance_csv"])
class AttendanceTable:
    """Every mark of some days, for a spreadsheet."""

    class Params(Written):
        """From when until when, of which class."""

        from_on: Day | None = None
        """None is the first of this month."""
        until_on: Day | None = None
        """None is the last day of the month in which they begin."""
        class_name: Annotated[Name | None, CLASS] = None

    async def answer(self, params: Params, ctx: Reader) -> Report:
        """Answer the table."""
        first = params.from_on or ctx.today.replace(day=1)
        last = params.until_on or last_of_month(first)
        return await attendance_of(ctx, first, last, await class_id_of(ctx, params.class_name), params.lang)


@intent(DECLARED["report.get.revenue_csv"])
class RevenueTable:
    """Every payment of a month, for a spreadsheet."""

    Params = OfWrittenMonth

    async def answer(self, params: OfWrittenMonth, ctx: Reader) -> Report:
        """Answer the table."""
        return await report_of(ctx, "revenue", *params.days(ctx.today), params.lang)


@intent(DECLARED["report.get.unpaid_csv"])
class UnpaidTable:
    """Everything that is still owed, for a spreadsheet."""

    Params = Written

    async def answer(self, params: Written, ctx: Reader) -> Report:
        """Answer the table."""
        return await report_of(ctx, "unpaid", ctx.today, ctx.today, params.lang)


@intent(DECLARED["report.get.students_csv"])
class StudentsTable:
    """Everyone who is here, with classes and guardians, for a spreadsheet."""

    Params = Written

    async def answer(self, params: Written, ctx: Reader) -> Report:
        """Answer the table."""
        return await report_of(ctx, "students", ctx.today, ctx.today, params.lang)


@intent(DECLARED["report.get.archived"])
class Archived:
    """The reports that were kept."""

    class Params(Asked):
        """Of which kind."""

        kind: Annotated[str | None, Field(max_length=50)] = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the reports without their texts, the latest first."""
        return listed(await ctx.rows(_LIST, limited({"kind": params.kind})))


@intent(DECLARED["report.get.stored"])
class Stored:
    """A report that was kept."""

    class Params(Asked):
        """Its title, or its id."""

        title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARS_MAX)]

    async def answer(self, params: Params, ctx: Reader) -> Report:
        """Answer the report as it was then."""
        row = await ctx.one(_NAMED, {"named": params.title, "id": _id(params.title)})
        if row is None:
            raise Invalid(field="params.title", reason="academy.unknown_report", name=params.title)
        data = {"made_at": row["made_at"].isoformat(), "made_by": row["made_by"]}
        return Report(kind=row["kind"], title=row["title"], format=row["format"], body=row["body"], data=data)


def _id(named: str) -> UUID | None:
    try:
        return UUID(named)
    except ValueError:
        return None
