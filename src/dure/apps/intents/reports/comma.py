"""Writes rows with commas between, as spreadsheets read them."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dure.apps.intents.reading import Reader, Values, plain
from dure.errors import Invalid
from dure.intents import Report
from dure.lang import say

ROWS_MAX = 8_000
"""More does not fit into one answer."""
SAID = ("status", "method")
"""Columns whose values are words of ours, said in the reader's language."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r")

_PHONE = re.compile(r"\+[0-9]+")


async def comma_report(
    ctx: Reader, kind: str, statement: Any, values: Values, columns: Sequence[str], lang: str | None, **named: object
) -> Report:
    """Answer the rows of a statement as a report.

    Example: `await comma_report(ctx, "unpaid", UNPAID, {"month": None}, ("student", "balance_won"), "en")`.
    """
    rows = await ctx.rows(statement, {**values, "limit": ROWS_MAX + 1})
    if len(rows) > ROWS_MAX:
        raise Invalid(field="params", reason="academy.too_many_rows", max=ROWS_MAX)
    title = say(f"academy.report.titles.{kind}", lang, **named)
    return Report(kind=kind, title=title, format="csv", body=_text(rows, columns, lang), data={"rows": len(rows)})


def _text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], lang: str | None) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([say(f"academy.report.{name}", lang) for name in columns])
    writer.writerows([_cell(name, row[name], lang) for name in columns] for row in rows)
    return out.getvalue()


def _cell(name: str, value: Any, lang: str | None) -> Any:
    if value is None:
        return ""
    if name in SAID:
        return say(f"academy.report.{name}_{value}", lang)
    text = plain(value)
    if not isinstance(text, str) or _PHONE.fullmatch(text):
        return text
    # A spreadsheet would work out a text that begins like this.
    return f"'{text}" if text.startswith(FORMULAS) else text
