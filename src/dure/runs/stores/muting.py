"""Keeps the triggers of users quiet while rows are put back: a row comes back as it was, not as they would make it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.stores import compose
from dure.runs.stores.shape import Shape

TRIGGERS = load("dure.runs.stores", "triggers_find")


@asynccontextmanager
async def muted(tx: Connection, shapes: Sequence[Shape]) -> AsyncIterator[None]:
    """Switch the triggers of these tables off for the block, each back to what it was; foreign keys stay checked.

    After an error nothing is switched back: the transaction ends, and with it what it did.
    Example: `async with muted(tx, shapes): await tx.execute(…)`.
    """
    places = {
        "schemas": [shape.schema for shape in shapes],
        "tables": [shape.table for shape in shapes],
    }
    found = await (await tx.execute(TRIGGERS, places)).fetchall()
    # In the order of their names, so that two that restore the same tables do not wait for each other.
    await _alter(tx, found, {False: sql.SQL("disable trigger {}"), True: sql.SQL("disable trigger {}")})
    yield
    await _alter(tx, found, {False: sql.SQL("enable trigger {}"), True: sql.SQL("enable always trigger {}")})


async def _alter(tx: Connection, found: list[tuple[str, str, str, bool]], how: Mapping[bool, sql.SQL]) -> None:
    actions: dict[tuple[str, str], list[sql.Composed]] = defaultdict(list)
    for schema, table, trigger, always in found:
        # Without parameters, so a percent sign stays as it is.
        actions[schema, table].append(how[always].format(sql.Identifier(trigger)))
    for place, wanted in actions.items():
        statement = compose.template("triggers_alter")
        await tx.execute(statement.format(table=sql.Identifier(*place), actions=sql.SQL(", ").join(wanted)))
