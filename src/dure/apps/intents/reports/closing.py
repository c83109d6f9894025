"""Writes the report of a month that is closed: what was billed, what came in, what is still owed."""

import datetime as dt

from dure.apps.intents.billing.reading import MONTH, UNPAID_LIST, revenue, summed
from dure.apps.intents.reading import Reader, plain
from dure.apps.intents.reports.markdown import Page
from dure.intents import Report

KIND = "month_close"
SHOWN_MAX = 200
"""So many of those who owe something are named."""


async def close_report(ctx: Reader, first: dt.date, last: dt.date, lang: str | None) -> Report:
    """Answer the report. Example: `(await close_report(ctx, first, last, "ko")).data["balance_won"]`."""
    billed = await ctx.one(MONTH, {"month": first, "today": ctx.today}) or {}
    received = (await revenue(ctx, first, first))["items"][0]
    unpaid = {"today": ctx.today, "month": first, "overdue_only": False, "limit": SHOWN_MAX}
    owed = summed(await ctx.rows(UNPAID_LIST, unpaid), "balance_total", "balance_won")
    page = Page(lang)
    title = page.say(f"titles.{KIND}", month=f"{first:%Y-%m}")
    page.title(title).line("closed_as_of", date=ctx.today.isoformat())
    page.heading("billed").table(
        ("figure", "amount"),
        [
            (page.say("invoices"), billed["invoices"]),
            (page.say("fees_won"), page.won(billed["amount_won"])),
            *((page.say(name), page.won(billed[name])) for name in ("discount_won", "paid_won", "balance_won")),
            *((page.say(f"status_{name}"), billed[name]) for name in ("paid", "open", "overdue", "void")),
        ],
    )
    page.heading("received").table(
        ("method", "received_won"),
        [
            *((page.say(f"method_{name}"), page.won(received[f"{name}_won"])) for name in ("card", "transfer", "cash")),
            (page.say("refunded_won"), page.won(received["refunded_won"])),
            (page.say("total"), page.won(received["received_won"])),
        ],
    )
    page.heading("still_owed")
    if owed["count"] > len(owed["items"]):
        page.line("owed_of_month", count=owed["count"], amount=page.won(owed["balance_won"]), shown=len(owed["items"]))
    page.table(
        ("student", "balance_won", "due_on", "days_overdue"),
        [(r["student"], page.won(r["balance_won"]), r["due_on"], r["days_overdue"]) for r in owed["items"]],
    )
    data = {"from_on": first, "until_on": last, **billed, "received_won": received["received_won"]}
    return Report(kind=KIND, title=title, format="markdown", body=page.text(), data=plain(data))
