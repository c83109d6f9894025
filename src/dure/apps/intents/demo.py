"""Example data of a small academy, and one hash over all of it."""

import datetime as dt
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib import resources
from typing import Any

from psycopg import sql

from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.demo_data import Example, Row
from dure.apps.intents.params import ZONE
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.intents.policies import Policies, Policy
from dure.lang import say

PACKAGE = "dure.apps.intents"
SCHEMA = "academy"
TENANT = "default"
ACTOR = "dure demo load academy"
TABLES = (
    "student", "guardian", "student_guardian", "class", "enrolment", "meeting", "attendance", "invoice", "payment",
    "notice", "report", "consultation",
)  # fmt: skip
ROWS_A_FETCH = 2_000

_TODAY = load(PACKAGE, "today")
_ANY = load(PACKAGE, "students_any")
_INSERT = load(PACKAGE, "demo_insert")
_ROWS = load(PACKAGE, "table_rows")


async def load_demo(
    database: Database, say_line: Callable[[str], None], *, today: dt.date | None = None
) -> dict[str, Any]:
    """Make the tables, put an academy of forty students into them, and allow the tenant its intents.

    A tenant that has students gets no more of them, and one that has policies keeps those alone.
    Example: `await load_demo(database, print)`.
    """
    tenant = os.environ.get("DURE_TENANT") or TENANT
    async with database.owner_tx() as tx:
        await make_tables(tx)
        day = today or await _day(tx)
        counts = {} if await _has_students(tx, tenant) else await _insert_all(tx, tenant, day)
    allowed = await _allow(database, tenant)
    told = {name: counts.get(name, 0) for name in ("student", "meeting", "attendance", "invoice")}
    say_line(say("academy.demo.loaded", **told, class_=counts.get("class", 0)))
    if allowed:
        say_line(say("academy.demo.allowed", tenant=tenant, keys=", ".join(allowed)))
    say_line(say("academy.demo.try_ask"))
    return {"tenant": tenant, "date": day.isoformat(), "allowed": allowed, **counts}


async def make_tables(tx: Connection) -> None:
    """Make those tables of the academy that are not there. Example: `await make_tables(tx)`."""
    # The file is of this package: as much the programmer's own words as a string in the source.
    text = (resources.files(PACKAGE) / "schema.sql").read_text(encoding="utf-8")
    await tx.execute(text.encode())


async def fingerprint(database: Database) -> str:
    """Answer one sha256 over every row of the academy, of all tenants.

    Example: `assert await fingerprint(database) == before`.
    """
    digest = sha256()
    async with database.owner_tx() as tx:
        await tx.execute("set local row_security = off")
        for table in TABLES:
            digest.update(f"table {table}\n".encode())
            async with tx.cursor("dure_demo_rows") as cursor:
                cursor.itersize = ROWS_A_FETCH
                await cursor.execute(sql.SQL(_ROWS).format(table=sql.Identifier(SCHEMA, table)))
                async for (text,) in cursor:
                    digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()


async def _allow(database: Database, tenant: str) -> list[str]:
    """Allow what the pack declares, as it declares it, where nobody has said anything yet; answer the keys."""
    policies = Policies(database)
    if await policies.list(tenant):
        return []
    keys = sorted({f"{declared.category}.*" for declared in CATALOGUE.values()})
    for key in keys:
        await policies.set(tenant, Policy(key, allowed=True, note=say("academy.demo.note")), actor=ACTOR)
    return keys


async def _day(tx: Connection) -> dt.date:
    row = await (await tx.execute(_TODAY, {"zone": ZONE})).fetchone()
    assert row is not None
    day: dt.date = row[0]
    return day


async def _has_students(tx: Connection, tenant: str) -> bool:
    row = await (await tx.execute(_ANY, {"tenant": tenant})).fetchone()
    return bool(row and row[0])


async def _insert_all(tx: Connection, tenant: str, day: dt.date) -> dict[str, int]:
    counts = {}
    for table, rows in Example(tenant, day).tables():
        await _insert(tx, table, rows)
        counts[table] = len(rows)
    return counts


async def _insert(tx: Connection, table: str, rows: Sequence[Row]) -> None:
    names = list(rows[0])
    statement = sql.SQL(_INSERT).format(
        table=sql.Identifier(SCHEMA, table),
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(map(sql.Placeholder, names)),
    )
    async with tx.cursor() as cursor:
        await cursor.executemany(statement, rows)
