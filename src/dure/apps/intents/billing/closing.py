"""The operation that closes a month: what was not paid in time is marked, and the figures are written down."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import dure
from dure.apps.intents.billing.invoicing import INVOICE
from dure.apps.intents.params import OfMonth, month_of
from dure.apps.intents.reading import PlanReader
from dure.apps.intents.reports.closing import close_report
from dure.apps.intents.reports.params import Lang
from dure.apps.intents.reports.storing import REPORT, stored
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Draft, Reason

_TO_OVERDUE = load("dure.apps.intents.billing", "to_overdue")


@dure.operation("billing.close_month")
class CloseMonth:
    """Closes a month: marks what is overdue and stores a report of its figures; closed again, the report is renewed."""

    class Params(OfMonth):
        """Which month."""

        lang: Lang | None = None
        """Of the report; None is the language that is set."""

    stores = (INVOICE, REPORT)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the report, then each invoice that is overdue."""
        view = PlanReader(ctx)
        first, _ = month_of(params.month, view.today)
        if first > view.today:
            raise Invalid(field="params.month", reason="academy.month_to_come", month=f"{first:%Y-%m}")
        yield {"invoice": None, "name": f"{first:%Y-%m}"}
        values = {"tenant": ctx.tenant_id, "month": first, "today": view.today}
        async for row in ctx.rows(_TO_OVERDUE, values):
            yield {"invoice": str(row.id), "name": row.student, "due_on": row.due_on.isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield the report to write, and a mark for each invoice."""
        params: CloseMonth.Params = ctx.params
        view = PlanReader(ctx)
        invoices = ctx.store(INVOICE.name)
        for one in subjects:
            if one["invoice"] is None:
                first, last = month_of(params.month, view.today)
                yield await stored(ctx, await close_report(view, first, last, params.lang), first, last)
            else:
                why = Reason("academy.was_due", {"date": one["due_on"]})
                yield invoices.update(one["invoice"], {"status": "overdue"}, subject=one["name"], reason=why)
