"""The shape of a table: what is known of it, so that its rows can be kept, changed, and put back as they were."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from json import dumps
from typing import Any, Literal

import psycopg
from psycopg.rows import DictRow, dict_row

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import Image, Key
from dure.runs.stores.table import Table

FIND = load("dure.runs.stores", "table_find")
KEY = load("dure.runs.stores", "table_key")
COLUMNS = load("dure.runs.stores", "table_columns")
REFERENCES = load("dure.runs.stores", "table_references")
SEARCH_PATH = load("dure.runs.stores", "search_path")

Way = Literal["cast", "oid", "oids", "array"]
"""How a column's text goes out and back: by casts, as oids, or through an array literal (see `table_columns.sql`)."""
Action = Literal["nothing", "restrict", "cascade", "set_null", "set_default"]
_ACTIONS: Mapping[str, Action] = {
    "a": "nothing", "r": "restrict", "c": "cascade", "n": "set_null", "d": "set_default",
}  # fmt: skip
WRITING: frozenset[Action] = frozenset({"cascade", "set_null", "set_default"})
"""What a foreign key may do that writes to rows of the table that has it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that holds something of its own: generated ones do not."""

    name: str
    type: str
    """As SQL names it, with its length or precision: `character varying(20)`, `public.mood[]`."""
    base: str
    """The name of the type below all domains: `jsonb`, `_int4`."""
    input: Way = "cast"
    collation: str | None = None
    """How its texts compare, said wherever they do: nothing says which of two would hold."""
    not_null: bool = False
    identity: Literal["", "a", "d"] = ""
    """`a` when the database always gives the value, `d` by default."""
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key, from `columns` of one table to the columns `refers` of another."""

    name: str
    schema: str
    table: str
    """The table that has the foreign key."""
    store: str | None
    """What the operation calls that table, if it declared it."""
    target: str | None
    """What the operation calls the table that is referred to, if it declared it."""
    columns: tuple[str, ...]
    refers: tuple[str, ...]
    set_columns: tuple[str, ...]
    """Which of the columns `set_null` and `set_default` set when the other row is deleted; all if empty."""
    on_delete: Action
    on_update: Action


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as an operation may change it. Example: `Shape.from_json(run.stores[0]).column_names`."""

    store: str
    """The name that the operation gave it."""
    schema: str
    table: str
    kind: Literal["table", "partitioned"]
    columns: tuple[Column, ...]
    """In the order of an image."""
    generated: tuple[str, ...]
    """The names of the others, whose values follow from these."""
    key: tuple[str, ...]
    user_triggers: bool
    may_alter: bool
    leaves: tuple[str, ...]
    """Tables that its triggers write to and whose rows stay."""
    references_out: tuple[Reference, ...] = ()
    references_in: tuple[Reference, ...] = ()
    column_names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names of the columns, in the order of an image."""
    _key_places: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = tuple(column.name for column in self.columns)
        object.__setattr__(self, "column_names", names)
        object.__setattr__(self, "_key_places", tuple(names.index(name) for name in self.key))

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns of the key, in the key's order."""
        return tuple(self.columns[place] for place in self._key_places)

    @property
    def is_taken_along(self) -> bool:
        """Whether a foreign key writes to its rows when the key that they refer to changes."""
        return any(reference.on_update in WRITING for reference in self.references_out)

    def column(self, name: str) -> Column | None:
        """Answer the column of this name, if there is one that can be written."""
        return next((column for column in self.columns if column.name == name), None)

    def image_of(self, values: Mapping[str, str | None]) -> Image:
        """Answer the image of a record whose columns have these texts; a name that is left out is NULL."""
        return tuple(values.get(name) for name in self.column_names)

    def by_name(self, image: Image) -> dict[str, str | None]:
        """Answer an image's texts by the names of their columns."""
        return dict(zip(self.column_names, image, strict=True))

    def key_of(self, image: Image) -> Key:
        """Answer the key of a record."""
        return tuple(image[place] or "" for place in self._key_places)

    def differing(self, one: Image, other: Image) -> tuple[str, ...]:
        """Answer the names of the columns in which two images differ."""
        pairs = zip(self.column_names, one, other, strict=True)
        return tuple(name for name, left, right in pairs if left != right)

    def digest(self) -> str:
        """Answer what stays the same as long as images of this shape can be put back: its columns, types and key."""
        columns = [[column.name, column.type, column.input] for column in self.columns]
        told = [self.schema, self.table, self.kind, columns, list(self.generated), list(self.key)]
        return sha256(dumps(told, ensure_ascii=False).encode()).hexdigest()

    def drift(self, earlier: "Shape") -> dict[str, list[str]]:
        """Answer what a migration changed since an earlier shape: columns `added`, `dropped`, `changed`, and `key`.

        Example: `{"added": [], "dropped": ["note"], "changed": ["amount"], "key": []}`.
        """
        then = {column.name: column for column in earlier.columns}
        now = {column.name: column for column in self.columns}
        both = [name for name in now if name in then]
        return {
            "added": [name for name in now if name not in then],
            "dropped": [name for name in then if name not in now],
            "changed": [
                name for name in both if (now[name].type, now[name].input) != (then[name].type, then[name].input)
            ],
            "key": list(self.key) if self.key != earlier.key else [],
        }

    def to_json(self) -> dict[str, Any]:
        """Answer it as `dure.run.stores` keeps it."""
        told = asdict(self)
        del told["column_names"], told["_key_places"]
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Shape":
        """Answer the shape that `to_json` told."""
        given = dict(told)
        for name in ("generated", "key", "leaves"):
            given[name] = tuple(given[name])
        given["columns"] = tuple(Column(**column) for column in given["columns"])
        for name in ("references_out", "references_in"):
            given[name] = tuple(_reference(reference) for reference in given[name])
        return cls(**given)


