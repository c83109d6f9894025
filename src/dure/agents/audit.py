"""The log of what agents say to each other: append-only, each row chained to the one before it by its hash.

An entry comes in unchained, in the transaction of what it tells of. About once a second a worker moves what has come,
in order, into the chain of its tenant, where nothing is ever changed. Old months are dropped whole, and an anchor keeps
the number and the hash of the last row that went. Until it is chained an entry is as safe as any other row.

Whoever owns the database can write a whole new chain. Against that the head is kept elsewhere: `verify` tells it, and
takes one that was told before (`known`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Invalid
from dure.queue.cursors import bad_cursor, from_cursor, is_id, to_cursor
from dure.queue.texts import clean_time
from dure.queue.views import Page

SEAL_BATCH = 5_000
VERIFY_BATCH = 5_000
PAGE_MAX = 1_000
SEQ_MAX = 2**63 - 1
CHECKS_MAX = 5
"""How often verification begins again because old months were dropped under it."""

Damage = Literal["changed", "missing", "inserted"]

_SEAL = load("dure.agents", "log_seal")
_ROWS = load("dure.agents", "audit_rows")
_HEAD = load("dure.agents", "audit_head")
_TENANTS = load("dure.agents", "audit_tenants")
_READ = load("dure.agents", "audit_read")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message between agents, or between them and Dure."""

    seq: int
    at: datetime
    from_agent: str | None
    to_agent: str | None
    protocol: str
    kind: str
    task_id: str | None
    trace_id: str | None
    size_bytes: int | None
    latency_ms: float | None
    ok: bool
    error: str | None
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which entries; what is not said does not matter. Example: `LogFilter(agent="worker-7", ok=False)`."""

    agent: str | None = None
    """Who sent or received it."""
    task_id: str | None = None
    trace_id: str | None = None
    ok: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row of a chain that is not as it was written."""

    seq: int
    damage: Damage


@dataclass(frozen=True, slots=True)
class Verified:
    """What a walk along a chain found. `head_hash` is worth keeping elsewhere."""

    tenant_id: str
    rows: int
    first_seq: int
    """The first row that is still there; the ones before were dropped by age."""
    head_seq: int
    head_hash: str
    waiting: int
    """Entries that are not chained yet."""
    broken: Broken | None

    @property
    def ok(self) -> bool:
        """Whether every row is as it was written."""
        return self.broken is None


@dataclass(frozen=True, slots=True)
class _Head:
    seq: int
    hash: bytes
    anchor_seq: int
    anchor_hash: bytes
    last_seq: int | None
    waiting: int


