"""Reads rows of tables for plans: images by keys, children by references; and puts values into their exact text."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps

import psycopg
from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Image, Key
from dure.runs.stores import compose
from dure.runs.stores.shape import Column, Reference, Shape, named_in_full
from dure.runs.stores.texts import JSON

DEFAULTS = load("dure.runs.stores", "defaults_read")
ESTIMATE = load("dure.runs.stores", "population_estimate")
SHOW_SEARCH_PATH = load("dure.runs.stores", "search_path_show")
COUNTED_ROWS_MAX = 1_000_000
Texts = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """A row as it was read."""

    image: Image
    revision: str


async def by_keys(tx: Connection, shape: Shape, keys: Sequence[Key]) -> dict[Key, Found]:
    """Answer the rows that have these keys, by the keys as they were given."""
    if not keys:
        return {}
    await compose.one_by_one(tx, on=True)
    found = await _read(tx, shape, shape.key_columns, shape.key, list(dict.fromkeys(keys)))
    # What refers to these rows may have no index on its foreign key; then one by one would be the wrong way.
    await compose.one_by_one(tx, on=False)
    return {key: row for key, row in found}


async def children(
    tx: Connection, parent: Shape, child: Shape, reference: Reference, referred: Sequence[Key]
) -> list[tuple[Key, Found]]:
    """Answer the rows of `child` that refer to these values of the parent, each with the values that it refers to."""
    columns = _columns(parent, reference.refers)
    return await _read(tx, child, columns, reference.columns, referred)


async def children_exist(
    tx: Connection, parent: Shape, reference: Reference, referred: Sequence[Key]
) -> dict[Key, int]:
    """Answer to which of these values rows of a table refer that the operation did not declare, and how many do."""
    columns = _columns(parent, reference.refers)
    arrays, labels, parts = compose.given(len(columns))
    statement = compose.template("children_exist").format(
        arrays=arrays,
        columns=labels,
        table=compose.name(reference.schema, reference.table),
        match=compose.matches(columns, parts, reference.columns),
    )
    try:
        async with tx.transaction():
            cursor = await tx.execute(statement, compose.columns_given(referred, len(columns)))
            return {referred[at - 1]: count for at, count in await cursor.fetchall()}
    except psycopg.errors.InsufficientPrivilege:
        # What may not be read is left to the foreign key itself, when the plan is applied.
        return {}


async def canonical(tx: Connection, shape: Shape, rows: Sequence[Texts]) -> list[Texts]:
    """Answer the texts of these columns as the database itself would give them once they are stored.

    Raises `Invalid` that names the column whose value the database does not take.
    """
    answer: list[Texts] = [{} for _ in rows]
    for names, places in _alike(rows).items():
        columns = [column for column in shape.columns if column.name in names]
        if not columns:
            continue
        for at, *texts in await _through(tx, shape, columns, rows, places):
            answer[at] = dict(zip((column.name for column in columns), texts, strict=True))
    return answer


async def defaults(tx: Connection, shape: Shape, rows: Sequence[frozenset[str]]) -> list[Texts]:
    """Answer, for each row, what these columns get when no value is given; numbers are taken from sequences."""
    answer: list[Texts] = [{} for _ in rows]
    wanted = sorted({name for names in rows for name in names})
    if not wanted:
        return answer
    cursor = await tx.execute(SHOW_SEARCH_PATH)
    path = (await cursor.fetchall())[0][0]
    async with named_in_full(tx, path):
        given = {"schema": shape.schema, "table": shape.table, "columns": wanted}
        expressions: dict[str, str] = dict(await (await tx.execute(DEFAULTS, given)).fetchall())
    alike: dict[frozenset[str], list[int]] = defaultdict(list)
    for at, names in enumerate(rows):
        alike[names].append(at)
    for names, places in alike.items():
        columns = [column for column in shape.columns if column.name in names and expressions.get(column.name)]
        if columns:
            made = await _make(tx, shape, columns, expressions, len(places))
            for at, texts in zip(places, made, strict=True):
                answer[at] = dict(zip((column.name for column in columns), texts, strict=True))
    return answer


async def population(tx: Connection, shape: Shape) -> int:
    """Answer how many rows a table has; above a million, how many its statistics say."""
    cursor = await tx.execute(ESTIMATE, {"schema": shape.schema, "table": shape.table})
    estimate = int((await cursor.fetchall())[0][0])
    if estimate > COUNTED_ROWS_MAX:
        return estimate
    cursor = await tx.execute(compose.template("population_count").format(table=compose.table(shape)), [])
    return int((await cursor.fetchall())[0][0])


async def _read(
    tx: Connection, shape: Shape, columns: Sequence[Column], names: Sequence[str], values: Sequence[Key]
) -> list[tuple[Key, Found]]:
    arrays, labels, parts = compose.given(len(columns))
    statement = compose.template("rows_read").format(
        image=compose.image(shape),
        revision=compose.REVISION,
        arrays=arrays,
        columns=labels,
        table=compose.table(shape),
        match=compose.matches(columns, parts, names),
    )
    try:
        async with tx.transaction():
            # Not prepared: a plan that is kept may have been made when the table was empty, and reads it for every key.
            cursor = await tx.execute(statement, compose.columns_given(values, len(columns)), prepare=False)
            return [(values[at - 1], Found(tuple(image), revision)) for at, image, revision in await cursor.fetchall()]
    except psycopg.DataError as error:
        message = error.diag.message_primary or str(error)
        raise Invalid(message, field=f"{shape.store}.key", reason="database", message=message) from error


async def _through(
    tx: Connection, shape: Shape, columns: Sequence[Column], rows: Sequence[Texts], places: Sequence[int]
) -> list[tuple[int, *tuple[str | None, ...]]]:
    """Send texts through their columns' types; when one is refused, find out of which column."""
    try:
        return await _send(tx, columns, rows, places)
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        for column in columns if len(columns) > 1 else ():
            await _through(tx, shape, [column], rows, places)
        message = error.diag.message_primary or str(error)
        raise Invalid(message, field=f"{shape.store}.{columns[0].name}", reason="database", message=message) from error


