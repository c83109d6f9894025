"""What stands in the way of a way back: keys and unique values that others have by now, references that would break.

Each kind is one statement for a table, an index or a foreign key. What is in the way of one change can be in the way of
the next (a record stays, so those that refer to it cannot go), so they are asked again until nothing more is found.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.model import Mode
from dure.runs.stores import compose
from dure.runs.stores.reading import SHOW_SEARCH_PATH
from dure.runs.stores.shape import Column, Shape, named_in_full
from dure.runs.stores.undo_table import Way

_LEAVING = load("dure.runs.stores", "undo_leaving")
_UNIQUES = load("dure.runs.stores", "undo_uniques")
_REFERENCES = load("dure.runs.stores", "undo_references")
_MATES = load("dure.runs.stores", "undo_mates")


@dataclass(frozen=True, slots=True)
class _Statement:
    text: sql.Composed
    values: dict[str, Any]


class Obstacles:
    """Marks the changes of a way back that cannot be done. Example: `await Obstacles(tx, ways, "strict").find()`."""

    def __init__(self, tx: Connection, ways: Sequence[Way], mode: Mode) -> None:
        self._tx = tx
        self._ways = ways
        self._mode = mode
        self._by_table = {(way.shape.schema, way.shape.table): way.shape for way in ways}

    async def find(self) -> None:
        """Look for all of them."""
        for way in self._ways:
            await self._keys(way)
        for way in self._ways:
            for index in await self._named(way.shape, _UNIQUES):
                await self._run(_taken(way.shape, index, force=self._mode == "force"))
        statements = [one for way in self._ways for one in await self._references(way.shape)]
        found = True
        while found:
            found = False
            if self._mode != "strict":
                await self._tx.execute(_MATES)
            for statement in statements:
                found = await self._run(statement) > 0 or found

    async def _keys(self, way: Way) -> None:
        values = way.values()
        await self._tx.execute(_LEAVING, values)
        statement = compose.template("undo_home").format(
            image=compose.image(way.shape),
            table=compose.table(way.shape),
            match=compose.by_key(way.shape, sql.SQL("u.to_key")),
        )
        await self._tx.execute(statement, {**values, "key": json.dumps(way.shape.key, ensure_ascii=False)})

    async def _references(self, shape: Shape) -> list[_Statement]:
        statements = []
        for reference in await self._named(shape, _REFERENCES):
            if reference["is_out"]:
                parent = self._by_table.get((reference["parent_schema"], reference["parent"]))
                statements.append(_orphans(shape, parent, reference))
            if reference["is_in"]:
                child = self._by_table.get((reference["child_schema"], reference["child"]))
                statements.append(_children(shape, child, reference))
        return [statement for statement in statements if statement is not None]

    async def _named(self, shape: Shape, statement: Any) -> list[dict[str, Any]]:
        path = (await (await self._tx.execute(SHOW_SEARCH_PATH)).fetchall())[0][0]
        async with named_in_full(self._tx, path):
            given = {"schema": shape.schema, "table": shape.table, "key": list(shape.key)}
            return await (await self._tx.cursor(row_factory=dict_row).execute(statement, given)).fetchall()

    async def _run(self, statement: _Statement) -> int:
        try:
            async with self._tx.transaction():
                return (await self._tx.execute(statement.text, statement.values)).rowcount
        except psycopg.errors.InsufficientPrivilege:
            # What may not be read is left to the database, when the plan is applied.
            return 0


def _taken(shape: Shape, index: dict[str, Any], *, force: bool) -> _Statement:
    labels = [sql.Identifier(f"k{at}") for at in range(len(index["expressions"]))]
    same = sql.SQL("n.{0} is not distinct from o.{0}") if index["nulls_equal"] else sql.SQL("n.{0} = o.{0}")
    named = [
        sql.SQL("({}) as {}").format(compose.told(told), label)
        for told, label in zip(index["expressions"], labels, strict=True)
    ]
    text = compose.template("undo_taken").format(
        expressions=sql.SQL(", ").join(named),
        values=compose.values(shape, sql.SQL("u.wanted")),
        names=compose.names(shape),
        condition=compose.told(index["condition"] or "true"),
        labels=sql.SQL(", ").join(labels),
        changed=_differs(shape, index["columns"], "u.wanted", "u.present"),
        key=compose.key(shape),
        image=compose.image(shape),
        revision=compose.REVISION,
        table=compose.table(shape),
        equal=sql.SQL(" and ").join(same.format(label) for label in labels),
    )
    columns = json.dumps(index["columns"], ensure_ascii=False)
    return _Statement(text, {"store": shape.store, "index": index["name"], "columns": columns, "force": force})


def _orphans(shape: Shape, parent: Shape | None, reference: dict[str, Any]) -> _Statement | None:
    own = _columns(shape, reference["columns"])
    if own is None:
        return None
    texts = [_element(shape, name, "u.wanted") for name in reference["columns"]]
    theirs = None if parent is None else _columns(parent, reference["refers"])
    same: sql.Composable = sql.SQL("false")
    if parent is not None and theirs is not None:
        pairs = zip(own, theirs, texts, strict=True)
        same = sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(
                compose.value_of(there, _element(parent, there.name, "m.wanted")), compose.value_of(here, text)
            )
            for here, there, text in pairs
        )
    text = compose.template("undo_orphans").format(
        filled=_filled(texts),
        changed=_differs(shape, reference["columns"], "u.wanted", "u.present"),
        parent=compose.name(reference["parent_schema"], reference["parent"]),
        match=compose.matches(own, texts, reference["refers"]),
        same=same,
    )
    other = "" if parent is None else parent.store
    return _Statement(text, _told(shape, reference, other, f"{reference['parent_schema']}.{reference['parent']}"))


def _children(shape: Shape, child: Shape | None, reference: dict[str, Any]) -> _Statement | None:
    own = _columns(shape, reference["refers"])
    if own is None:
        return None
    texts = [_element(shape, name, "u.present") for name in reference["refers"]]
    key, leaves = sql.Composed([sql.SQL("array[''::text]")]), sql.Composed([sql.SQL("false")])
    if child is not None and _columns(child, reference["columns"]) is not None:
        key, leaves = compose.key(child), _differs(child, reference["columns"], "m.wanted", "m.present")
    text = compose.template("undo_children").format(
        filled=_filled(texts),
        changed=_differs(shape, reference["refers"], "u.wanted", "u.present"),
        child=compose.name(reference["child_schema"], reference["child"]),
        match=compose.matches(own, texts, reference["columns"]),
        key=key,
        leaves=leaves,
    )
    other = "" if child is None else child.store
    return _Statement(text, _told(shape, reference, other, f"{reference['child_schema']}.{reference['child']}"))


def _told(shape: Shape, reference: dict[str, Any], other: str, table: str) -> dict[str, Any]:
    return {"store": shape.store, "other": other, "constraint": reference["name"], "table": table}


def _columns(shape: Shape, names: Sequence[str]) -> list[Column] | None:
    """Answer columns of a table; None when one is generated, and so in no image: that is left to the database."""
    found = [shape.column(name) for name in names]
    return [column for column in found if column is not None] if None not in found else None


def _element(shape: Shape, name: str, array: str) -> sql.Composed:
    place = shape.column_names.index(name) + 1
    return sql.SQL("{}[{}]").format(sql.Identifier(*array.split(".")), sql.Literal(place))


def _filled(texts: Sequence[sql.Composed]) -> sql.Composed:
    return sql.SQL(" and ").join(sql.SQL("{} is not null").format(text) for text in texts)


def _differs(shape: Shape, names: Sequence[str], one: str, other: str) -> sql.Composed:
    known = [name for name in names if name in shape.column_names]
    differs = sql.SQL("{} is distinct from {}")
    pairs = [differs.format(_element(shape, name, one), _element(shape, name, other)) for name in known]
    return sql.SQL("({})").format(sql.SQL(" or ").join(pairs) if pairs else sql.SQL("true"))
