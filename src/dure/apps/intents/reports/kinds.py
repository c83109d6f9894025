"""The reports of which all is known by their kind and a day: those that a schedule makes and that are kept."""

import datetime as dt
from typing import Any, Literal, assert_never

from dure.apps.intents.billing import reading as billing
from dure.apps.intents.params import ZONE, month_of
from dure.apps.intents.reading import Reader
from dure.apps.intents.reports.comma import comma_report
from dure.apps.intents.reports.params import week_of
from dure.apps.intents.reports.periods import period_report
from dure.db.sql import load
from dure.intents import Report

Kind = Literal["daily", "weekly", "monthly", "attendance", "revenue", "unpaid", "students"]
ATTENDANCE = ("date", "class", "teacher", "student", "grade", "status", "minutes_late", "note")
PAYMENTS = ("date", "student", "month", "amount_won", "method", "note")
UNPAID = ("student", "grade", "month", "due_won", "paid_won", "balance_won", "due_on", "days_overdue")
STUDENTS = ("student", "grade", "status", "joined_on", "phone", "classes", "guardians")

_ATTENDANCE = load("dure.apps.intents.reports", "attendance")
_STUDENTS = load("dure.apps.intents.reports", "students")
_PAYMENTS = load(billing.PACKAGE, "payments")


def days_of(kind: Kind, day: dt.date) -> tuple[dt.date, dt.date]:
    """Answer the days that a report around a day is about. Example: `days_of("daily", day) == (day, day)`."""
    match kind:
        case "daily" | "unpaid" | "students":
            return day, day
        case "weekly":
            return week_of(day)
        case "monthly" | "attendance" | "revenue":
            return month_of(day, day)
        case _:
            assert_never(kind)


async def report_of(ctx: Reader, kind: Kind, first: dt.date, last: dt.date, lang: str | None) -> Report:
    """Answer a report by its kind and days. Example: `await report_of(ctx, "daily", day, day, "ko")`."""
    match kind:
        case "daily" | "weekly" | "monthly":
            return await period_report(ctx, kind, first, last, lang)
        case "attendance":
            return await attendance_of(ctx, first, last, None, lang)
        case "revenue":
            values: dict[str, Any] = {"first": first, "last": last, "method": None, "zone": ZONE}
            return await comma_report(ctx, kind, _PAYMENTS, values, PAYMENTS, lang, first=first, last=last)
        case "unpaid":
            values = {"today": last, "month": None, "overdue_only": False}
            return await comma_report(ctx, kind, billing.UNPAID_LIST, values, UNPAID, lang, date=last)
        case "students":
            return await comma_report(ctx, kind, _STUDENTS, {}, STUDENTS, lang, date=last)
        case _:
            assert_never(kind)


async def attendance_of(ctx: Reader, first: dt.date, last: dt.date, class_id: str | None, lang: str | None) -> Report:
    """Answer every mark of some days, of one class or of all."""
    values = {"first": first, "last": last, "class": class_id}
    return await comma_report(ctx, "attendance", _ATTENDANCE, values, ATTENDANCE, lang, first=first, last=last)
