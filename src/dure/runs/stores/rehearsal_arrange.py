"""Puts what a rehearsed statement did in order: what hangs together in units, units in chunks, steps within chunks.

A record that a foreign key took along is in one unit with what it hung on, so that both are done or neither. Within a
chunk the order is by steps, so that every foreign key holds after each: references that are emptied first, then deletes
with children before parents, then updates and creates with parents before children.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import CHUNK_CHANGES_MAX, SEQ_PER_SLICE
from dure.runs.stores import compose
from dure.runs.stores.rehearsal_stage import Performed, Written
from dure.runs.stores.shape import WRITING, Action, Reference, Shape

UNIT_CHANGES_MAX = CHUNK_CHANGES_MAX // 2
"""A larger unit is cut: what hangs on others is done before them, but not in one transaction with them."""
ROUNDS_MAX = 1_000
"""How deep records may hang on each other."""

LINKED = load("dure.runs.stores", "rehearse_linked")
SPREAD = load("dure.runs.stores", "rehearse_spread")
DEEPEN = load("dure.runs.stores", "rehearse_deepen")
LARGEST = load("dure.runs.stores", "rehearse_largest")
DERIVED = load("dure.runs.stores", "rehearse_derived")
COUNT = load("dure.runs.stores", "rehearse_count")
WRITE = load("dure.runs.stores", "rehearse_write")
WRITE_PLAIN = load("dure.runs.stores", "rehearse_write_plain")
CHUNKS = load("dure.runs.stores", "undo_chunks")


@dataclass(frozen=True, slots=True)
class _Link:
    """A foreign key between two tables that were both written to."""

    child: str
    parent: str
    reference: Reference


class Arranger:
    """Makes a plan of what was gathered. Example: `await Arranger(tx, performed, shapes).arrange()`."""

    def __init__(self, tx: Connection, performed: Performed, shapes: Mapping[str, Shape]) -> None:
        self._tx = tx
        self._performed = performed
        self._shapes = shapes
        self._nos = {store: no for no, store in enumerate(shapes, 1)}
        self._counts: dict[str, tuple[int, int, int]] = {}
        """Of each table: creates, updates, deletes."""
        self._links = list(_links(shapes))
        self._linked = 0

    async def arrange(self) -> int:
        """Find what hangs together; answer how many units are too large to be done at once.

        Refuses a statement whose triggers wrote to rows of the same tables.
        """
        for store, no in self._nos.items():
            row = await (await self._tx.execute(COUNT, {"tbl": no})).fetchone()
            assert row is not None
            self._counts[store] = (int(row[0]), int(row[1]), int(row[2]))
        self._linked = sum([await self._follow(link) for link in self._links if self._may_follow(link)])
        await self._require_no_trigger_writes()
        if not self._linked:
            return 0
        await self._tx.execute(LINKED)
        await self._repeat(SPREAD)
        row = await (await self._tx.execute(LARGEST, {"most": UNIT_CHANGES_MAX})).fetchone()
        cut = int(row[1]) if row is not None else 0
        if cut:
            await self._repeat(DEEPEN)
        return cut

    async def write(self, run_id: str, tenant_id: str) -> dict[str, int]:
        """Write the changes and their chunks; answer how many of each kind there are."""
        steps = list(self._steps())
        values = {
            "run": run_id,
            "tenant_id": tenant_id,
            "stores": list(self._shapes),
            "tbls": [self._nos[store] for store, _, _ in steps],
            "kinds": [kind for _, kind, _ in steps],
            "earlies": [is_early for _, _, is_early in steps],
            "steps": list(range(len(steps))),
            "most": UNIT_CHANGES_MAX,
            "chunk": CHUNK_CHANGES_MAX,
            "end": SEQ_PER_SLICE,
        }
        kinds = sum(count > 0 for counts in self._counts.values() for count in counts)
        await self._tx.execute(WRITE if kinds > 1 or self._linked else WRITE_PLAIN, values)
        await self._tx.execute(CHUNKS, values)
        sums = [sum(counts[at] for counts in self._counts.values()) for at in range(3)]
        return dict(zip(("create", "update", "delete"), sums, strict=True))

    def _may_follow(self, link: _Link) -> bool:
        _, updated, deleted = self._counts[link.parent]
        return bool(updated or deleted) and bool(self._counts[link.child][1] or self._counts[link.child][2])

    async def _follow(self, link: _Link) -> int:
        child, parent, reference = self._shapes[link.child], self._shapes[link.parent], link.reference
        if not set(reference.columns) <= set(child.column_names) or not set(reference.refers) <= set(
            parent.column_names
        ):
            return 0
        pairs = zip(_at(child, reference.columns), _at(parent, reference.refers), strict=True)
        same = [sql.SQL("c.before[{}] = p.before[{}]").format(sql.Literal(c), sql.Literal(p)) for c, p in pairs]
        statement = compose.template("rehearse_follow").format(
            same=sql.SQL(" and ").join(same),
            parent_changed=_changed("p", _at(parent, reference.refers)),
            child_changed=_changed("c", _at(child, reference.columns)),
        )
        values = {
            "constraint": reference.name,
            "table": link.parent,
            "parent": self._nos[link.parent],
            "child": self._nos[link.child],
            "on_delete": _writing(reference.on_delete),
            "on_update": _writing(reference.on_update),
        }
        return (await self._tx.execute(statement, values)).rowcount

    async def _require_no_trigger_writes(self) -> None:
        """Refuse when more rows were written than the statement and foreign keys account for, where triggers fired."""
        if not self._performed.triggers:
            return
        derived: dict[int, int] = dict(await (await self._tx.execute(DERIVED)).fetchall())
        for written in self._performed.written:
            told = self._performed.targets.get(written.name, 0) + derived.get(self._nos.get(written.name, 0), 0)
            if not written.is_leaf and self._rows(written) > told:
                raise Refused("rehearsal.trigger", table=written.name, triggers=", ".join(self._performed.triggers))

    def _rows(self, written: Written) -> int:
        """Answer how many rows were written; one that moves to another partition is deleted here and inserted there."""
        shape = self._shapes.get(written.name)
        moved = min(written.inserted, written.deleted) if shape is not None and shape.kind == "partitioned" else 0
        return written.rows - moved

    async def _repeat(self, statement: str) -> None:
        for _ in range(ROUNDS_MAX):
            if (await self._tx.execute(statement.encode())).rowcount == 0:
                return
        raise Refused("rehearsal.too_deep", max=ROUNDS_MAX)

    def _steps(self) -> Iterator[tuple[str, str, bool]]:
        """Yield what is done in order: the table, the kind of change, whether it lets go of what is deleted."""
        parents_first = self._parents_first()
        late = {link.child for link in self._links if self._counts[link.parent][0]}
        yield from ((store, "update", True) for store in parents_first)
        yield from ((store, "delete", False) for store in reversed(parents_first))
        yield from ((store, "update", False) for store in parents_first if store not in late)
        yield from ((store, "create", False) for store in parents_first)
        yield from ((store, "update", False) for store in parents_first if store in late)

    def _parents_first(self) -> Sequence[str]:
        sorter: TopologicalSorter[str] = TopologicalSorter({store: () for store in self._shapes})
        for link in self._links:
            if link.child != link.parent:
                sorter.add(link.child, link.parent)
        try:
            return list(sorter.static_order())
        except CycleError:
            # Tables that refer to each other in a circle: the database checks the end of it, if it can be deferred.
            return list(self._shapes)


def _links(shapes: Mapping[str, Shape]) -> Iterator[_Link]:
    by_table = {(shape.schema, shape.table): store for store, shape in shapes.items()}
    for store, shape in shapes.items():
        for reference in shape.references_in:
            child = by_table.get((reference.schema, reference.table))
            if child is not None:
                yield _Link(child, store, reference)


def _at(shape: Shape, names: Sequence[str]) -> list[int]:
    return [shape.column_names.index(name) + 1 for name in names]


def _changed(row: str, places: Sequence[int]) -> sql.Composed:
    differs = sql.SQL("{0}.before[{1}] is distinct from {0}.after[{1}]")
    parts = [differs.format(sql.Identifier(row), sql.Literal(at)) for at in places]
    return sql.SQL("({})").format(sql.SQL(" or ").join(parts))


def _writing(action: Action) -> str | None:
    return action if action in WRITING else None
