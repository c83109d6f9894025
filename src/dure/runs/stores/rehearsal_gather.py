"""Gathers what a rehearsed statement did to every row: one transaction sees the rows before, another those afterwards.

Both have the same snapshot, so they differ in what the statement did and in nothing else. The rows afterwards are those
that its transaction wrote, found by the number of who wrote them; the rows before are found by key, and those that are
gone by the number of who ended them. Rows that are only locked carry that number too, so the other side names them. At
the end the figures must agree with the database's own count; when they do not, nothing is planned.
"""

from collections.abc import Mapping

from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.stores import compose
from dure.runs.stores.rehearsal_stage import Performed, Stage, Written
from dure.runs.stores.shape import Shape

BLOCK_BYTES = 65_536
"""Rows come one by one, and are passed on in blocks of so much."""
FORGET = load("dure.runs.stores", "rehearse_forget")
ROWS = load("dure.runs.stores", "rehearse_rows")
AFTER = load("dure.runs.stores", "rehearse_after")
EDGES = load("dure.runs.stores", "rehearse_edges")
UNITS = load("dure.runs.stores", "rehearse_units")
EMPTY = load("dure.runs.stores", "rehearse_empty")
ARRIVED = load("dure.runs.stores", "rehearse_arrived")
RECEIVE = load("dure.runs.stores", "rehearse_receive")
ANALYZE_AFTER = load("dure.runs.stores", "rehearse_analyze_after")
ANALYZE = load("dure.runs.stores", "rehearse_analyze")
COUNT = load("dure.runs.stores", "rehearse_count")


async def gather(stage: Stage, tx: Connection, performed: Performed, shapes: Mapping[str, Shape]) -> int:
    """Fill the temporary tables of `tx` with every row that is different afterwards; answer how many are not.

    Example: `unchanged = await gather(stage, tx, performed, shapes)`.
    """
    for statement in (FORGET, ROWS, AFTER, EDGES, UNITS):
        await tx.execute(statement)
    written = {one.name: one for one in performed.written if not one.is_leaf}
    unchanged = 0
    for no, (store, shape) in enumerate(shapes.items(), 1):
        if store in written:
            assert performed.xid is not None
            unchanged += await _Gatherer(stage, tx, no, shape, written[store], performed.xid).gather()
    await tx.execute(ANALYZE)
    return unchanged


class _Gatherer:
    """Gathers the rows of one table."""

    def __init__(self, stage: Stage, tx: Connection, no: int, shape: Shape, written: Written, xid: str) -> None:
        self._stage = stage
        self._tx = tx
        self._shape = shape
        self._written = written
        self._values = {"tbl": no}
        self._parts = {
            "table": compose.table(shape),
            "key": compose.key(shape),
            "image": compose.image(shape),
            "revision": compose.REVISION,
            "match": compose.by_key(shape, sql.SQL("c.key")),
            "xid": sql.Literal(xid),
        }

    async def gather(self) -> int:
        await self._receive()
        await self._tx.execute(ANALYZE_AFTER)
        await self._run("rehearse_changed")
        created, updated, _ = await self._count()
        gone = created - self._written.inserted + self._written.deleted
        if gone:
            await self._run("rehearse_gone")
        if (await self._count())[2] != gone:
            raise Refused("rehearsal.uncertain", table=self._shape.store)
        if gone and created and self._written.updated:
            await self._pair()
        row = await (await self._tx.execute(ARRIVED)).fetchone()
        assert row is not None
        return int(row[0]) - created - updated

    async def _receive(self) -> None:
        """Let the rows afterwards flow from the one transaction to the other."""
        await self._tx.execute(EMPTY)
        send = compose.template("rehearse_send").format(**self._parts)
        async with (
            self._stage.connection.cursor() as there,
            self._tx.cursor() as here,
            there.copy(send) as rows,
            here.copy(RECEIVE) as copy,
        ):
            block = bytearray()
            async for data in rows:
                block += data
                if len(block) >= BLOCK_BYTES:
                    await copy.write(bytes(block))
                    block.clear()
            await copy.write(bytes(block))

    async def _count(self) -> tuple[int, int, int]:
        row = await (await self._tx.execute(COUNT, self._values)).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])

    async def _pair(self) -> None:
        """Join rows that are gone to new ones that have all but the key of them."""
        places = [at for at, name in enumerate(self._shape.column_names, 1) if name not in self._shape.key]
        if places:
            await self._tx.execute(
                compose.template("rehearse_pair").format(before=_rest("before", places), after=_rest("after", places)),
                self._values,
            )

    async def _run(self, name: str) -> None:
        await self._tx.execute(compose.template(name).format(**self._parts), self._values)


def _rest(image: str, places: list[int]) -> sql.Composed:
    parts = [sql.SQL("{}[{}]").format(sql.Identifier("d", image), sql.Literal(at)) for at in places]
    return sql.SQL("array[{}]::text[]").format(sql.SQL(", ").join(parts))
