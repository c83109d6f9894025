"""Proving a backup: it is restored into an empty database on the same server and compared table by table."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from dure.db.backup.layout import Head, inspect
from dure.db.backup.model import BackupError
from dure.db.backup.restoring import restore
from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import Unavailable

_CREATE = load("dure.db.backup", "create_database")
_DROP = load("dure.db.backup", "drop_database")
PREFIX = "dure_verify_"


@dataclass(frozen=True)
class Proof:
    """A backup that was restored elsewhere and is the same there, table by table."""

    path: Path
    head: Head


async def prove(database: Database, path: Path) -> Proof:
    """Restore a backup into a new database, compare it and drop that database again.

    Raises `BackupError` when the file is not whole, when a table differs, or when this role may not make databases.
    Example: `proof = await prove(database, Path("backups/schema/latest_schema_backup.sql"))`.
    """
    inspect(path)
    name = f"{PREFIX}{uuid4().hex[:12]}"
    connection = await database.connect("verify")
    try:
        try:
            await connection.execute(sql.SQL(_CREATE).format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupError(
                "no_database", role=connection.info.user, text=error.diag.message_primary or ""
            ) from error
        try:
            scratch = Database(make_conninfo(database.url, dbname=name))
            restored = await restore(scratch, path, save_to=path.parent, rest=False)
        except (psycopg.OperationalError, Unavailable) as error:
            raise BackupError("not_proved", text=str(error)) from error
        finally:
            await connection.execute(sql.SQL(_DROP).format(sql.Identifier(name)))
    finally:
        await connection.close()
    return Proof(path, restored.head)
