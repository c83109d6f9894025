"""The stores of one run: what their tables and records look like, and how to reach those outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dure.db.pool import Connection
from dure.errors import Invalid, Refused
from dure.runs.handles import OutsideHandle
from dure.runs.operation import Store
from dure.runs.stores.handle import TableHandle
from dure.runs.stores.protocol import OutsideStore
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of one run, by name. Example: `await described(tx, [Table("public.students")])`."""

    tables: Mapping[str, Shape]
    outside: Mapping[str, OutsideStore] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Answer the names of all of them."""
        return [*self.tables, *self.outside]

    def handles(self, view: Connection, tenant_id: str) -> dict[str, TableHandle | OutsideHandle]:
        """Answer what a planner has in hand of each."""
        tables = {name: TableHandle(shape, view) for name, shape in self.tables.items()}
        return {**tables, **{name: OutsideHandle(store, tenant_id) for name, store in self.outside.items()}}

    def to_json(self) -> list[dict[str, Any]]:
        """Answer them as a run keeps them."""
        tables = [{**shape.to_json(), "store": name, "place": "tables"} for name, shape in self.tables.items()]
        return [*tables, *(_outside_json(store) for store in self.outside.values())]


async def described(view: Connection, stores: Sequence[Store]) -> Stores:
    """Look at every store; raises `Refused` for one whose records cannot be brought back."""
    tables = [store for store in stores if isinstance(store, Table)]
    outside = {store.name: store for store in stores if isinstance(store, OutsideStore)}
    if len(outside) + len({table.name for table in tables}) < len(stores):
        raise Invalid(field="stores", reason="duplicate")
    tables = [table for table in tables if not table.optional or await _exists(view, table)]
    return Stores({table.name: await describe(view, table, tables) for table in tables}, outside)


async def _exists(view: Connection, table: Table) -> bool:
    row = await (await view.execute("select to_regclass(%s) is not null", [table.name])).fetchone()
    return bool(row and row[0])


def shapes_of(kept: Sequence[Mapping[str, Any]], stores: Sequence[Store] = ()) -> Stores:
    """Answer the stores of a run as they were when it was planned; those outside come from the operation."""
    outside = {store.name: store for store in stores if isinstance(store, OutsideStore)}
    tables = {}
    for one in kept:
        if one.get("place") == "tables":
            tables[str(one["store"])] = shape_of(one)
        elif one["store"] not in outside:
            raise Refused("store_not_declared", store=one["store"])
    return Stores(tables, outside)


def shape_of(kept: Mapping[str, Any]) -> Shape:
    """Answer the shape of a table as a run keeps it."""
    return Shape.from_json({name: value for name, value in kept.items() if name != "place"})


def _outside_json(store: OutsideStore) -> dict[str, Any]:
    undo = store.undo
    return {
        "store": store.name,
        "place": "outside",
        "key": list(store.key_fields),
        "columns": list(store.fields),
        "undo": {
            "creates": undo.creates,
            "updates": undo.updates,
            "deletes": undo.deletes,
            "moves": undo.moves,
            "why_not": undo.why_not,
        },
    }
