"""The connection on which a statement is rehearsed, and what can be learned there of what it did."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import psycopg
from psycopg.rows import dict_row

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, Refused
from dure.runs.stores import compose

CHECK = load("dure.runs.stores", "rehearse_check")
PERFORM = load("dure.runs.stores", "rehearse_perform")
LOOK = load("dure.runs.stores", "rehearse_look")
OPEN = load("dure.runs.stores", "rehearse_open")
EXPORT = load("dure.runs.stores", "rehearse_export")
LIMITS = load("dure.runs.stores", "rehearse_limits")
TARGETS = load("dure.runs.stores", "rehearse_targets")
WRITES = load("dure.runs.stores", "rehearse_writes")
LOCKS = load("dure.runs.stores", "rehearse_locks")
CLOSURE = load("dure.runs.stores", "rehearse_closure")
TRIGGERS = load("dure.runs.stores", "rehearse_triggers")
XID = load("dure.runs.stores", "rehearse_xid")
CHECK_CONSTRAINTS = load("dure.runs.stores", "constraints_check")

BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
OPERATIONS = frozenset({"Delete", "Insert", "Update", "Merge"})


@dataclass(frozen=True, slots=True)
class Written:
    """What was written to one table."""

    oid: int
    name: str
    is_leaf: bool
    inserted: int
    updated: int
    deleted: int

    @property
    def rows(self) -> int:
        """How many rows that are, each as often as it was written."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What a rehearsed statement did, as far as counting tells."""

    command: str
    xid: str | None
    """Under which number it wrote; None when it wrote nothing."""
    targets: Mapping[str, int]
    """The tables that the statement itself names as written to, and how many rows of each it touched at most."""
    reached: frozenset[str]
    """Those, and all that foreign keys may write to on their behalf."""
    written: Sequence[Written]
    triggers: Sequence[str]
    """Triggers of users that fired, or may have."""
    sequences: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a statement that writes."""

    schema: str
    table: str
    operation: str
    rows: int


class Stage:
    """A connection on which nothing is ever committed. Example: `async with Stage(database, 10, 3600) as stage: …`."""

    def __init__(self, database: Database, lock_timeout_s: float, statement_timeout_s: float) -> None:
        self._database = database
        self._limits = {"lock_ms": f"{lock_timeout_s * 1000:.0f}", "statement_ms": f"{statement_timeout_s * 1000:.0f}"}
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None

    async def __aenter__(self) -> "Stage":
        self._connection = await self._database.connect("rehearsal")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connection(self) -> Connection:
        """The connection, as long as it is open."""
        assert self._connection is not None
        return self._connection

    async def close(self) -> None:
        """Throw away all that was done; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def look(self, statement: str) -> None:
        """Refuse what is not one statement that writes to tables; nothing is executed."""
        await self.connection.execute(LOOK)
        try:
            parts = _parts(await self._explain(CHECK, statement))
            await self._require_tables(parts)
        finally:
            await self.connection.rollback()

    async def open(self) -> str:
        """Begin the transaction that is thrown away; answer its snapshot."""
        await self.connection.execute(OPEN)
        await compose.pin(self.connection)
        await self.connection.execute(LIMITS, self._limits)
        row = await (await self.connection.execute(EXPORT)).fetchone()
        assert row is not None
        return str(row[0])

    async def perform(self, statement: str, leaves: Sequence[str]) -> Performed:
        """Execute the statement, with all that waits for the end of a transaction; answer what it did."""
        parts = _parts(await self._explain(PERFORM, statement))
        try:
            await self.connection.execute(CHECK_CONSTRAINTS)
        except psycopg.Error as error:
            raise _said(error) from error
        written = await self._writes(leaves)
        sequences = await self._require_no_more()
        targets: dict[str, int] = {}
        for name, part in await self._require_tables(parts):
            targets[name] = targets.get(name, 0) + part.rows
        row = await (await self.connection.execute(XID)).fetchone()
        assert row is not None
        return Performed(
            command=parts[0].operation.upper(),
            xid=row[0],
            targets=targets,
            reached=await self._reached(parts),
            written=written,
            triggers=await self._triggers(written),
            sequences=sequences,
        )

    async def _explain(self, head: str, statement: str) -> Any:
        try:
            # In the extended protocol, which `binary` asks for, a message holds one statement and no more.
            cursor = await self.connection.execute(f"{head}\n{statement}".encode(), binary=True)
            row = await cursor.fetchone()
        except psycopg.Error as error:
            raise _said(error) from error
        return row[0] if row is not None else None

    async def _require_tables(self, parts: Sequence[_Part]) -> list[tuple[str, _Part]]:
        named: list[tuple[str, _Part]] = []
        for part in parts:
            rows = await self._rows(TARGETS, {"schemas": [part.schema], "tables": [part.table]})
            if not rows:
                raise Refused("rehearsal.not_a_table", table=part.table)
            if rows[0]["problem"]:
                raise Refused(f"rehearsal.{rows[0]['problem']}", table=rows[0]["name"])
            named.append((rows[0]["name"], part))
        return named

    async def _writes(self, leaves: Sequence[str]) -> list[Written]:
        written = []
        for row in await self._rows(WRITES, {"leaves": list(leaves)}):
            problem = row.pop("problem")
            if problem:
                raise Refused(f"rehearsal.{problem}", table=row["name"])
            written.append(Written(**row))
        return written

    async def _require_no_more(self) -> list[str]:
        """Refuse what was done beside writing rows; answer the sequences that went on."""
        sequences = []
        for row in await self._rows(LOCKS, {}):
            match row["what"]:
                case "sequence":
                    sequences.append(row["name"])
                case str(problem):
                    raise Refused(f"rehearsal.{problem}", table=row["name"])
        return sequences

    async def _reached(self, parts: Sequence[_Part]) -> frozenset[str]:
        given = {"schemas": [part.schema for part in parts], "tables": [part.table for part in parts]}
        oids = [row["oid"] for row in await self._rows(TARGETS, given)]
        return frozenset(row["name"] for row in await self._rows(CLOSURE, {"oids": oids}))

    async def _triggers(self, written: Sequence[Written]) -> list[str]:
        planned = [one for one in written if not one.is_leaf]
        given = {
            "oids": [one.oid for one in planned],
            "inserted": [one.inserted for one in planned],
            "updated": [one.updated for one in planned],
            "deleted": [one.deleted for one in planned],
        }
        return [f"{row['table']}.{row['name']}" for row in await self._rows(TRIGGERS, given)]

    async def _rows(self, statement: Any, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        cursor = await self.connection.cursor(row_factory=dict_row).execute(statement, values)
        return await cursor.fetchall()


def _said(error: psycopg.Error) -> Exception:
    """Answer what the database has against a statement, in our words."""
    message = error.diag.message_primary or str(error)
    if isinstance(error, BUSY):
        return Conflict("rehearsal.busy", message=message)
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Refused("rehearsal.too_slow")
    if "multiple commands" in message:
        return Refused("rehearsal.one_statement")
    return Invalid(message, field="statement", reason="database", message=message)


def _parts(explained: Any) -> list[_Part]:
    """Answer the parts that write, the outermost first; refuses what is not one statement that writes."""
    if not isinstance(explained, list) or len(explained) != 1 or not isinstance(explained[0], dict):
        raise Refused("rehearsal.not_a_write")
    plan = explained[0].get("Plan")
    if not isinstance(plan, dict) or plan.get("Node Type") != "ModifyTable" or plan.get("Operation") not in OPERATIONS:
        raise Refused("rehearsal.not_a_write")
    return list(_walk(plan))


def _walk(node: Mapping[str, Any]) -> Iterator[_Part]:
    if node.get("Node Type") == "ModifyTable":
        schema, table = node.get("Schema"), node.get("Relation Name")
        if not schema or not table:
            raise Refused("rehearsal.not_a_table", table=table or "-")
        yield _Part(str(schema), str(table), str(node["Operation"]), _touched(node))
    for child in node.get("Plans", ()):
        yield from _walk(child)


def _touched(node: Mapping[str, Any]) -> int:
    """Answer how many rows a part touched at most."""
    told = [
        node[name]
        for name in ("Tuples Inserted", "Tuples Updated", "Tuples Deleted", "Conflicting Tuples")
        if name in node
    ]
    if told:
        return int(sum(told))
    fed = [one for one in node.get("Plans", ()) if one.get("Parent Relationship") in ("Outer", "Member")]
    return sum(math.ceil(one.get("Actual Rows", 0) * one.get("Actual Loops", 0)) for one in fed)
