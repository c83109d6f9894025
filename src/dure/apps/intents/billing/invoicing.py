"""Operations on invoices: a month's are issued, one gets a discount or is void.

A student has one invoice for a month: whoever has one is not charged again, and where two runs charge the same student
at a time, the database lets one of them.
"""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

import dure
from dure.apps.intents.billing.reading import INVOICES_OF, STATUSES, TO_ISSUE, UNPAID
from dure.apps.intents.naming import student, students
from dure.apps.intents.params import STUDENTS_MAX, Day, Name, Note, OfMonth, OfStudent, OfStudents, month_of
from dure.apps.intents.reading import PlanReader, plain
from dure.errors import Invalid
from dure.runs.model import Draft, Reason

INVOICE = dure.Table("academy.invoice")
AMOUNT_WON_MAX = 100_000_000
DUE_DAY = 10
DUE_DAYS_LEAST = 7
"""Whoever is charged late in the month has so long to pay."""
SIBLING_DISCOUNT_PERCENT = 10
AmountWon = Annotated[int, Field(ge=1, le=AMOUNT_WON_MAX)]
Percent = Annotated[int, Field(ge=0, le=100)]


@dure.operation("billing.issue_invoices")
class IssueInvoices:
    """Charges everyone for the classes of a month, who is not charged for it already."""

    class Params(OfMonth):
        """Which month, by when it is to be paid, and for whom."""

        due_on: Day | None = None
        """None is the tenth of the month, or a week from today if that is later."""
        sibling_percent: Percent = SIBLING_DISCOUNT_PERCENT
        """What is taken off for a student whose brother or sister pays the whole fee."""
        students: Annotated[
            tuple[Name, ...] | None,
            Field(
                validation_alias=AliasChoices("students", "student", "student_id", "student_name"),
                max_length=STUDENTS_MAX,
            ),
        ] = None
        """None is everyone."""

        @field_validator("students", mode="before")
        @classmethod
        def _some(cls, given: Any) -> Any:
            return (given,) if isinstance(given, str) else given or None

    stores = (INVOICE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each student who is to be charged."""
        view = PlanReader(ctx)
        first, last = month_of(params.month, view.today)
        due_on = params.due_on or max(first.replace(day=DUE_DAY), view.today + dt.timedelta(days=DUE_DAYS_LEAST))
        only = None if params.students is None else [one.id for one in await students(view, params.students)]
        values = {"tenant": ctx.tenant_id, "first": first, "last": last, "students": only, "limit": None}
        async for row in ctx.rows(TO_ISSUE, values):
            yield {
                "id": str(row.id),
                "name": row.student,
                "classes": row.classes,
                "amount_won": row.amount_won,
                "is_sibling": row.is_sibling,
                "month": first.isoformat(),
                "due_on": due_on.isoformat(),
            }

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield an invoice for each."""
        params: IssueInvoices.Params = ctx.params
        store = ctx.store(INVOICE.name)
        for one in subjects:
            percent = params.sibling_percent if one["is_sibling"] else 0
            discount = one["amount_won"] * percent // 100
            code = "academy.fees_less" if discount else "academy.fees"
            why = {"classes": one["classes"], "amount": f"{one['amount_won']:,}", "discount": f"{discount:,}"}
            yield store.create(
                {
                    "tenant_id": ctx.tenant_id,
                    "student_id": one["id"],
                    "month": one["month"],
                    "amount_won": one["amount_won"],
                    "discount_won": discount,
                    "status": "open",
                    "due_on": one["due_on"],
                    "issued_at": ctx.now,
                    "note": one["classes"],
                },
                subject=one["name"],
                reason=Reason(code, why),
            )


async def invoices_of(
    ctx: dure.PlanContext, params: OfMonth, named: Sequence[str], statuses: Sequence[str] = STATUSES
) -> list[dict[str, Any]]:
    """Answer the invoice of a month of each student; `Invalid` when somebody has none."""
    view = PlanReader(ctx)
    who = await students(view, named)
    first, _ = month_of(params.month, view.today)
    values = {"students": [one.id for one in who], "month": first, "statuses": list(statuses), "limit": None}
    rows: list[dict[str, Any]] = [plain(row) for row in await view.rows(INVOICES_OF, values)]
    there = {row["student_id"] for row in rows}
    if missing := [one.name for one in who if one.id not in there]:
        raise Invalid(
            field="params.month", reason="academy.no_invoice", name=", ".join(missing), month=f"{first:%Y-%m}"
        )
    return rows


@dure.operation("billing.discount")
class Discount:
    """Takes something off students' invoices of a month, as long as so much is still owed."""

    class Params(OfStudents, OfMonth):
        """Whose, of which month, and how much: in won or in percent of the fees."""

        discount_won: AmountWon | None = None
        percent: Annotated[int | None, Field(ge=1, le=100)] = None
        note: Note = ""

        @model_validator(mode="after")
        def _one_of_both(self) -> Self:
            if (self.discount_won is None) == (self.percent is None):
                raise Invalid(field="params.discount_won", reason="academy.won_or_percent")
            return self

    stores = (INVOICE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield each invoice."""
        for row in await invoices_of(ctx, params, params.students, (*UNPAID, "paid")):
            yield row

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield a change for each, or why it stays."""
        params: Discount.Params = ctx.params
        store = ctx.store(INVOICE.name)
        for one in subjects:
            less = params.discount_won or one["amount_won"] * (params.percent or 0) // 100
            if one["status"] not in UNPAID or less > one["balance_won"]:
                owed = one["balance_won"] if one["status"] in UNPAID else 0
                why = Reason("academy.owes_less", {"balance": f"{owed:,}"})
                yield store.keep(one["id"], reason=why, subject=one["student"])
                continue
            values: dict[str, Any] = {"discount_won": one["discount_won"] + less, "note": params.note or one["note"]}
            if less == one["balance_won"]:
                values |= {"status": "paid", "paid_at": ctx.now}
            why = Reason("academy.taken_off", {"amount": f"{less:,}"})
            yield store.update(one["id"], values, subject=one["student"], reason=why)


@dure.operation("billing.void_invoice")
class VoidInvoice:
    """Makes a student's invoice void, on which nothing was paid; the month can be charged anew."""

    class Params(OfStudent, OfMonth):
        """Whose, of which month, and why."""

        note: Note = ""

    stores = (INVOICE,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one invoice."""
        who = await student(PlanReader(ctx), params.student)
        for row in await invoices_of(ctx, params, [who.id], (*UNPAID, "paid")):
            if row["paid_won"]:
                raise Invalid(
                    field="params.student", reason="academy.has_payments", name=who.name, amount=f"{row['paid_won']:,}"
                )
            yield row

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield the change."""
        params: VoidInvoice.Params = ctx.params
        store = ctx.store(INVOICE.name)
        for one in subjects:
            values = {"status": "void", "paid_at": None, "note": params.note or one["note"]}
            yield store.update(one["id"], values, subject=one["student"])
