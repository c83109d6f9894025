"""What staff ask about classes."""

from typing import Annotated, Any

from pydantic import Field

from dure.apps.intents.declared_classes import DECLARED
from dure.apps.intents.naming import class_of
from dure.apps.intents.params import Asked, Name, OfClass, OfMonth, month_of
from dure.apps.intents.reading import Reader, limited, listed, plain
from dure.db.sql import load
from dure.intents import intent

PACKAGE = "dure.apps.intents.classes"
WEEKDAYS = {1: "mon", 2: "tue", 3: "wed", 4: "thu", 5: "fri", 6: "sat", 7: "sun"}

_CLASSES = load(PACKAGE, "classes")
_ROSTER = load(PACKAGE, "roster")
_TIMETABLE = load(PACKAGE, "timetable")
_MEETINGS = load(PACKAGE, "meetings")


async def _classes(ctx: Reader, **which: Any) -> dict[str, Any]:
    values = {"class": None, "subject": None, "teacher": None, "closed_too": False, "free_only": False, **which}
    rows = await ctx.rows(_CLASSES, limited(values))
    return listed([{**row, "weekdays": [WEEKDAYS[day] for day in row["weekdays"]]} for row in rows])


@intent(DECLARED["class.get.list"])
class AllClasses:
    """The classes that are open, or all there ever were."""

    class Params(Asked):
        """Of which subject or teacher."""

        subject: Name | None = None
        teacher: Name | None = None
        closed_too: bool = False

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the classes, by name."""
        return await _classes(ctx, **params.model_dump())


@intent(DECLARED["class.get.show"])
class OneClass:
    """One class: its teacher, times, fee and seats."""

    Params = OfClass

    async def answer(self, params: OfClass, ctx: Reader) -> Any:
        """Answer the class."""
        which = await class_of(ctx, params.class_name)
        found = await _classes(ctx, **{"class": which.id}, closed_too=True)
        return found["items"][0]


@intent(DECLARED["class.get.roster"])
class Roster:
    """The students of a class."""

    Params = OfClass

    async def answer(self, params: OfClass, ctx: Reader) -> Any:
        """Answer the students, by name."""
        which = await class_of(ctx, params.class_name)
        return {"class": which.name, **listed(await ctx.rows(_ROSTER, limited({"class": which.id})))}


@intent(DECLARED["class.get.timetable"])
class Timetable:
    """When classes meet, day by day."""

    class Params(Asked):
        """On which day of the week (1 is Monday), by which teacher; all when not said."""

        weekday: Annotated[int | None, Field(ge=1, le=7)] = None
        teacher: Name | None = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the lessons of a week, in their order."""
        rows = await ctx.rows(_TIMETABLE, limited(params.model_dump()))
        return listed([{**row, "weekday": WEEKDAYS[row["weekday"]]} for row in rows])


@intent(DECLARED["class.get.vacancies"])
class Vacancies:
    """Open classes that have seats free."""

    class Params(Asked):
        """Of which subject."""

        subject: Name | None = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the classes, each with how many seats are free."""
        found = await _classes(ctx, subject=params.subject, free_only=True)
        shown = ("name", "subject", "teacher", "weekdays", "starts_at", "capacity", "students", "free")
        return {**found, "items": [{name: one[name] for name in shown} for one in found["items"]]}


class ClassMonth(OfClass, OfMonth):
    """A class's month. Example: `ClassMonth(class_name="중2 수학", month="2026-07")`."""


@intent(DECLARED["class.get.meetings"])
class Meetings:
    """The lessons of a class in a month, and which of them are cancelled."""

    Params = ClassMonth

    async def answer(self, params: ClassMonth, ctx: Reader) -> Any:
        """Answer the days."""
        which = await class_of(ctx, params.class_name)
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(_MEETINGS, limited({"class": which.id, "first": first, "last": last}))
        cancelled = sum(row["cancelled"] for row in rows)
        return plain({"class": which.name, "month": f"{first:%Y-%m}", "cancelled": cancelled, **listed(rows)})
