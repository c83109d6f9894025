"""What the tables of the three stores look like here: they were made by other programs, each a little different."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused

_LAYOUTS = load("dure.apps.knowledge", "layouts")
NULL = sql.SQL("null")


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it is: its columns with their types, and its key. Example: `layout.column("m", "tenant_id")`."""

    name: str
    """As the settings name it, and as the operation's store is called."""
    schema: str
    table: str
    columns: Mapping[str, str]
    key: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name for a statement."""
        return sql.Identifier(self.schema, self.table)

    def key_texts(self, alias: str) -> sql.Composed:
        """Answer the columns of the key as texts, for a list."""
        return sql.SQL(", ").join(self.text(alias, name) for name in self.key)

    def text(self, alias: str, name: str) -> sql.Composable:
        """Answer a column as text; null where the table has none of this name."""
        if name not in self.columns:
            return NULL
        return sql.SQL("{}::text").format(sql.Identifier(alias, name))

    def require(self, *names: str) -> None:
        """Raise `Refused` when a column that the store cannot be without is missing."""
        if missing := [name for name in names if name not in self.columns]:
            raise Refused("knowledge_table", table=self.name, columns=", ".join(missing))


async def layouts(tx: Connection, names: Sequence[str]) -> dict[str, Layout]:
    """Answer those of some tables that are there, by name. Example: `await layouts(tx, ["public.proc_def"])`."""
    rows = await (await tx.execute(_LAYOUTS, {"names": list(names)})).fetchall()
    return {row[0]: Layout(row[0], row[1], row[2], row[3], tuple(row[4])) for row in rows}


async def required(tx: Connection, names: Sequence[str]) -> list[Layout]:
    """Answer some tables that must be there: the run has looked at them already, in the same snapshot."""
    found = await layouts(tx, names)
    return [found[name] for name in names]