async def describe(tx: Connection, table: Table, declared: Sequence[Table]) -> Shape:
    """Answer the shape of a table, or raise `Refused` with the reason why its rows could not be put back as they were.

    `declared` are all tables that the operation may change: what a foreign key does to rows of another is refused.
    Example: `shape = await describe(tx, Table("public.students"), operation_tables)`.
    """
    found = await _find(tx, table)
    _require_changeable(table, found)
    key = await _key(tx, table, found["oid"])
    out, into = await _references(tx, table, found["oid"], declared)
    columns, generated = await _columns(tx, found)
    _require_key(table, key, columns)
    return Shape(
        store=table.name,
        schema=found["nspname"],
        table=found["relname"],
        kind="partitioned" if found["relkind"] == "p" else "table",
        columns=columns,
        generated=generated,
        key=key,
        user_triggers=found["user_triggers"],
        may_alter=found["may_alter"],
        leaves=table.leaves,
        references_out=out,
        references_in=into,
    )


async def _find(tx: Connection, table: Table) -> DictRow:
    try:
        # A name that is no name is an error of the database, which must not end the caller's transaction.
        async with tx.transaction():
            rows = await _rows(tx, FIND, {"name": table.name})
    except (psycopg.DataError, psycopg.ProgrammingError) as error:
        raise Refused("table.not_found", table=table.name) from error
    if not rows:
        raise Refused("table.not_found", table=table.name)
    return rows[0]


def _require_changeable(table: Table, found: DictRow) -> None:
    """Refuse what cannot be undone, the most telling reason first."""
    reasons = {
        "table.of_the_system": found["is_ours"],
        "table.not_a_table": found["relkind"] not in ("r", "p"),
        "table.partition": found["relispartition"],
        "table.has_children": found["has_children"],
        "table.has_rules": found["has_rules"],
        "table.not_allowed": found["not_allowed"],
        "table.policies": found["is_filtered"],
        "table.triggers": found["user_triggers"] and not found["may_alter"],
        "table.not_counted": not found["is_counted"],
    }
    for reason, holds in reasons.items():
        if holds:
            raise Refused(reason, table=table.name, privileges=", ".join(found["not_allowed"]))


async def _key(tx: Connection, table: Table, oid: int) -> tuple[str, ...]:
    rows = await _rows(tx, KEY, {"oid": oid, "key": list(table.key)})
    if rows:
        return table.key or tuple(rows[0]["columns"])
    if table.key:
        raise Refused("table.key_not_unique", table=table.name, columns=", ".join(table.key))
    raise Refused("table.no_key", table=table.name)


def _require_key(table: Table, key: Sequence[str], columns: Sequence[Column]) -> None:
    usable = {column.name for column in columns if column.not_null}
    if wrong := [name for name in key if name not in usable]:
        raise Refused("table.key_not_usable", table=table.name, columns=", ".join(wrong))


async def _references(
    tx: Connection, table: Table, oid: int, declared: Sequence[Table]
) -> tuple[tuple[Reference, ...], tuple[Reference, ...]]:
    rows = await _rows(tx, REFERENCES, {"oid": oid, "declared": [one.name for one in declared]})
    out = tuple(_reference(row) for row in rows if row["is_out"])
    into = tuple(_reference(row) for row in rows if row["is_in"])
    for reference in into:
        if reference.on_delete in WRITING and reference.store is None:
            raise Refused(
                "table.cascade",
                table=table.name,
                child=f"{reference.schema}.{reference.table}",
                constraint=reference.name,
                action="ON DELETE " + reference.on_delete.replace("_", " ").upper(),
            )
    return out, into


async def _columns(tx: Connection, found: DictRow) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    async with named_in_full(tx, found["search_path"]):
        rows = await _rows(tx, COLUMNS, {"oid": found["oid"]})
    columns = tuple(
        Column(
            name=row["name"],
            type=row["type"],
            base=row["base"],
            input=row["way"],
            collation=row["collation"],
            not_null=row["not_null"],
            identity=row["identity"],
            has_default=row["has_default"],
        )
        for row in rows
        if not row["generated"]
    )
    return columns, tuple(row["name"] for row in rows if row["generated"])


@asynccontextmanager
async def named_in_full(tx: Connection, search_path: str) -> AsyncIterator[None]:
    """Have the database name all but its own objects with their schema; `search_path` holds again afterwards."""
    await tx.execute(SEARCH_PATH, ["pg_catalog"])
    yield
    # Not after an error: that ends the transaction, and what is local to it.
    await tx.execute(SEARCH_PATH, [search_path])


def _reference(row: Mapping[str, Any]) -> Reference:
    """Make one of the database's row, or of what `to_json` told."""
    return Reference(
        name=row["name"],
        schema=row["schema"],
        table=row["table"],
        store=row["store"],
        target=row["target"],
        columns=tuple(row["columns"]),
        refers=tuple(row["refers"]),
        set_columns=tuple(row["set_columns"]),
        on_delete=_ACTIONS.get(row["on_delete"], row["on_delete"]),
        on_update=_ACTIONS.get(row["on_update"], row["on_update"]),
    )


async def _rows(tx: Connection, statement: Any, values: Mapping[str, Any]) -> list[DictRow]:
    cursor = await tx.cursor(row_factory=dict_row).execute(statement, values)
    return await cursor.fetchall()
