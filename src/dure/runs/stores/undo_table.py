"""One table on the way back: what its images mean now, and the statement that classes its changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from dure.db.pool import Connection
from dure.errors import Refused
from dure.runs.model import Reason
from dure.runs.stores import compose
from dure.runs.stores.reading import DEFAULTS, SHOW_SEARCH_PATH
from dure.runs.stores.shape import Column, Shape, named_in_full

KEY = sql.SQL("c.key")


@dataclass(frozen=True, slots=True)
class Way:
    """How the records of one table come back."""

    shape: Shape
    """The table as it is now; as it was, when nothing can be put back."""
    earlier: Shape
    lost: Mapping[str, Any] = field(default_factory=dict)
    """Why nothing of it can be put back, for people; empty when it can."""
    added: Mapping[str, str | None] = field(default_factory=dict)
    """Columns that came since, each with the expression of its default."""

    @property
    def clean(self) -> str:
        """The code of a change that nothing stands in the way of."""
        return "undo_migrated" if self.added else "undo_clean"

    def values(self) -> dict[str, Any]:
        """Answer the parameters of `read`."""
        told = self.lost or ({"table": self.shape.store, "columns": list(self.added)} if self.added else {})
        return {
            "store": self.shape.store,
            "names": list(self.shape.column_names),
            "clean": self.clean,
            "told": json.dumps(told, ensure_ascii=False),
        }

    def read(self) -> sql.Composed:
        """Answer the statement that reads the table's changes and classes them."""
        source = compose.template("undo_source")
        if self.lost:
            return compose.template("undo_irreversible").format(source=source)
        return compose.template("undo_read").format(
            source=source,
            table=compose.table(self.shape),
            match=compose.by_key(self.shape, KEY),
            image=compose.image(self.shape),
            revision=compose.REVISION,
            done=self._image("c.done", is_present=True),
            wanted=self._image("c.was", is_present=False),
        )

    def _image(self, array: str, *, is_present: bool) -> sql.Composable:
        """Answer the expression of an earlier image in the columns of now; what came since is as it is."""
        whole = sql.Identifier(*array.split("."))
        if not self.added:
            return whole
        at = {name: no for no, name in enumerate(self.earlier.column_names, 1)}
        parts: list[sql.Composable] = []
        for column in self.shape.columns:
            if column.name in at:
                parts.append(sql.SQL("{}[{}]").format(whole, sql.Literal(at[column.name])))
            else:
                parts.append(self._new(column, is_present=is_present))
        texts = sql.SQL(", ").join(sql.SQL('{} collate "C"').format(part) for part in parts)
        return sql.SQL("array[{}]::text[]").format(texts)

    def _new(self, column: Column, *, is_present: bool) -> sql.Composable:
        now = compose.text_of(column, sql.SQL("t.{}").format(compose.name(column.name)))
        default = self.added[column.name]
        if is_present:
            return now
        if default is None:
            return sql.SQL("case when t.ctid is not null then {} end").format(now)
        value = sql.SQL("(({})::{})").format(compose.told(default), compose.typed(column))
        return sql.SQL("case when t.ctid is not null then {} else {} end").format(now, compose.text_of(column, value))


async def ways_of(tx: Connection, shapes: Mapping[str, Shape], present: Mapping[str, Shape | Refused]) -> list[Way]:
    """Answer how the records of each table come back, given what it is like now."""
    return [await _way(tx, shape, present[store]) for store, shape in shapes.items()]


async def _way(tx: Connection, earlier: Shape, now: Shape | Refused) -> Way:
    if isinstance(now, Refused):
        return _lost(earlier, Reason(now.reason, {**now.params, "table": earlier.store}))
    drift = now.drift(earlier)
    added = await _defaults(tx, now, drift["added"])
    required = [name for name, default in added.items() if default is None and _is_required(now, name)]
    reasons = {
        "undo_dropped": drift["dropped"],
        "undo_retyped": drift["changed"],
        "undo_required": required,
    }
    for code, columns in reasons.items():
        if columns:
            return _lost(earlier, Reason(code, {"table": earlier.store, "columns": columns}))
    return Way(now, earlier, added=added)


def _lost(shape: Shape, why: Reason) -> Way:
    return Way(shape, shape, lost={"table": shape.store, "text": why.to_json()})


def _is_required(shape: Shape, name: str) -> bool:
    column = shape.column(name)
    return column is not None and column.not_null


async def _defaults(tx: Connection, shape: Shape, names: list[str]) -> dict[str, str | None]:
    if not names:
        return {}
    path = (await (await tx.execute(SHOW_SEARCH_PATH)).fetchall())[0][0]
    async with named_in_full(tx, path):
        given = {"schema": shape.schema, "table": shape.table, "columns": names}
        found: dict[str, str | None] = dict(await (await tx.execute(DEFAULTS, given)).fetchall())
    return {name: found.get(name) for name in names}
