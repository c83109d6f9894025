"""Keeps a report: drafts its row, in whose place a later one of the same days comes."""

import datetime as dt

import dure
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.intents import Report
from dure.runs.model import Draft

REPORT = dure.Table("academy.report")

_FIND = load("dure.apps.intents.reports", "stored_find")


async def stored(ctx: dure.PlanContext, report: Report, first: dt.date, last: dt.date) -> Draft:
    """Draft a report's row. Example: `yield await stored(ctx, report, monday, sunday)`."""
    values = {"kind": report.kind, "title": report.title, "first": first, "last": last}
    there = await PlanReader(ctx).one(_FIND, values)
    store = ctx.store(REPORT.name)
    written = {"body": report.body, "format": report.format, "made_at": ctx.now, "made_by": ctx.author}
    if there is not None:
        renewed: Draft = store.update(str(there["id"]), written, subject=report.title)
        return renewed
    known = {"kind": report.kind, "title": report.title, "from_on": first, "until_on": last}
    new: Draft = store.create({"tenant_id": ctx.tenant_id, **known, **written}, subject=report.title)
    return new
