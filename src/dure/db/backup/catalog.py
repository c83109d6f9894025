"""What the schema `dure` consists of just now, asked from the catalog, so that a new table needs nothing here."""

from dataclasses import dataclass

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load

_TABLES = load("dure.db.backup", "tables")
_PARTITIONS = load("dure.db.backup", "partitions")
_REFERENCES = load("dure.db.backup", "references")
_TRIGGERED = load("dure.db.backup", "triggered")
_PART_TRIGGERS = load("dure.db.backup", "part_triggers")
_SEQUENCES = load("dure.db.backup", "sequences")
_PLAIN = load("dure.db.backup", "value_plain")
_VALUE = load("dure.db.backup", "value")
_ROW = load("dure.db.backup", "row")
_SEQUENCE = load("dure.db.backup", "sequence")
_PART = load("dure.db.backup", "file_part")
_PROTECT = load("dure.db.backup", "file_protect")


@dataclass(frozen=True)
class Column:
    """A column whose values are saved; those that the server computes are not."""

    name: str
    key_place: int | None
    is_worded: bool
    is_plain: bool


@dataclass(frozen=True)
class Table:
    """A table with rows of its own. Example: `Table("job", columns)`."""

    name: str
    columns: tuple[Column, ...]

    def identifier(self) -> sql.Identifier:
        """Answer its name for a statement."""
        return sql.Identifier("dure", self.name)

    def rows(self) -> sql.Composed:
        """Answer the query of its rows, each as the text that an INSERT has behind VALUES, in a fixed order.

        The same row has the same text on every server, so this text is also what the sums are made of.
        """
        values = sql.SQL(" || ', ' || ").join(
            sql.SQL(_PLAIN if column.is_plain else _VALUE).format(sql.Identifier(column.name))
            for column in self.columns
        )
        return sql.SQL(_ROW).format(values=values, table=self.identifier(), order=self._order())

    def _order(self) -> sql.Composed:
        """By the primary key where there is one, so that an index serves it; text by its bytes."""
        key = sorted((column for column in self.columns if column.key_place is not None), key=_place)
        if key:
            return sql.SQL(", ").join(
                sql.SQL('{} collate "C"' if column.is_worded else "{}").format(sql.Identifier(column.name))
                for column in key
            )
        return sql.SQL(", ").join(
            sql.SQL('{}::text collate "C"').format(sql.Identifier(column.name)) for column in self.columns
        )


@dataclass(frozen=True)
class Partition:
    """A part of a partitioned table."""

    table: str
    parent: str
    bound: str
    split_by: str | None
    is_protected: bool

    def statement(self) -> str:
        """Answer what makes it again, in the catalog's own words."""
        bound = f"{self.bound} partition by {self.split_by}" if self.split_by else self.bound
        made = sql.SQL(_PART).format(
            table=sql.Identifier("dure", self.table),
            parent=sql.Identifier("dure", self.parent),
            bound=sql.SQL(bound),
        )
        if self.is_protected:
            made += sql.SQL(";\n") + sql.SQL(_PROTECT).format(sql.Identifier("dure", self.table))
        return made.as_string(None)


@dataclass(frozen=True)
class Reference:
    """A foreign key."""

    table: str
    name: str
    definition: str


@dataclass(frozen=True)
class Triggered:
    """A table with triggers."""

    table: str
    is_part: bool


@dataclass(frozen=True)
class Sequence:
    """A sequence and where it stands."""

    name: str
    last_value: int
    is_called: bool


@dataclass(frozen=True)
class Catalog:
    """All of it."""

    tables: tuple[Table, ...]
    partitions: tuple[Partition, ...]
    references: tuple[Reference, ...]
    triggered: tuple[Triggered, ...]
    part_triggers: tuple[str, ...]
    """What makes the triggers of parts again that they do not have from their table."""


async def read_tables(connection: Connection) -> tuple[Table, ...]:
    """Answer the tables by name. Example: `tables = await read_tables(tx)`."""
    columns: dict[str, list[Column]] = {}
    for table, name, key_place, is_worded, is_plain in await (await connection.execute(_TABLES)).fetchall():
        columns.setdefault(table, []).append(Column(name, key_place, is_worded, is_plain))
    return tuple(Table(name, tuple(found)) for name, found in columns.items())


async def read_catalog(connection: Connection) -> Catalog:
    """Answer what the schema consists of. Example: `catalog = await read_catalog(tx)`."""
    return Catalog(
        tables=await read_tables(connection),
        partitions=tuple(Partition(*row) for row in await (await connection.execute(_PARTITIONS)).fetchall()),
        references=tuple(Reference(*row) for row in await (await connection.execute(_REFERENCES)).fetchall()),
        triggered=tuple(Triggered(*row) for row in await (await connection.execute(_TRIGGERED)).fetchall()),
        part_triggers=tuple(row[0] for row in await (await connection.execute(_PART_TRIGGERS)).fetchall()),
    )


async def read_sequences(connection: Connection) -> tuple[Sequence, ...]:
    """Answer where the sequences stand; no snapshot holds them, so they are read after the rows.

    Example: `sequences = await read_sequences(tx)`.
    """
    found = []
    for (name,) in await (await connection.execute(_SEQUENCES)).fetchall():
        row = await (await connection.execute(sql.SQL(_SEQUENCE).format(sql.Identifier("dure", name)))).fetchone()
        if row is not None:
            found.append(Sequence(name, row[0], row[1]))
    return tuple(found)


def _place(column: Column) -> int:
    return column.key_place or 0
