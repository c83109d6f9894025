"""Operations on lessons: a month's are made, a day's are cancelled."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import dure
from dure.apps.intents.naming import class_id_of
from dure.apps.intents.params import CLASS, Name, Note, OfDay, OfMonth, month_of
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.runs.model import Draft, Reason

PACKAGE = "dure.apps.intents.classes"
MEETING = dure.Table("academy.meeting", key=("class_id", "held_on"))

_TO_PLAN = load(PACKAGE, "to_plan")
_TO_CANCEL = load(PACKAGE, "to_cancel")


@dure.operation("class.plan_meetings")
class PlanMeetings:
    """Makes the lessons of a month, on the days on which classes meet; those that are there stay."""

    class Params(OfMonth):
        """Which month, of which class."""

        class_name: Annotated[Name | None, CLASS] = None
        """None is every open class."""

    stores = (MEETING,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each day of each class."""
        view = PlanReader(ctx)
        first, last = month_of(params.month, view.today)
        which = await class_id_of(view, params.class_name)
        async for row in ctx.rows(_TO_PLAN, {"tenant": ctx.tenant_id, "first": first, "last": last, "class": which}):
            yield {"class": str(row.class_id), "name": row.class_name, "date": row.held_on.isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a lesson for each."""
        store = ctx.store(MEETING.name)
        for one in subjects:
            new = {"tenant_id": ctx.tenant_id, "class_id": one["class"], "held_on": one["date"]}
            yield store.create(new, subject=one["name"])


@dure.operation("class.cancel_meeting")
class CancelMeeting:
    """Cancels the lessons of a day, of one class or of all; one where students are marked was held and stays."""

    class Params(OfDay):
        """Which day and class, and why."""

        note: Note = ""

    stores = (MEETING,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each lesson."""
        view = PlanReader(ctx)
        values = {"day": params.date or view.today, "class": await class_id_of(view, params.class_name)}
        for row in await view.rows(_TO_CANCEL, values):
            yield {"key": [str(row["class_id"]), str(values["day"])], "name": row["class"], "marked": row["marked"]}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a change for each, or why it stays."""
        params: CancelMeeting.Params = ctx.params
        store = ctx.store(MEETING.name)
        for one in subjects:
            if one["marked"]:
                why = Reason("academy.meeting_marked", {"count": one["marked"]})
                yield store.keep(tuple(one["key"]), subject=one["name"], reason=why)
            else:
                yield store.update(tuple(one["key"]), {"cancelled": True, "note": params.note}, subject=one["name"])
