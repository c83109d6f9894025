"""Writes the report of a day, a week or a month: what a director reads over a coffee."""

import datetime as dt
from typing import Any, Literal

from dure.apps.intents.reading import Reader, plain
from dure.apps.intents.reports.figures import Figures, figures
from dure.apps.intents.reports.markdown import Page
from dure.intents import Report

Kind = Literal["daily", "weekly", "monthly"]
COUNTED = (
    "students", "joined", "gone", "lessons", "cancelled", "late", "absent", "excused", "payments", "consultations",
    "sent",
)  # fmt: skip


async def period_report(ctx: Reader, kind: Kind, first: dt.date, last: dt.date, lang: str | None) -> Report:
    """Answer the report of some days. Example: `(await period_report(ctx, "weekly", monday, sunday, "ko")).body`."""
    found = await figures(ctx, first, last)
    page = Page(lang)
    title = page.say(f"titles.{kind}", first=first, last=last, month=f"{first:%Y-%m}")
    page.title(title)
    _summary(page, kind, found)
    _at_a_glance(page, kind, found)
    _attendance(page, found)
    _money(page, found)
    _people(page, found)
    _news(page, found)
    if kind != "monthly":
        _ahead(page, kind, found)
    data = {"from_on": first, "until_on": last, **found.now, "overdue": found.owed["count"],
            "overdue_won": found.owed["balance_won"]}  # fmt: skip
    return Report(kind=kind, title=title, format="markdown", body=page.text(), data=plain(data))


def _summary(page: Page, kind: Kind, found: Figures) -> None:
    now, was = found.now["came_percent"], found.before["came_percent"]
    if now is None:
        page.line("no_lessons")
    elif was is None or now == was:
        page.line("summary_same" if was is not None else "summary_first", rate=page.percent(now))
    else:
        key = "summary_up" if now > was else "summary_down"
        page.line(f"{key}_{kind}", rate=page.percent(now), points=f"{abs(now - was):.1f}")
    page.line(
        "summary_money",
        received=page.won(found.now["received_won"]),
        count=found.owed["count"],
        owed=page.won(found.owed["balance_won"]),
    )


def _at_a_glance(page: Page, kind: Kind, found: Figures) -> None:
    def row(name: str, show: Any = None) -> tuple[Any, ...]:
        now, was = found.now[name], found.before[name]
        return (page.say(name), show(now), show(was)) if show else (page.say(name), now, was)

    rows = [row(name) for name in COUNTED]
    rows.insert(5, row("came_percent", page.percent))
    rows.insert(9, row("received_won", page.won))
    page.heading("at_a_glance").table(("figure", f"this_{kind}", f"before_{kind}"), rows)


def _attendance(page: Page, found: Figures) -> None:
    page.heading("attendance")
    page.table(
        ("class", "teacher", "meetings", "came_percent", "late"),
        [(r["class"], r["teacher"], r["meetings"], page.percent(r["came_percent"]), r["late"]) for r in found.classes],
    )
    if found.absentees:
        page.line("absentees", count=found.absentees[0]["total"], shown=len(found.absentees))
        page.table(
            ("student", "grade", "absent", "late", "class"),
            [(r["student"], r["grade"], r["absent"], r["late"], r["classes"]) for r in found.absentees],
        )


def _money(page: Page, found: Figures) -> None:
    page.heading("money")
    methods = ("card", "transfer", "cash")
    page.table(
        ("method", "received_won"),
        [(page.say(f"method_{name}"), page.won(found.now[f"{name}_won"])) for name in methods]
        + [(page.say("total"), page.won(found.now["received_won"]))],
    )
    owed = found.owed
    if not owed["count"]:
        page.line("nobody_owes")
        return
    page.line("owed", count=owed["count"], amount=page.won(owed["balance_won"]), shown=len(owed["items"]))
    page.table(
        ("student", "month", "balance_won", "due_on", "days_overdue"),
        [(r["student"], r["month"], page.won(r["balance_won"]), r["due_on"], r["days_overdue"]) for r in owed["items"]],
    )


def _people(page: Page, found: Figures) -> None:
    said = {True: page.say("has_joined"), False: page.say("has_left")}
    page.heading("people").table(
        ("date", "student", "grade", "what"),
        [(r["date"], r["student"], r["grade"], said[r["is_new"]]) for r in found.moves],
    )


def _news(page: Page, found: Figures) -> None:
    page.heading("news").table(
        ("date", "notice", "class"),
        [(r["date"], r["title"], r["class"] or page.say("everyone")) for r in found.notices],
    )
    page.line("messages", sent=found.now["sent"])
    if found.now["not_sent"] or found.now["unknown"]:
        page.line("messages_wrong", not_sent=found.now["not_sent"], unknown=found.now["unknown"])


def _ahead(page: Page, kind: Kind, found: Figures) -> None:
    page.heading(f"ahead_{kind}")
    page.line("ahead_lessons", lessons=found.ahead["lessons"], cancelled=found.ahead["cancelled"])
    if found.ahead["invoices"]:
        page.line("ahead_due", count=found.ahead["invoices"], amount=page.won(found.ahead["due_won"]))
    if found.ahead["birthdays"]:
        page.line("ahead_birthdays", names=found.ahead["birthdays"])
