"""What staff ask about money."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from dure.apps.intents.declared_billing import DECLARED
from dure.apps.intents.naming import student
from dure.apps.intents.params import ZONE, Asked, Day, Month, OfMonth, OfStudent, last_of_month, month_of
from dure.apps.intents.reading import Reader, limited, listed, plain
from dure.db.sql import load
from dure.intents import intent

PACKAGE = "dure.apps.intents.billing"
STATUSES = ("open", "overdue", "paid", "void")
UNPAID = ("open", "overdue")
Method = Literal["card", "transfer", "cash"]

UNPAID_LIST = load(PACKAGE, "unpaid")
MONTH = load(PACKAGE, "month")
REVENUE = load(PACKAGE, "revenue")
INVOICES_OF = load(PACKAGE, "invoices_of")
TO_ISSUE = load(PACKAGE, "to_issue")
_PAYMENTS = load(PACKAGE, "payments")


def summed(rows: Sequence[Mapping[str, Any]], column: str, name: str) -> dict[str, Any]:
    """Answer a list with a sum that each row says in a column, taken out of the rows.

    Example: `summed([{"balance_total": 5, "total": 1}], "balance_total", "balance_won")["balance_won"] == 5`.
    """
    return {
        name: rows[0][column] if rows else 0,
        **listed([{key: value for key, value in row.items() if key != column} for row in rows]),
    }


class AnyMonth(Asked):
    """Of a month, or of all. Example: `AnyMonth(month="2026-07")`."""

    month: Month | None = None
    """None is all months."""


async def _unpaid(params: AnyMonth, ctx: Reader, *, overdue_only: bool) -> dict[str, Any]:
    month = params.month and month_of(params.month, ctx.today)[0]
    values = {"month": month, "today": ctx.today, "overdue_only": overdue_only}
    return summed(await ctx.rows(UNPAID_LIST, limited(values)), "balance_total", "balance_won")


@intent(DECLARED["billing.get.unpaid"])
class Unpaid:
    """Invoices that are not wholly paid."""

    Params = AnyMonth

    async def answer(self, params: AnyMonth, ctx: Reader) -> Any:
        """Answer the invoices, each with what is still owed, the oldest first."""
        return await _unpaid(params, ctx, overdue_only=False)


@intent(DECLARED["billing.get.overdue"])
class Overdue:
    """Invoices that should have been paid by now."""

    Params = AnyMonth

    async def answer(self, params: AnyMonth, ctx: Reader) -> Any:
        """Answer the invoices, each with how many days late it is."""
        return await _unpaid(params, ctx, overdue_only=True)


@intent(DECLARED["billing.get.month"])
class AMonth:
    """A month's invoices in figures."""

    Params = OfMonth

    async def answer(self, params: OfMonth, ctx: Reader) -> Any:
        """Answer what was billed, taken off, paid and is still owed."""
        first, _ = month_of(params.month, ctx.today)
        return plain({"month": f"{first:%Y-%m}", **(await ctx.one(MONTH, {"month": first, "today": ctx.today}) or {})})


@intent(DECLARED["billing.get.student"])
class OfOneStudent:
    """What a student was charged, and what is still owed."""

    Params = OfStudent

    async def answer(self, params: OfStudent, ctx: Reader) -> Any:
        """Answer the invoices, and what is owed in all."""
        who = await student(ctx, params.student)
        values = {"students": [who.id], "month": None, "statuses": list(STATUSES)}
        rows = await ctx.rows(INVOICES_OF, limited(values))
        for row in rows:
            if row["status"] not in UNPAID:
                row["balance_won"] = 0
        balance = sum(row["balance_won"] for row in rows)
        items = [
            {name: value for name, value in row.items() if name not in ("id", "student_id", "student")} for row in rows
        ]
        return {"student": who.name, "balance_won": plain(balance), **listed(items)}


@intent(DECLARED["billing.get.revenue"])
class Revenue:
    """What was received, month by month."""

    class Params(OfMonth):
        """Until which month, and how many of them."""

        months: Annotated[int, Field(ge=1, le=36)] = 1

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer each month with what was billed for it and what was received in it, by how it was paid."""
        last, _ = month_of(params.month, ctx.today)
        return await revenue(ctx, _months_before(last, params.months - 1), last)


async def revenue(ctx: Reader, first: dt.date, last: dt.date) -> dict[str, Any]:
    """Answer what was received in each month from one to another, given by their first days."""
    rows = await ctx.rows(REVENUE, {"first": first, "last": last, "zone": ZONE})
    return {"received_won": sum(row["received_won"] for row in rows), **listed(rows)}


def _months_before(first: dt.date, months: int) -> dt.date:
    for _ in range(months):
        first = (first - dt.timedelta(days=1)).replace(day=1)
    return first


@intent(DECLARED["billing.get.payments"])
class Payments:
    """Payments of some days."""

    class Params(Asked):
        """From when until when, and how they were paid."""

        from_on: Day | None = None
        """None is the first of this month."""
        until_on: Day | None = None
        """None is the last day of the month in which they begin."""
        method: Method | None = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the payments, the latest first, and their sum."""
        first = params.from_on or ctx.today.replace(day=1)
        last = params.until_on or last_of_month(first)
        values = {"first": first, "last": last, "method": params.method, "zone": ZONE}
        found = summed(await ctx.rows(_PAYMENTS, limited(values)), "amount_total", "received_won")
        return plain({"from_on": first, "until_on": last, **found})


@intent(DECLARED["billing.get.missing"])
class Missing:
    """Students who have no invoice for a month, and should."""

    Params = OfMonth

    async def answer(self, params: OfMonth, ctx: Reader) -> Any:
        """Answer the students, each with the fees."""
        first, last = month_of(params.month, ctx.today)
        rows = await ctx.rows(TO_ISSUE, limited({"first": first, "last": last, "students": None}))
        items = [{name: value for name, value in row.items() if name not in ("id", "is_sibling")} for row in rows]
        return {"month": f"{first:%Y-%m}", **listed(items)}
