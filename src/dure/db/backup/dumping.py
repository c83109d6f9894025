"""Writing a backup: one snapshot of the schema `dure`, streamed into one file of plain SQL.

The rows come as they stood at one moment, whoever writes meanwhile; no migration and no other backup's restore
runs beside it. The file has another name until it is whole, and is for its owner's eyes alone.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from psycopg import sql

from dure.clock import Backoff
from dure.db import migrate
from dure.db.backup.catalog import Catalog, Sequence, Table, read_catalog, read_sequences
from dure.db.backup.layout import NO_SUM, Head
from dure.db.backup.model import BackupError, TableSum
from dure.db.backup.sums import Summing, row_texts
from dure.db.backup.writing import BackupFile
from dure.db.migrate import Migration
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, TimedOut
from dure.lang import say

_BEGIN = load("dure.db.backup", "begin")
_TRY_LOCK = load("dure.db.backup", "try_lock")
_FACTS = load("dure.db.backup", "facts")
_TABLE_THERE = load("dure.db", "migration_table")
_APPLIED = load("dure.db", "migration_applied")
_INSERT = load("dure.db.backup", "insert")
_SETTINGS = load("dure.db.backup", "file_settings")
_EMPTY = load("dure.db.backup", "file_empty")
_CLEAR = load("dure.db.backup", "file_clear")
_LOOSEN = load("dure.db.backup", "file_loosen")
_REFERENCE = load("dure.db.backup", "file_reference")
_TRIGGERS_OFF = load("dure.db.backup", "file_triggers_off")
_TRIGGERS_ON = load("dure.db.backup", "file_triggers_on")
_PARTS = load("dure.db.backup", "file_parts")
_SEQUENCE = load("dure.db.backup", "file_sequence")
_COUNTS = load("dure.db.backup", "file_counts")
_REST = load("dure.db.backup", "rest")

LOCK_TIMEOUT_S = 60.0
"""So long a backup waits for a migration that is at work."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made just now."""

    path: Path
    link: Path | None
    """What points to it now."""
    head: Head
    size_bytes: int


async def dump(
    database: Database, directory: Path, *, rows: bool = True, shares_lock: bool = True, points_link: bool = True
) -> Backup:
    """Write a backup into a directory and point its link to it; without `rows`, the schema alone.

    Raises `BackupError` when the file cannot be written or there is nothing to save. Whoever holds the migrations'
    lock says so by `shares_lock=False`.
    Example: `made = await dump(database, Path("backups/schema"))`.
    """
    connection = await database.connect("backup")
    try:
        await _begin(connection, shares_lock=shares_lock)
        files = await _files(connection)
        catalog = await read_catalog(connection)
        head = await _head(connection, files, catalog, rows=rows)
        with closing(BackupFile(directory, head)) as file:
            sums = await _write(file, connection, files, catalog, rows=rows)
            head = head.with_sums(sums)
            path, link, size_bytes = file.finish(head, points_link=points_link)
    finally:
        await connection.close()
    return Backup(path, link, head, size_bytes)


async def _begin(connection: Connection, *, shares_lock: bool) -> None:
    """Take the snapshot at a moment when no migration is at work."""
    backoff = Backoff(first_s=0.05, max_s=1.0)
    waited_s = 0.0
    while True:
        await connection.execute(_BEGIN, prepare=False)
        if not shares_lock:
            return
        row = await (await connection.execute(_TRY_LOCK, [migrate.LOCK_KEY])).fetchone()
        if row is not None and row[0]:
            return
        await connection.rollback()
        if waited_s > LOCK_TIMEOUT_S:
            raise TimedOut(what="migration", after_s=LOCK_TIMEOUT_S)
        pause_s = backoff.next_s()
        waited_s += pause_s
        await asyncio.sleep(pause_s)


async def _files(connection: Connection) -> tuple[Migration, ...]:
    """Answer the migrations that the database has, from this version's files, which must be the very same."""
    row = await (await connection.execute(_TABLE_THERE)).fetchone()
    if row is None or not row[0]:
        raise BackupError("no_schema")
    known = {(file.number, file.phase): file for file in migrate.migrations()}
    files = []
    for number, name, phase, checksum, _at in await (await connection.execute(_APPLIED)).fetchall():
        file = known.get((number, phase))
        if file is None:
            raise Conflict("migration_newer", number=number)
        if file.checksum != checksum:
            raise Conflict("migration_changed", name=f"{number:04}_{name}.{phase}")
        files.append(file)
    return tuple(files)


