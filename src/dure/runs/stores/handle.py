"""What an operation's `plan` gets for a table: it reads rows and drafts changes, and touches nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader

from dure.db.pool import Connection
from dure.runs.model import Draft, Key, Reason
from dure.runs.stores import compose
from dure.runs.stores.shape import Shape
from dure.runs.stores.texts import key_of

OUT_OF_RANGE = ("date", "time", "timetz", "timestamp", "timestamptz", "interval")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as a planner reads it. Example: `row["name"]`."""

    key: Key
    values: Mapping[str, Any]
    """By column; what Python cannot hold, such as the date `infinity`, is its text."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


class TableHandle:
    """Reads a table and drafts changes of its rows. A key is a value, or a tuple of values when it has several columns.

    Example: `for row in await students.get(ids): yield students.delete(row, reason="left")`.
    """

    def __init__(self, shape: Shape, read: Connection) -> None:
        self.shape = shape
        self._read = read

    async def get(self, keys: Sequence[Any]) -> list[Row]:
        """Answer the rows that have these keys, in their order, in one query; one that is not there is left out."""
        if not keys:
            return []
        texts = [key_of(self.shape, key) for key in keys]
        arrays, labels, parts = compose.given(len(self.shape.key))
        statement = compose.template("rows_get").format(
            arrays=arrays,
            columns=labels,
            table=compose.table(self.shape),
            match=compose.matches(self.shape.key_columns, parts),
            key=compose.key(self.shape),
            values=self._columns(),
        )
        return await self._rows(statement, compose.columns_given(texts, len(self.shape.key)), skip=1)

    async def find(self, where: LiteralString, params: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
        """Answer the rows of which a condition holds; `t` is the table's name in it.

        Example: `await students.find("t.seen_at < now() - %(age)s::interval", {"age": "365 days"})`.
        """
        statement = compose.template("rows_find").format(
            table=compose.table(self.shape),
            where=sql.SQL(where),
            key=compose.key(self.shape),
            values=self._columns(),
        )
        return await self._rows(statement, params, skip=0)

    def create(
        self, values: Mapping[str, Any], *, reason: Reason | str | None = None, ask: bool = False,
        subject: str | None = None, scope: str = "",
    ) -> Draft:  # fmt: skip
        """Draft a new row; a column that is left out gets its default, now."""
        return self._draft("create", None, values, reason, ask, subject, scope)

    def update(
        self, row: Any, values: Mapping[str, Any], *, reason: Reason | str | None = None, ask: bool = False,
        subject: str | None = None, scope: str = "",
    ) -> Draft:  # fmt: skip
        """Draft other values for some columns of a row, given as it was read or by its key."""
        return self._draft("update", row, values, reason, ask, subject, scope)

    def delete(
        self, row: Any, *, reason: Reason | str | None = None, ask: bool = False,
        subject: str | None = None, scope: str = "",
    ) -> Draft:  # fmt: skip
        """Draft that a row goes."""
        return self._draft("delete", row, None, reason, ask, subject, scope)

    def move(
        self, row: Any, *, reason: Reason | str | None = None, ask: bool = False,
        subject: str | None = None, scope: str = "",
    ) -> Draft:  # fmt: skip
        """Draft that a row goes elsewhere: the draft that creates it there belongs to the same unit."""
        return self._draft("move", row, None, reason, ask, subject, scope)

    def keep(
        self, row: Any, *, reason: Reason | str | None = None, subject: str | None = None, scope: str = ""
    ) -> Draft:
        """Draft that a row stays, so that the plan says why."""
        return self._draft("keep", row, None, reason, False, subject, scope)

    def _draft(
        self, kind: Any, row: Any, values: Mapping[str, Any] | None, reason: Reason | str | None, ask: bool,
        subject: str | None, scope: str,
    ) -> Draft:  # fmt: skip
        key = row.key if isinstance(row, Row) else None if row is None else key_of(self.shape, row)
        return Draft(
            store=self.shape.store,
            kind=kind,
            key=key,
            values=values,
            ask=ask,
            reason=Reason.of(reason),
            subject=subject,
            scope=scope,
        )

    def _columns(self) -> sql.Composed:
        names = [*self.shape.column_names, *self.shape.generated]
        return sql.SQL(", ").join(sql.SQL("t.{}").format(compose.name(name)) for name in names)

    async def _rows(self, statement: sql.Composed, params: Any, skip: int) -> list[Row]:
        await compose.pin(self._read)
        cursor = self._read.cursor()
        for kind in OUT_OF_RANGE:
            cursor.adapters.register_loader(kind, _or_text(cursor, kind))
        await cursor.execute(statement, params)
        names = [*self.shape.column_names, *self.shape.generated]
        rows = await cursor.fetchall()
        return [Row(tuple(row[skip]), dict(zip(names, row[skip + 1 :], strict=True))) for row in rows]


def _or_text(context: AdaptContext, kind: str) -> type[Loader]:
    """Answer a loader that gives the text of a value that Python's own type cannot hold."""
    known = psycopg.adapters.types[kind].oid
    usual: Any = psycopg.adapters.get_loader(known, psycopg.pq.Format.TEXT)

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Buffer) -> Any:
            try:
                return self._usual.load(data)
            except psycopg.DataError:
                return bytes(data).decode()

    return OrText
