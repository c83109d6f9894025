"""One attempt to do changes: all of them, exactly as planned and nothing else, or none."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.model import Reason
from dure.runs.stores import compose
from dure.runs.stores.groups import Group
from dure.runs.stores.shape import Shape

WRITES = load("dure.runs.stores", "writes_count")
DEFER = load("dure.runs.stores", "constraints_defer")
CHECK = load("dure.runs.stores", "constraints_check")

NOT_ITS_FAULT = ("08", "40", "53", "54", "55", "57", "58", "XX")
"""Classes of errors that say nothing about the changes: the whole chunk is tried again later."""
BLOCKED = ("23503", "23001")
TAKEN = ("23505", "23P01")
CHECKED = ("23502", "23514", "23000")
MESSAGE_CHARS_MAX = 500

Written = tuple[int, int, int]
"""Rows inserted, updated, deleted."""
Writes = Mapping[tuple[str, str], Written]
"""By schema and table."""


class Undone(Exception):
    """An attempt was taken back, and why; `seq` is the change at which it showed."""

    def __init__(self, code: str, seq: int, **params: object) -> None:
        super().__init__(code)
        self.reason = Reason(code, params)
        self.seq = seq


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes attempts for one run, in the caller's transaction. Example: `await Attempts(tx, …).make(groups)`."""

    tx: Connection
    run_id: str
    shapes: Mapping[str, Shape]
    triggered: frozenset[str]
    """The stores whose tables have triggers that may make something else of a row than the plan says."""

    def depths(self) -> dict[str, int]:
        """Answer how many foreign keys lie at most between each table and one that refers to none."""
        depths = dict.fromkeys(self.shapes, 0)
        for _ in self.shapes:
            for store, shape in self.shapes.items():
                targets = [one.target for one in shape.references_out if one.target in depths and one.target != store]
                depths[store] = max([depths[store], *(min(depths[one] + 1, len(depths)) for one in targets if one)])
        return depths

    async def make(self, groups: Sequence[Group], *, by_version: bool) -> None:
        """Do these groups, or raise `Undone` and leave no trace of them."""
        try:
            async with self.tx.transaction():
                await self.tx.execute(DEFER)
                before = await self._writes()
                for group in groups:
                    await self._do(group, by_version)
                await self._check_rest(groups[0].first)
                self._compare(groups, before, await self._writes())
                for group in groups:
                    await self._reread(group)
        except psycopg.Error as error:
            raise _undone(error, groups[0].first) from error

    async def _do(self, group: Group, by_version: bool) -> None:
        shape = self.shapes[group.store]
        try:
            done = await self._send(group, shape, by_version)
        except psycopg.Error as error:
            raise _undone(error, group.first) from error
        if done == group.count:
            return
        if not by_version and group.kind == "update":
            # A foreign key may have taken rows along to the new key of the row that they refer to.
            done = await self._as_planned(group, shape)
        if done != group.count:
            raise Undone("not_as_planned", group.first, table=group.store, rows=done, planned=group.count)

    async def _send(self, group: Group, shape: Shape, by_version: bool) -> int:
        match = compose.by_version(shape) if by_version else compose.by_key(shape, sql.SQL("c.key"))
        parts = {"table": compose.table(shape), "picked": group.picked}
        match group.kind:
            case "create":
                statement = compose.template("insert").format(
                    columns=compose.names(shape), values=compose.values(shape, sql.SQL("c.after")), **parts
                )
            case "update":
                assignments = compose.assignments(shape, await self._changed(group, shape))
                if not by_version and shape.is_taken_along:
                    match = sql.SQL("{} and {} <> c.after").format(match, compose.image(shape))
                statement = compose.template("update").format(assignments=assignments, match=match, **parts)
            case _:
                statement = compose.template("delete").format(match=match, **parts)
        return (await self.tx.execute(statement, self._params(group))).rowcount

    async def _changed(self, group: Group, shape: Shape) -> list[str]:
        """Answer which columns any change of the group gives another value; the others are not even named."""
        changed = sql.SQL(", ").join(
            sql.SQL("bool_or(c.before[{0}] is distinct from c.after[{0}])").format(sql.Literal(at))
            for at in range(1, len(shape.columns) + 1)
        )
        statement = compose.template("changed_columns").format(changed=changed, picked=group.picked)
        flags = (await (await self.tx.execute(statement, self._params(group))).fetchall())[0]
        return [name for name, is_changed in zip(shape.column_names, flags, strict=True) if is_changed]

    async def _as_planned(self, group: Group, shape: Shape) -> int:
        statement = compose.template("as_planned").format(
            table=compose.table(shape),
            match=compose.by_key(shape, sql.SQL("(coalesce(c.to_key, c.key))")),
            image=compose.image(shape),
            picked=group.picked,
        )
        return int((await (await self.tx.execute(statement, self._params(group))).fetchall())[0][0])

    async def _check_rest(self, seq: int) -> None:
        try:
            await self.tx.execute(CHECK)
        except psycopg.Error as error:
            raise _undone(error, seq) from error

    async def _reread(self, group: Group) -> None:
        """Note what triggers made of the rows."""
        shape = self.shapes[group.store]
        if group.store not in self.triggered or group.kind not in ("create", "update"):
            return
        statement = compose.template("rows_reread").format(
            table=compose.table(shape),
            match=compose.by_key(shape, sql.SQL("(coalesce(c.to_key, c.key))")),
            image=compose.image(shape),
            picked=group.picked,
        )
        there = int((await (await self.tx.execute(statement, self._params(group))).fetchall())[0][0])
        if there != group.count:
            raise Undone("not_as_planned", group.first, table=group.store, rows=there, planned=group.count)

    async def _writes(self) -> Writes:
        leaves = sorted({name for shape in self.shapes.values() for name in shape.leaves})
        writes: dict[tuple[str, str], Written] = {}
        for schema, table, *counts, is_leaf in await (await self.tx.execute(WRITES, {"leaves": leaves})).fetchall():
            if not is_leaf:
                writes[schema, table] = _add(writes.get((schema, table), (0, 0, 0)), counts)
        return writes

    def _compare(self, groups: Sequence[Group], before: Writes, after: Writes) -> None:
        """Refuse rows that were written and are not in the plan: nobody saw them, and nothing could bring them back."""
        planned: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        parted = set()
        for group in groups:
            shape = self.shapes[group.store]
            place = (shape.schema, shape.table)
            planned[place][{"create": 0, "update": 1}.get(group.kind, 2)] += group.count
            if shape.kind == "partitioned":
                parted.add(place)
        for place in {*planned, *after}:
            then, now = before.get(place, (0, 0, 0)), after.get(place, (0, 0, 0))
            more = [
                is_now - was - due for is_now, was, due in zip(now, then, planned.get(place, [0, 0, 0]), strict=True)
            ]
            # An update that moves a row to another partition is counted as a delete and an insert.
            moved = place in parted and more[0] == more[2] == -more[1] and more[0] > 0
            if any(more) and not moved:
                raise Undone("hidden_write", groups[0].first, table=".".join(place), rows=max(more, key=abs))

    def _params(self, group: Group) -> dict[str, object]:
        return {"run_id": self.run_id, **group.params}


def _undone(error: psycopg.Error, seq: int) -> Exception:
    """Answer what an error says about the changes, or the error itself when it says nothing about them."""
    state = error.sqlstate or "XX000"
    if state.startswith(NOT_ITS_FAULT):
        return error
    if state in BLOCKED:
        code = "blocked_by_reference"
    elif state in TAKEN:
        code = "unique_taken"
    elif state in CHECKED:
        code = "check_failed"
    else:
        code = "database"
    diagnosis = error.diag
    message = (diagnosis.message_primary or str(error))[:MESSAGE_CHARS_MAX]
    table = ".".join(part for part in (diagnosis.schema_name, diagnosis.table_name) if part)
    return Undone(code, seq, constraint=diagnosis.constraint_name or "", table=table, message=message)


def _add(one: Written, other: Sequence[int]) -> Written:
    return one[0] + int(other[0]), one[1] + int(other[1]), one[2] + int(other[2])