class Audit:
    """The log of a database. Example: `verified = await Audit(database).verify("acme")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, tenant_id: str, where: LogFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> Page[LogEntry]:
        """Answer entries, newest first, as far as they are chained."""
        where, limit = where or LogFilter(), max(1, min(limit, PAGE_MAX))
        if where.task_id is not None and not is_id(where.task_id):
            return Page(())
        values = {
            "tenant_id": tenant_id, "before": _before(cursor), "limit": limit + 1, "agent": where.agent,
            "task_id": where.task_id, "trace_id": where.trace_id, "ok": where.ok,
            "since": clean_time(where.since, "since"), "until": clean_time(where.until, "until"),
        }  # fmt: skip
        async with self._database.tenant_tx(tenant_id) as tx:
            rows = await (await tx.execute(_READ, values, prepare=False)).fetchall()
        items = tuple(LogEntry(*row) for row in rows[:limit])
        return Page(items, to_cursor(str(items[-1].seq)) if len(rows) > limit else None)

    async def tenants(self) -> tuple[str, ...]:
        """Answer whose chains there are."""
        async with self._database.system_tx() as tx:
            return tuple(row[0] for row in await (await tx.execute(_TENANTS)).fetchall())

    async def verify(self, tenant_id: str, *, known: tuple[int, str] | None = None) -> Verified:
        """Walk a tenant's chain and name the first row that was changed, taken out or put in.

        `known` is a number and the hash that it had when it was told, of a row that is still there.
        """
        head, rows, broken = await self._head(tenant_id), 0, None
        for _ in range(CHECKS_MAX):
            rows, broken = await self._walk(tenant_id, head, known)
            now = await self._head(tenant_id)
            if broken is None or now.anchor_seq == head.anchor_seq:
                break
            # What was missed may only have been dropped by age meanwhile.
            head = now
        return Verified(tenant_id, rows, head.anchor_seq + 1, head.seq, head.hash.hex(), head.waiting, broken)

    async def _walk(self, tenant_id: str, head: _Head, known: tuple[int, str] | None) -> tuple[int, Broken | None]:
        if known is not None and known[0] <= head.anchor_seq:
            raise Invalid(field="known", reason="too_small", min=head.anchor_seq + 1)
        place = _Place(head.anchor_seq, head.anchor_hash, known)
        after: tuple[int, Any] = (head.anchor_seq, "infinity")
        more = True
        while more:
            rows = await self._rows(tenant_id, after)
            for *row, sealed_at in rows:
                if row[0] > head.seq:
                    break
                if (broken := place.step(*row)) is not None:
                    return place.rows, broken
                after = (row[0], sealed_at)
            more = len(rows) == VERIFY_BATCH and rows[-1][0] <= head.seq
        return place.rows, place.end(head)

    async def _rows(self, tenant_id: str, after: tuple[int, Any]) -> list[Any]:
        values = {"tenant_id": tenant_id, "after": after[0], "after_at": after[1], "limit": VERIFY_BATCH}
        async with self._database.system_tx() as tx:
            return await (await tx.execute(_ROWS, values)).fetchall()

    async def _head(self, tenant_id: str) -> _Head:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_HEAD, {"tenant_id": tenant_id})).fetchone()
        assert row is not None
        return _Head(*row)


class _Place:
    """How far a walk has come."""

    def __init__(self, seq: int, last: bytes, known: tuple[int, str] | None) -> None:
        self.seq = seq
        self.hash = last
        self.rows = 0
        self._known = known

    def step(self, seq: int, prev_hash: bytes, stored: bytes, computed: bytes) -> Broken | None:
        """Go on to the next row, or say what is wrong."""
        if seq <= self.seq:
            return Broken(seq, "inserted")
        if seq > self.seq + 1:
            return Broken(self.seq + 1, "missing")
        if stored != computed:
            return Broken(seq, "changed")
        if prev_hash != self.hash:
            # This row is what its hash says, so the one before it is not the one that stood there.
            return Broken(self.seq if self.rows else seq, "changed")
        if self._known is not None and self._known[0] == seq and self._known[1] != stored.hex():
            return Broken(seq, "changed")
        self.seq, self.hash, self.rows = seq, stored, self.rows + 1
        return None

    def end(self, head: _Head) -> Broken | None:
        """Say what is wrong with where the chain ends."""
        if self.seq < head.seq:
            return Broken(self.seq + 1, "missing")
        if self.hash != head.hash:
            return Broken(self.seq, "changed")
        if head.last_seq is not None and head.last_seq > head.seq:
            return Broken(head.seq + 1, "inserted")
        if self._known is not None and self._known[0] > head.seq:
            return Broken(head.seq + 1, "missing")
        return None


async def seal(database: Database, *, batches: int) -> tuple[int, bool]:
    """Chain what has come, so many batches at most; answer how many entries, and whether partitions are due."""
    sealed, due = 0, False
    for _ in range(batches):
        async with database.system_tx() as tx:
            count, due = await _seal_on(tx)
        sealed += count
        if count < SEAL_BATCH:
            break
    return sealed, due


async def _seal_on(tx: Connection) -> tuple[int, bool]:
    row: Any = await (await tx.execute(_SEAL, {"most": SEAL_BATCH})).fetchone()
    return row[0], bool(row[1])


def _before(cursor: str | None) -> int:
    if cursor is None:
        return SEQ_MAX
    place = from_cursor(cursor)
    if not (place.isascii() and place.isdecimal() and int(place) <= SEQ_MAX):
        raise bad_cursor()
    return int(place)
