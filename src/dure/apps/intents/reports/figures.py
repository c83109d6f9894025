"""The figures that reports are made of."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from dure.apps.intents.billing.reading import UNPAID_LIST, summed
from dure.apps.intents.params import ZONE
from dure.apps.intents.reading import Reader, Rows
from dure.apps.intents.reports.params import DAY, before
from dure.db.sql import load

PACKAGE = "dure.apps.intents.reports"
SHOWN_MAX = 10
"""So many are named in a report; how many there are in all is said."""
CLASSES_MAX = 100

_FIGURES = load(PACKAGE, "figures")
_ABSENTEES = load(PACKAGE, "absentees")
_MOVES = load(PACKAGE, "moves")
_NOTICES = load(PACKAGE, "notices")
_AHEAD = load(PACKAGE, "ahead")
_RATES = load("dure.apps.intents.attendance", "rates")


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of some days, beside the days before."""

    first: dt.date
    last: dt.date
    now: dict[str, Any]
    before: dict[str, Any]
    classes: Rows
    absentees: Rows
    moves: Rows
    notices: Rows
    owed: dict[str, Any]
    """What should have been paid by now."""
    ahead: dict[str, Any]
    """What as many days after them hold."""


async def figures(ctx: Reader, first: dt.date, last: dt.date) -> Figures:
    """Answer the figures of some days. Example: `(await figures(ctx, monday, sunday)).now["came_percent"]`."""
    span = {"first": first, "last": last, "zone": ZONE}
    earlier, until = before(first, last)
    to_come = {"first": last + DAY, "last": last + DAY + (last - first)}
    shown = {**span, "limit": SHOWN_MAX}
    unpaid = {"today": ctx.today, "month": None, "overdue_only": True, "limit": SHOWN_MAX}
    return Figures(
        first,
        last,
        now=await ctx.one(_FIGURES, span) or {},
        before=await ctx.one(_FIGURES, {"first": earlier, "last": until, "zone": ZONE}) or {},
        classes=await ctx.rows(_RATES, {**span, "limit": CLASSES_MAX}),
        absentees=await ctx.rows(_ABSENTEES, shown),
        moves=await ctx.rows(_MOVES, shown),
        notices=await ctx.rows(_NOTICES, shown),
        owed=summed(await ctx.rows(UNPAID_LIST, unpaid), "balance_total", "balance_won"),
        ahead=await ctx.one(_AHEAD, to_come) or {},
    )
