"""The operation that makes a report and keeps it."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import dure
from dure.apps.intents.params import Day
from dure.apps.intents.reading import PlanReader
from dure.apps.intents.reports.kinds import Kind, days_of, report_of
from dure.apps.intents.reports.params import DAY, Which, Written
from dure.apps.intents.reports.storing import REPORT, stored
from dure.runs.model import Draft


@dure.operation("report.archive")
class Archive:
    """Makes a report and keeps it; made again for the same days, it takes the place of the one that was kept."""

    class Params(Written):
        """Which report, and around which day."""

        kind: Kind
        date: Day | None = None
        """Any day that it is about; it goes before `which`."""
        which: Which = "this"
        """For a schedule, which cannot say a day: the day, week or month of today, or the one before."""

    stores = (REPORT,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the days of the one report."""
        today = PlanReader(ctx).today
        first, last = days_of(params.kind, params.date or today)
        if params.date is None and params.which == "last":
            first, last = days_of(params.kind, first - DAY)
        yield {"first": first.isoformat(), "last": last.isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield its row."""
        params: Archive.Params = ctx.params
        for one in subjects:
            first, last = date.fromisoformat(one["first"]), date.fromisoformat(one["last"])
            yield await stored(
                ctx, await report_of(PlanReader(ctx), params.kind, first, last, params.lang), first, last
            )
