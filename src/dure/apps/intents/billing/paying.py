"""Operations that write down what was paid and what was given back.

Each changes the invoice together with the payment, so that of two who write down the same money one is told that the
invoice is not what it was.
"""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import dure
from dure.apps.intents.billing.invoicing import INVOICE, AmountWon, invoices_of
from dure.apps.intents.billing.reading import INVOICES_OF, UNPAID, Method
from dure.apps.intents.naming import student
from dure.apps.intents.params import ZONE, Day, Month, Note, OfMonth, OfStudent
from dure.apps.intents.reading import PlanReader, plain
from dure.errors import Invalid
from dure.lang import say
from dure.runs.model import Draft, Reason

PAYMENT = dure.Table("academy.payment")
NOON = dt.time(12)


@dure.operation("billing.record_payment")
class RecordPayment:
    """Writes down that something was paid, on the oldest invoice that is owed or on that of a month."""

    class Params(OfStudent):
        """Who paid, how, and how much."""

        method: Method
        amount_won: AmountWon | None = None
        """None is all that is owed on the invoice."""
        month: Month | None = None
        """Of which invoice; None is the oldest that is owed."""
        date: Day | None = None
        """When it was paid; None is now."""
        note: Note = ""

    stores = (INVOICE, PAYMENT)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one invoice, with what is paid on it."""
        view = PlanReader(ctx)
        who = await student(view, params.student)
        month = params.month and params.month.replace(day=1)
        values = {"students": [who.id], "month": month, "statuses": list(UNPAID), "limit": 1}
        row = await view.one(INVOICES_OF, values)
        if row is None:
            raise Invalid(field="params.student", reason="academy.owes_nothing", name=who.name)
        amount = params.amount_won or row["balance_won"]
        if amount > row["balance_won"]:
            raise Invalid(
                field="params.amount_won",
                reason="academy.pays_more",
                balance=f"{row['balance_won']:,}",
                month=row["month"],
            )
        yield {**plain(row), "now_won": amount}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[tuple[Draft, ...]]:
        """Yield the payment and what it makes of the invoice, together or not at all."""
        params: RecordPayment.Params = ctx.params
        at = ctx.now if params.date is None else dt.datetime.combine(params.date, NOON, ZoneInfo(ZONE))
        for one in subjects:
            due, paid = one["amount_won"] - one["discount_won"], one["paid_won"] + one["now_won"]
            values = (
                {"status": "paid", "paid_at": at}
                if paid >= due
                else {"note": say("academy.billing.partly_paid", paid=paid, due=due)}
            )
            yield _together(ctx, one, one["now_won"], at, values)


@dure.operation("billing.refund")
class Refund:
    """Writes down that something was given back: it is taken off the invoice, so that it is not owed anew."""

    class Params(OfStudent, OfMonth):
        """To whom, of which month, how much and how."""

        method: Method = "transfer"
        amount_won: AmountWon | None = None
        """None is all that was paid."""
        note: Note = ""

    stores = (INVOICE, PAYMENT)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one invoice, with what is paid on it."""
        who = await student(PlanReader(ctx), params.student)
        for row in await invoices_of(ctx, params, [who.id], (*UNPAID, "paid")):
            amount = params.amount_won or row["paid_won"]
            if not 0 < amount <= row["paid_won"]:
                raise Invalid(
                    field="params.amount_won",
                    reason="academy.paid_less",
                    paid=f"{row['paid_won']:,}",
                    month=row["month"],
                )
            yield {**row, "now_won": amount}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[tuple[Draft, ...]]:
        """Yield what is given back and what it makes of the invoice, together or not at all."""
        for one in subjects:
            yield _together(ctx, one, -one["now_won"], ctx.now, {"discount_won": one["discount_won"] + one["now_won"]})


def _together(
    ctx: dure.PlanContext, one: dict[str, Any], amount: int, at: dt.datetime, values: dict[str, Any]
) -> tuple[Draft, Draft]:
    about = {"subject": one["student"], "reason": Reason("academy.invoice_of", {"month": one["month"]})}
    payment = {
        "tenant_id": ctx.tenant_id,
        "invoice_id": one["id"],
        "amount_won": amount,
        "method": ctx.params.method,
        "paid_at": at,
        "note": ctx.params.note,
    }
    return ctx.store(INVOICE.name).update(one["id"], values, **about), ctx.store(PAYMENT.name).create(payment, **about)