async def _head(connection: Connection, files: tuple[Migration, ...], catalog: Catalog, *, rows: bool) -> Head:
    found = await (await connection.execute(_FACTS)).fetchone()
    if found is None or not isinstance(found[0], datetime):
        raise BackupError("no_schema")
    return Head(
        made_at=found[0],
        version=metadata.version("dure"),
        server=str(found[1]),
        database=str(found[2]),
        migration=max(file.number for file in files),
        has_rows=rows,
        tables=tuple(TableSum(table.name, 0, NO_SUM) for table in catalog.tables) if rows else (),
    )


async def _write(
    file: BackupFile, connection: Connection, files: tuple[Migration, ...], catalog: Catalog, *, rows: bool
) -> tuple[TableSum, ...]:
    file.part("begin", f"begin;\n{_SETTINGS}")
    file.part("empty", _composed(_EMPTY, message=say("backup.file.not_empty")))
    for one in files:
        file.part("schema", migrate.part(one).rstrip().removesuffix(";"))
    sums: tuple[TableSum, ...] = ()
    if rows:
        for kind, text in _before_rows(catalog):
            file.part(kind, text)
        sums = tuple([await _write_rows(file, connection, table) for table in catalog.tables])
        for kind, text in _after_rows(catalog, await read_sequences(connection), sums):
            file.part(kind, text)
    file.part("faces", migrate.FACES)
    file.part("end", "commit")
    done = say("backup.file.done", migration=files[-1].number, tables=len(sums), rows=sum(one.rows for one in sums))
    file.part("end", sql.SQL("select {} as message").format(sql.Literal(done)).as_string(None))
    return sums


async def _write_rows(file: BackupFile, connection: Connection, table: Table) -> TableSum:
    insert = sql.SQL(_INSERT).format(
        table=table.identifier(), columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    )
    summing = Summing(table.name)
    async with aclosing(row_texts(connection, table)) as portions:
        async for portion in portions:
            summing.add(portion)
            file.rows(table.name, insert.as_string(None), portion)
    return summing.done()


def _before_rows(catalog: Catalog) -> Iterator[tuple[str, str]]:
    for one in catalog.references:
        yield "loosen", _named(_LOOSEN, one.table, constraint=one.name)
    for triggered in catalog.triggered:
        if not triggered.is_part:
            yield "loosen", _named(_TRIGGERS_OFF, triggered.table)
    if catalog.partitions:
        yield "parts", _PARTS
    every = sql.SQL(", ").join(table.identifier() for table in catalog.tables)
    yield "clear", sql.SQL(_CLEAR).format(tables=every).as_string(None)
    for part in catalog.partitions:
        yield "parts", part.statement()


def _after_rows(
    catalog: Catalog, sequences: tuple[Sequence, ...], sums: tuple[TableSum, ...]
) -> Iterator[tuple[str, str]]:
    for one in catalog.references:
        statement = sql.SQL(_REFERENCE).format(
            table=sql.Identifier("dure", one.table),
            constraint=sql.Identifier(one.name),
            # What the catalog itself says of the constraint.
            definition=sql.SQL(one.definition),
        )
        yield "tighten", statement.as_string(None)
    for text in catalog.part_triggers:
        yield "tighten", text
    for triggered in catalog.triggered:
        yield "tighten", _named(_TRIGGERS_ON, triggered.table)
    for sequence in sequences:
        yield (
            "tighten",
            _composed(
                _SEQUENCE,
                sequence=f'dure."{sequence.name}"',
                last_value=sequence.last_value,
                is_called=sequence.is_called,
            ),
        )
    wanted = json.dumps({one.table: one.rows for one in sums})
    yield "counts", _composed(_COUNTS, wanted=wanted, message=say("backup.file.differs"))
    if any(table.name == "worker" for table in catalog.tables):
        yield "rest", _REST


def _named(statement: str, table: str, **names: str) -> str:
    identifiers = {name: sql.Identifier(text) for name, text in names.items()}
    return sql.SQL(statement).format(table=sql.Identifier("dure", table), **identifiers).as_string(None)


def _composed(statement: str, **values: object) -> str:
    literals = {name: sql.Literal(value) for name, value in values.items()}
    return sql.SQL(statement).format(**literals).as_string(None)
