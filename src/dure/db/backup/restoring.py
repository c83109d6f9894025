"""Bringing a backup back: in one transaction, compared with what was saved, never over data that nobody saved.

What is there already is saved first, while nobody may write to it, and then goes: Dure's schema and its views in
`public`, nothing else. Where something of somebody else's depends on them, nothing is done.
"""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from dure.db import migrate
from dure.db.backup.catalog import read_tables
from dure.db.backup.dumping import Backup, dump
from dure.db.backup.layout import Head, inspect, parts
from dure.db.backup.model import BackupError, TableSum, differences
from dure.db.backup.sums import read_sums
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Unavailable

_LOCK = load("dure.db", "migration_lock")
_TABLE_THERE = load("dure.db", "migration_table")
_SETTINGS = load("dure.db.backup", "file_settings")
_PIN = load("dure.db.backup", "pin")
_LOCK_TIMEOUT = load("dure.db.backup", "lock_timeout")
_HOLD = load("dure.db.backup", "hold")
_OUTSIDERS = load("dure.db.backup", "outsiders")
_DROP = load("dure.db.backup", "drop")
_OPEN_SESSIONS = load("dure.db.backup", "open_sessions")

LOCK_TIMEOUT_S = 10.0
"""So long a restore waits for those who are at work on the tables it replaces."""
OUTSIDERS_MAX = 5


@dataclass(frozen=True)
class Restored:
    """A backup that was brought back."""

    head: Head
    saved: Backup | None
    """The backup of what was there before."""
    sessions: int
    """How many sessions were open in the backup; they are ended."""
    pending: tuple[str, ...]
    """The migrations that the database needs now, because the backup is older than this version."""


async def restore(database: Database, path: Path, *, save_to: Path, rest: bool = True) -> Restored:
    """Bring a backup back into a database; what is there is saved into `save_to` first.

    Raises `BackupError` when the file is not whole, when tables differ from what was saved, or when others depend on
    what is there; then nothing is changed. Without `rest`, sessions stay as they were saved, for a comparison.
    Example: `await restore(database, Path("latest_schema_backup.sql"), save_to=Path("backups/schema"))`.
    """
    head = inspect(path)
    newest = migrate.migrations()[-1].number
    if head.migration > newest:
        raise Conflict("backup_newer", version=head.version, number=head.migration, present=newest)
    connection = await database.connect("restore")
    try:
        async with connection.transaction():
            saved = await _make_room(connection, database, save_to)
            sessions = await _bring_back(connection, path, head, rest=rest)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise BackupError("in_use", timeout_s=LOCK_TIMEOUT_S) from error
    except psycopg.OperationalError as error:
        raise Unavailable(reason=str(error)) from error
    except psycopg.Error as error:
        raise BackupError("failed", text=error.diag.message_primary or str(error)) from error
    finally:
        await connection.close()
    return Restored(head, saved, sessions, _pending(head))


async def has_schema(database: Database) -> bool:
    """Answer whether a database has Dure's schema. Example: `if await has_schema(database): …`."""
    async with database.owner_tx() as tx:
        row = await (await tx.execute(_TABLE_THERE)).fetchone()
    return bool(row and row[0])


async def _make_room(connection: Connection, database: Database, save_to: Path) -> Backup | None:
    """Save what is there and take it away; answer the backup, or None where there is nothing."""
    await connection.execute(_LOCK, [migrate.LOCK_KEY])
    row = await (await connection.execute(_TABLE_THERE)).fetchone()
    if row is None or not row[0]:
        return None
    await connection.execute(_LOCK_TIMEOUT, [f"{LOCK_TIMEOUT_S * 1000:.0f}ms"])
    outsiders = [str(row[0]) for row in await (await connection.execute(_OUTSIDERS)).fetchall()]
    if outsiders:
        raise BackupError("outsiders", names=", ".join(outsiders[:OUTSIDERS_MAX]), count=len(outsiders))
    tables = sql.SQL(", ").join(table.identifier() for table in await read_tables(connection))
    # From here on others may read and not write, so what is saved is what goes.
    await connection.execute(sql.SQL(_HOLD).format(tables=tables))
    saved = await dump(database, save_to, shares_lock=False, points_link=False)
    await connection.execute(_DROP)
    return saved


async def _bring_back(connection: Connection, path: Path, head: Head, *, rest: bool) -> int:
    await connection.execute(_SETTINGS, prepare=False)
    sessions = 0
    for kind, text in parts(path):
        match kind:
            case "begin" | "end":
                continue
            case "counts":
                await connection.execute(text.encode(), prepare=False)
                await _require_equal(connection, head.tables)
            case "rest":
                sessions = await _open_sessions(connection)
                if rest:
                    await connection.execute(text.encode(), prepare=False)
            case _:
                await connection.execute(text.encode(), prepare=False)
    return sessions


async def _require_equal(connection: Connection, wanted: tuple[TableSum, ...]) -> None:
    await connection.execute(_PIN, prepare=False)
    found = await read_sums(connection, await read_tables(connection))
    if different := differences(wanted, found):
        raise BackupError("differs", tables=", ".join(different))


async def _open_sessions(connection: Connection) -> int:
    row = await (await connection.execute(_OPEN_SESSIONS)).fetchone()
    return int(row[0]) if row else 0


def _pending(head: Head) -> tuple[str, ...]:
    return tuple(file.label for file in migrate.migrations() if file.number > head.migration)
