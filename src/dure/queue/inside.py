"""Enqueue inside the caller's own transaction, through whatever driver holds it.

The job exists when that transaction commits, and never if it does not: no outbox, no second system. psycopg (sync and
async), asyncpg, SQLAlchemy (sync and async) and Django connections are known by their class; it is one plain
statement, so any other driver can send it too: `select dure.enqueue('…', '{…}', tenant_id => '…')`.
"""

from collections.abc import Sequence
from inspect import iscoroutinefunction
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from dure.errors import SQLSTATE, DependencyCycle, DureError, Invalid, from_database, from_detail
from dure.queue.client import ENQUEUE, Batch, batches, read_answer
from dure.queue.model import Enqueued, NewJob

DOLLAR = "select ids::text, created from dure.enqueue_batch($1, $2::text::jsonb, $3, $4::text::jsonb, $5::text[])"
NAMED = (
    "select ids::text, created from dure.enqueue_batch(:handler, cast(cast(:params as text) as jsonb), :tenant_id,"
    " cast(cast(:options as text) as jsonb), cast(:unique_keys as text[]))"
)

FAMILIES = ("asyncpg", "sqlalchemy", "psycopg")


def enqueue(
    connection: Any, tenant_id: str, handler: str, params: dict[str, Any] | None = None, **options: Any
) -> Enqueued:
    """Ask for a job in the transaction of a synchronous connection (psycopg, SQLAlchemy, Django).

    Example: `enqueue(connection, "acme", "mail.send", {"to": 7}, priority=5)`.
    """
    if is_async(connection):
        raise TypeError("this connection is asynchronous: use `await enqueue_async(…)`")
    batch = _batch(handler, params, options)
    try:
        row = _ask(connection, batch, tenant_id)
    except Exception as error:
        raise _translated(error) or error from error
    return read_answer(row)[0]


async def enqueue_async(
    connection: Any, tenant_id: str, handler: str, params: dict[str, Any] | None = None, **options: Any
) -> Enqueued:
    """Ask for a job in the transaction of an asynchronous connection (psycopg, asyncpg, SQLAlchemy).

    Example: `await enqueue_async(connection, "acme", "mail.send", {"to": 7})`.
    """
    batch = _batch(handler, params, options)
    try:
        row = await _ask_async(connection, batch, tenant_id)
    except Exception as error:
        raise _translated(error) or error from error
    return read_answer(row)[0]


def is_async(connection: Any) -> bool:
    """Answer whether a connection's methods must be awaited."""
    return iscoroutinefunction(getattr(connection, "execute", None)) or _family(connection) == "asyncpg"


def _ask(connection: Any, batch: Batch, tenant_id: str) -> Sequence[Any]:
    row: Sequence[Any]
    if _family(connection) == "sqlalchemy":
        from sqlalchemy import text

        row = connection.execute(text(NAMED), _named(batch, tenant_id)).one()
        return row
    # psycopg's connection, Django's connection wrapper and every other DB-API connection have cursors.
    with connection.cursor(**_tuples(connection)) as cursor:
        cursor.execute(ENQUEUE, _values(batch, tenant_id))
        row = cursor.fetchone()
        return row


async def _ask_async(connection: Any, batch: Batch, tenant_id: str) -> Sequence[Any]:
    row: Sequence[Any]
    match _family(connection):
        case "asyncpg":
            row = await connection.fetchrow(DOLLAR, *_values(batch, tenant_id))
        case "sqlalchemy":
            from sqlalchemy import text

            row = (await connection.execute(text(NAMED), _named(batch, tenant_id))).one()
        case _:
            async with connection.cursor(**_tuples(connection)) as cursor:
                await cursor.execute(ENQUEUE, _values(batch, tenant_id))
                row = await cursor.fetchone()
    return row


def _tuples(connection: Any) -> dict[str, Any]:
    # The caller's connection may make dictionaries or objects of its rows.
    if _family(connection) != "psycopg":
        return {}
    return {"row_factory": tuple_row}


def _batch(handler: str, params: dict[str, Any] | None, options: dict[str, Any]) -> Batch:
    unknown = options.keys() - NewJob.__dataclass_fields__.keys()
    if unknown:
        raise Invalid(field=min(unknown), reason="unknown_field")
    job = NewJob(handler=handler, params=params or {}, **options)
    if job.ref is not None and job.ref in job.depends_on:
        raise DependencyCycle(id=job.ref)
    return batches([(0, job)])[0]


def _values(batch: Batch, tenant_id: str) -> tuple[Any, ...]:
    return batch.handler, batch.params_json, tenant_id, batch.options_json, batch.unique_keys


def _named(batch: Batch, tenant_id: str) -> dict[str, Any]:
    names = ("handler", "params", "tenant_id", "options", "unique_keys")
    return dict(zip(names, _values(batch, tenant_id), strict=True))


def _family(connection: Any) -> str:
    return next(
        (name for kind in type(connection).__mro__ if (name := kind.__module__.split(".")[0]) in FAMILIES),
        "dbapi",
    )


def _translated(error: BaseException) -> DureError | None:
    """Find our own error inside a driver's; SQLAlchemy and Django wrap the one that tells."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, psycopg.Error):
            return from_database(seen)
        if getattr(seen, "sqlstate", None) == SQLSTATE and hasattr(seen, "detail"):
            return from_detail(str(seen.detail), str(seen))
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None
