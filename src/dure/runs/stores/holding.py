"""Holds tables as they were when a plan was made: an image of a table that has another column by now is not exact."""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Conflict
from dure.runs.stores import compose
from dure.runs.stores.reading import SHOW_SEARCH_PATH
from dure.runs.stores.shape import Shape, named_in_full

NOW = load("dure.runs.stores", "tables_now")


async def hold(tx: Connection, shapes: Sequence[Shape]) -> frozenset[str]:
    """Keep tables from being altered until the transaction ends; answer which have triggers of users that would fire.

    Raises `Conflict` when one does not look any more as it did when the plan was made.
    Example: `triggered = await hold(tx, [shape])`.
    """
    # In the order of their names, so that two that hold the same tables do not wait for each other.
    ordered = sorted(shapes, key=lambda shape: (shape.schema, shape.table))
    tables = sql.SQL(", ").join(sql.SQL("only {}").format(sql.Identifier(one.schema, one.table)) for one in ordered)
    try:
        await tx.execute(compose.template("tables_lock").format(tables=tables))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.WrongObjectType) as error:
        raise Conflict("table.migrated", table=", ".join(one.store for one in ordered), columns="-") from error
    row = await (await tx.execute(SHOW_SEARCH_PATH)).fetchone()
    async with named_in_full(tx, str(row[0]) if row else ""):
        given = {
            "stores": [one.store for one in ordered],
            "schemas": [one.schema for one in ordered],
            "tables": [one.table for one in ordered],
        }
        found = await (await tx.execute(NOW, given)).fetchall()
    now = {store: dict(zip(names, types, strict=True)) for store, names, types, _ in found}
    for shape in ordered:
        _require_same(shape, now[shape.store])
    return frozenset(store for store, _, _, user_triggers in found if user_triggers)


def _require_same(shape: Shape, now: dict[str, str]) -> None:
    then = {column.name: column.type for column in shape.columns} | dict.fromkeys(shape.generated, "generated")
    if other := sorted(name for name in {*then, *now} if then.get(name) != now.get(name)):
        raise Conflict("table.migrated", table=shape.store, columns=", ".join(other))
