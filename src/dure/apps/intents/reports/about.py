"""Writes the report of one class, and the report card of one student."""

import datetime as dt
from typing import Any

from dure.apps.intents.billing.reading import INVOICES_OF, STATUSES
from dure.apps.intents.naming import Class, Student
from dure.apps.intents.params import ZONE
from dure.apps.intents.reading import Reader, limited, plain
from dure.apps.intents.reports.markdown import Page
from dure.db.sql import load
from dure.intents import Report

MARKS = ("present", "late", "absent", "excused")

_CONSULTATIONS = load("dure.apps.intents.reports", "consultations_of")
_OF_CLASS = load("dure.apps.intents.attendance", "of_class")
_OF_STUDENT = load("dure.apps.intents.attendance", "of_student")
_CLASSES = load("dure.apps.intents.classes", "classes")


async def class_report(ctx: Reader, which: Class, first: dt.date, last: dt.date, lang: str | None) -> Report:
    """Answer the report of a class. Example: `(await class_report(ctx, which, first, last, "ko")).body`."""
    wanted = {"class": which.id, "closed_too": True, "subject": None, "teacher": None, "free_only": False, "limit": 1}
    about = await ctx.one(_CLASSES, wanted) or {}
    rows = await ctx.rows(_OF_CLASS, limited({"class": which.id, "first": first, "last": last}))
    marked, came = (sum(row[name] for row in rows) for name in ("marked", "present"))
    came += sum(row["late"] for row in rows)
    page = Page(lang)
    title = page.say("titles.class", name=which.name, month=f"{first:%Y-%m}")
    page.title(title).line(
        "class_line", teacher=about["teacher"], students=about["students"], capacity=about["capacity"],
        fee=page.won(about["fee_won"]), rate=page.percent(round(100 * came / marked, 1) if marked else None),
    )  # fmt: skip
    page.heading("students_of_class").table(
        ("student", "grade", *MARKS, "came_percent"),
        [(r["student"], r["grade"], *(r[m] for m in MARKS), page.percent(r["came_percent"])) for r in rows],
    )
    data = {"from_on": first, "until_on": last, "class": which.name, "marked": marked, "came": came}
    return Report(kind="class", title=title, format="markdown", body=page.text(), data=plain(data))


async def student_report(ctx: Reader, who: Student, first: dt.date, last: dt.date, lang: str | None) -> Report:
    """Answer the report card of a student, to be given to a guardian: it holds no notes that are the staff's own."""
    span: dict[str, Any] = {"student": who.id, "first": first, "last": last, "zone": ZONE}
    marks = await ctx.rows(_OF_STUDENT, limited(span))
    talks = await ctx.rows(_CONSULTATIONS, limited(span))
    wanted = {"students": [who.id], "month": first, "statuses": [name for name in STATUSES if name != "void"]}
    invoice = await ctx.one(INVOICES_OF, limited(wanted))
    totals = {name: sum(row["status"] == name for row in marks) for name in MARKS}
    came = totals["present"] + totals["late"]
    page = Page(lang)
    title = page.say("titles.student", name=who.name, month=f"{first:%Y-%m}")
    page.title(title)
    page.line("student_line", rate=page.percent(100 * came / len(marks) if marks else None), **totals)
    page.heading("attendance").table(
        ("date", "class", "mark", "minutes_late"),
        [
            (r["date"], r["class"], page.say(f"status_{r['status']}"), r["minutes_late"] or None)
            for r in reversed(marks)
        ],
    )
    page.heading("money")
    if invoice is None:
        page.line("nothing")
    else:
        due = page.won(invoice["amount_won"] - invoice["discount_won"])
        paid, status = page.won(invoice["paid_won"]), page.say(f"status_{invoice['status']}")
        page.line("student_money", due=due, paid=paid, status=status, due_on=invoice["due_on"].isoformat())
    if talks:
        page.heading("consultations").table(
            ("date", "guardian", "topic"), [(r["date"], r["guardian"], r["topic"]) for r in talks]
        )
    data = {"from_on": first, "until_on": last, "student": who.name, **totals}
    return Report(kind="student", title=title, format="markdown", body=page.text(), data=plain(data))