async def _send(
    tx: Connection, columns: Sequence[Column], rows: Sequence[Texts], places: Sequence[int]
) -> list[tuple[int, *tuple[str | None, ...]]]:
    texts, labels = [], []
    for at, column in enumerate(columns):
        label = sql.Identifier("v", f"c{at}")
        is_json = column.base in JSON
        texts.append(compose.text_of(column, compose.value_of(column, label) if is_json else label))
        kind = sql.SQL("text") if is_json else compose.typed(column)
        labels.append(sql.SQL("{} {}").format(sql.Identifier(f"c{at}"), kind))
    statement = compose.template("canonical").format(
        texts=sql.SQL(", ").join(texts), columns=sql.SQL(", ").join(labels)
    )
    given = [{"at": at, **{f"c{n}": rows[at][column.name] for n, column in enumerate(columns)}} for at in places]
    async with tx.transaction():
        return await (await tx.execute(statement, {"rows": dumps(given, ensure_ascii=False)})).fetchall()


async def _make(
    tx: Connection, shape: Shape, columns: Sequence[Column], expressions: Mapping[str, str], count: int
) -> list[tuple[str | None, ...]]:
    texts = [
        compose.text_of(
            column, sql.SQL("(({})::{})").format(compose.told(expressions[column.name]), compose.typed(column))
        )
        for column in columns
    ]
    statement = compose.template("defaults_make").format(texts=sql.SQL(", ").join(texts))
    try:
        async with tx.transaction():
            return await (await tx.execute(statement, {"count": count})).fetchall()
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.ProgrammingError,
        psycopg.errors.RaiseException,
    ) as error:
        message = error.diag.message_primary or str(error)
        field = f"{shape.store}.{columns[0].name}" if len(columns) == 1 else shape.store
        raise Invalid(message, field=field, reason="database", message=message) from error


def _columns(shape: Shape, names: Sequence[str]) -> list[Column]:
    by_name = {column.name: column for column in shape.columns}
    return [by_name[name] for name in names]


def _alike(rows: Sequence[Texts]) -> dict[frozenset[str], list[int]]:
    """Group rows by the columns that they have: a domain that is never null would refuse a column that is left out."""
    groups: dict[frozenset[str], list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        groups[frozenset(row)].append(at)
    return groups
