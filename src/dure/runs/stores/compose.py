"""Statements about a table that is known only when they run, composed from the templates in `sql/` and a shape.

A name or a type is a part of the statement, so a percent sign in one is doubled: parameters always go along.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import LiteralString

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.stores.shape import Column, Shape

PIN = load("dure.runs.stores", "pin")
ONE_BY_ONE = load("dure.runs.stores", "one_by_one")
_BY_VERSION = sql.SQL(
    "t.ctid = split_part(c.revision, ' ', 1)::tid and t.xmin = split_part(c.revision, ' ', 2)::xid and {}"
)
REVISION = sql.SQL("t.ctid::text || ' ' || t.xmin::text")
"""Names one version of one row; with the row's key, also after a table was rewritten in another order."""


async def pin(tx: Connection) -> None:
    """Fix, until the transaction ends, what the text of a value depends on, and have policies hide nothing silently."""
    await tx.execute(PIN)


async def one_by_one(tx: Connection, *, on: bool) -> None:
    """Have rows be found one by one, by their place or an index; `on=False` ends it before the transaction does."""
    await tx.execute(ONE_BY_ONE, {"scan": "off" if on else "on"})


@cache
def template(name: str) -> sql.SQL:
    """Answer a statement of this folder whose gaps are to be filled. Example: `template("delete").format(…)`."""
    return sql.SQL(load("dure.runs.stores", name))


def name(*parts: str) -> sql.Identifier:
    """Answer a name in quotes. Example: `name("Sales", "100%")`."""
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))


def table(shape: Shape) -> sql.Identifier:
    """Answer the table's name."""
    return name(shape.schema, shape.table)


def typed(column: Column) -> sql.SQL:
    """Answer a column's type, as the database itself named it."""
    return told(column.type)


def text_of(column: Column, value: sql.Composable) -> sql.Composed:
    """Answer the expression of a value's text, as the type's own output function gives it."""
    match column.input:
        case "cast":
            return sql.SQL("{}::text").format(value)
        case "oid":
            return sql.SQL("{}::oid::text").format(value)
        case "oids":
            return sql.SQL("{}::oid[]::text").format(value)
        case "array":
            return sql.SQL("(array[{}]::text::text[])[1]").format(value)


def value_of(column: Column, text: sql.Composable) -> sql.Composed:
    """Answer the expression of the value that has this text."""
    match column.input:
        case "cast":
            return sql.SQL("({})::{}").format(text, typed(column))
        case "oid":
            return sql.SQL("({})::oid::{}").format(text, typed(column))
        case "oids":
            return sql.SQL("({})::oid[]::{}").format(text, typed(column))
        case "array":
            return sql.SQL("(array[{}]::text::{}[])[1]").format(text, typed(column))


def image(shape: Shape, row: LiteralString = "t") -> sql.Composed:
    """Answer the expression of a row's image: the text of each column, in the shape's order."""
    return _texts(shape.columns, row)


def key(shape: Shape, row: LiteralString = "t") -> sql.Composed:
    """Answer the expression of a row's key: the texts of its columns."""
    return _texts(shape.key_columns, row)


def matches(
    columns: Sequence[Column], texts: Iterable[sql.Composable], names: Sequence[str] | None = None
) -> sql.Composed:
    """Answer the condition that the row `t` has these texts in its columns, `names` when they are called otherwise."""
    called = names or [column.name for column in columns]
    return sql.SQL(" and ").join(
        sql.SQL("t.{} = {}").format(name(own), _collated(column, value_of(column, text)))
        for column, text, own in zip(columns, texts, called, strict=True)
    )


def by_key(shape: Shape, texts: sql.Composable) -> sql.Composed:
    """Answer the condition that the row `t` has the key that is in this array of texts."""
    return matches(shape.key_columns, _elements(texts, len(shape.key)))


def by_version(shape: Shape) -> sql.Composed:
    """Answer the condition that the row `t` is the very version that the change `c` was planned for.

    The number of a row's place and of the transaction that wrote it say so, and the key that they are still this row's.
    """
    return _BY_VERSION.format(by_key(shape, sql.SQL("c.key")))


def assignments(shape: Shape, columns: Iterable[str]) -> sql.Composed:
    """Answer what sets these columns to those of the change's image afterwards."""
    wanted = frozenset(columns)
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(name(column.name), value_of(column, sql.SQL("c.after[{}]").format(sql.Literal(at))))
        for at, column in enumerate(shape.columns, 1)
        if column.name in wanted
    )


def names(shape: Shape) -> sql.Composed:
    """Answer the list of a shape's columns."""
    return sql.SQL(", ").join(name(column) for column in shape.column_names)


def values(shape: Shape, texts: sql.Composable) -> sql.Composed:
    """Answer the list of values that an image has, given as an array of texts."""
    elements = _elements(texts, len(shape.columns))
    return sql.SQL(", ").join(value_of(column, text) for column, text in zip(shape.columns, elements, strict=True))


def given(count: int) -> tuple[sql.Composed, sql.Composed, list[sql.Identifier]]:
    """Answer the arguments of an `unnest` of so many arrays `k1`, `k2` …, its columns' names, and each as `k.k1`."""
    labels = [f"k{at}" for at in range(1, count + 1)]
    arrays = sql.SQL(", ").join(sql.SQL("{}::text[]").format(sql.Placeholder(label)) for label in labels)
    return arrays, sql.SQL(", ").join(map(sql.Identifier, labels)), [sql.Identifier("k", label) for label in labels]


def columns_given(keys: Sequence[Sequence[str | None]], count: int) -> dict[str, list[str | None]]:
    """Answer the parameters for `given`: each part of all keys as an array."""
    return {f"k{at + 1}": [key[at] for key in keys] for at in range(count)}


def _texts(columns: Sequence[Column], row: LiteralString) -> sql.Composed:
    alias = sql.SQL(row)
    texts = [text_of(column, sql.SQL("{}.{}").format(alias, name(column.name))) for column in columns]
    # One collation for all, so that images compare byte by byte and columns of different ones can stand in one array.
    return sql.SQL("array[{}]::text[]").format(
        sql.SQL(", ").join(sql.SQL('{} collate "C"').format(text) for text in texts)
    )


def _collated(column: Column, value: sql.Composed) -> sql.Composed:
    if column.collation is None:
        return value
    return sql.SQL("{} collate {}").format(value, told(column.collation))


def _elements(array: sql.Composable, count: int) -> list[sql.Composed]:
    return [sql.SQL("{}[{}]").format(array, sql.Literal(at)) for at in range(1, count + 1)]


def told(text: str) -> sql.SQL:
    """Answer a part of a statement that the database wrote: a type, a collation, the expression of a default."""
    # What the database named, in its own quotes, is as much SQL as our own words.
    return sql.SQL(text.replace("%", "%%"))
