"""The rows of tables as text, and their sums: the same rows have the same sum on every server.

The text of a value depends on settings, so a transaction pins them first (`begin.sql`, `pin.sql`); the order is
that of the primary key, text by its bytes.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from psycopg import sql

from dure.db.backup.catalog import Table
from dure.db.backup.model import TableSum
from dure.db.pool import Connection
from dure.db.sql import load

FETCH_ROWS_MAX = 5_000
FETCH_BYTES = 2**20
"""About so much is in memory at once, and in one INSERT; one row may be more."""
FIRST_FETCH_ROWS = 16

_CURSOR_OPEN = load("dure.db.backup", "cursor_open")
_CURSOR_FETCH = load("dure.db.backup", "cursor_fetch")
_CURSOR_CLOSE = load("dure.db.backup", "cursor_close")


async def row_texts(connection: Connection, table: Table) -> AsyncGenerator[list[str], None]:
    """Yield a table's rows in parts of about a megabyte, each row as the text behind VALUES.

    Example: `async for rows in row_texts(tx, table): …`.
    """
    await connection.execute(sql.SQL(_CURSOR_OPEN).format(table.rows()))
    count = FIRST_FETCH_ROWS
    while True:
        fetched = await (await connection.execute(sql.SQL(_CURSOR_FETCH).format(sql.Literal(count)))).fetchall()
        rows = [str(row[0]) for row in fetched]
        if not rows:
            break
        yield rows
        bytes_a_row = sum(map(len, rows)) / len(rows)
        count = max(1, min(int(FETCH_BYTES / max(bytes_a_row, 1)), count * 4, FETCH_ROWS_MAX))
    await connection.execute(_CURSOR_CLOSE)


async def read_sums(connection: Connection, tables: tuple[Table, ...]) -> tuple[TableSum, ...]:
    """Answer the sums of tables as a transaction with pinned settings sees them.

    Example: `sums = await read_sums(tx, await read_tables(tx))`.
    """
    found = []
    for table in tables:
        summing = Summing(table.name)
        async with aclosing(row_texts(connection, table)) as portions:
            async for portion in portions:
                summing.add(portion)
        found.append(summing.done())
    return tuple(found)


class Summing:
    """The sum of a table in the making."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._rows = 0
        self._sum = hashlib.sha256()

    def add(self, rows: list[str]) -> None:
        """Count rows in, in their order."""
        self._rows += len(rows)
        self._sum.update("\n".join([*rows, ""]).encode())

    def done(self) -> TableSum:
        """Answer the sum of what was counted in."""
        return TableSum(self._table, self._rows, self._sum.hexdigest())
