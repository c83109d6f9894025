"""What intents and operations read with: statements of `.sql` files, one tenant's rows, plain values as the answer."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, LiteralString, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from dure.apps.intents.params import ROWS_MAX, ZONE
from dure.runs.context import PlanContext

Values = Mapping[str, Any]
Rows = list[dict[str, Any]]


class Reader(Protocol):
    """What an intent's surroundings and a planner's have in common."""

    @property
    def today(self) -> dt.date:
        """The day, where the academy is."""

    async def rows(self, statement: LiteralString, values: Values | None = None, /) -> Rows:
        """Answer the rows of a statement, which names the tenant."""

    async def one(self, statement: LiteralString, values: Values | None = None, /) -> dict[str, Any] | None:
        """Answer its first row, if there is one."""


class PlanReader:
    """Reads what a planner sees. Example: `await PlanReader(ctx).rows(STATEMENT, {"day": day})`."""

    def __init__(self, ctx: PlanContext) -> None:
        self._ctx = ctx

    @property
    def today(self) -> dt.date:
        """The day on which the run was asked for."""
        return self._ctx.now.astimezone(ZoneInfo(ZONE)).date()

    async def rows(self, statement: LiteralString, values: Values | None = None, /) -> Rows:
        """Answer the rows of a statement."""
        async with self._ctx.tx.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, {"tenant": self._ctx.tenant_id, **(values or {})})
            return await cursor.fetchall()

    async def one(self, statement: LiteralString, values: Values | None = None, /) -> dict[str, Any] | None:
        """Answer its first row, if there is one."""
        rows = await self.rows(statement, values)
        return rows[0] if rows else None


def plain(value: Any) -> Any:
    """Answer a value as JSON has it. Example: `plain({"date": date(2026, 7, 3)}) == {"date": "2026-07-03"}`."""
    match value:
        case dt.time():
            return value.isoformat("minutes")
        case dt.date() | dt.datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal():
            return float(value)
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def listed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer a list and how many there are in all, which each row says in its column `total`.

    Example: `listed([{"name": "Kim", "total": 1}]) == {"count": 1, "items": [{"name": "Kim"}]}`.
    """
    items = [{name: plain(item) for name, item in row.items() if name != "total"} for row in rows]
    return {"count": rows[0]["total"] if rows else 0, "items": items}


def limited(values: Values | None = None) -> dict[str, Any]:
    """Answer the values of a statement that lists, with its limit."""
    return {**(values or {}), "limit": ROWS_MAX}
