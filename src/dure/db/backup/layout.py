"""The form of a backup's file: a head of comments, then parts between marks, at last a line with the sum of it all.

The head has lines `-- name: value` and one `-- table: …` a table, of fixed width, since they are written over
when all rows are there. A part begins with a line `--> kind name` and is one message to the server. No row has
a line end in it, and the texts of migrations have no such line, so whoever reads the file need not know SQL.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from dure.db.backup.model import BackupError, TableSum

FORMAT = "Dure schema backup, format 1"
MARK = b"--> "
END_LINE = re.compile(rb"\n-- sha256: ([0-9a-f]{64})\n")
END_BYTES = len("\n-- sha256: \n") + 64
HEAD_BYTES_MAX = 4 * 2**20
READ_BYTES = 2**20
TABLE_LINE = re.compile(r"(?P<table>[a-z0-9_]+) rows (?P<rows>\d{15}) sha256 (?P<sha256>[0-9a-f]{64})")
NO_SUM = "0" * 64
"""As long as a sum, for a head whose rows are still to come."""

Kind = Literal[
    "begin", "empty", "schema", "clear", "loosen", "parts", "rows", "tighten", "counts", "rest", "faces", "end"
]


@dataclass(frozen=True)
class Head:
    """What a backup says of itself.

    Example: `inspect(Path("latest_schema_backup.sql")).made_at`.
    """

    made_at: datetime
    version: str
    server: str
    database: str
    migration: int
    """The number of the last migration that the database had."""
    has_rows: bool
    tables: tuple[TableSum, ...]

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return sum(one.rows for one in self.tables)

    def text(self) -> str:
        """Answer its lines; they are as long with other sums."""
        holds = "schema and rows" if self.has_rows else "schema"
        lines = [
            f"-- {FORMAT}",
            f"-- made: {self.made_at.astimezone(UTC).isoformat(timespec='microseconds')}",
            f"-- dure: {self.version}",
            f"-- server: PostgreSQL {self.server}",
            f"-- database: {_one_line(self.database)}",
            f"-- migration: {self.migration:04}",
            f"-- holds: {holds}",
            f"-- tables: {len(self.tables):06}",
            f"-- rows: {self.rows:015}",
            *(f"-- table: {one.table} rows {one.rows:015} sha256 {one.sha256}" for one in self.tables),
        ]
        return "\n".join(lines) + "\n"

    def with_sums(self, sums: tuple[TableSum, ...]) -> "Head":
        """Answer the head with what was found of the tables."""
        return replace(self, tables=sums)


def inspect(path: Path) -> Head:
    """Answer what a backup says of itself, after its own sum was found right.

    Raises `BackupError` when it cannot be read, is no backup, was cut short or was changed.
    Example: `head = inspect(Path("backups/schema/latest_schema_backup.sql"))`.
    """
    try:
        with path.open("rb") as file:
            _require_ours(file, path)
            _require_whole(file, path)
            head = _read_head(file, path)
    except OSError as error:
        raise BackupError("unreadable", path=path, text=error.strerror or str(error)) from error
    return head


def parts(path: Path) -> Iterator[tuple[Kind, str]]:
    """Yield the parts of a backup, each with its kind and its text, without ever holding all of it.

    Example: `for kind, text in parts(path): …`.
    """
    kind: str | None = None
    lines: list[bytes] = []
    with path.open("rb") as file:
        for line in file:
            if line.startswith(MARK):
                if kind is not None:
                    yield _part(kind, lines)
                kind, lines = line[len(MARK) :].split()[0].decode(), []
            elif kind is not None:
                lines.append(line)
    if kind is not None:
        yield _part(kind, lines)


def sum_of(file: BinaryIO, length: int) -> str:
    """Answer the sha256 of the first bytes of a file."""
    found = hashlib.sha256()
    file.seek(0)
    while length > 0 and (block := file.read(min(length, READ_BYTES))):
        found.update(block)
        length -= len(block)
    return found.hexdigest()


def _part(kind: str, lines: list[bytes]) -> tuple[Kind, str]:
    return kind, b"".join(lines).decode()  # type: ignore[return-value]


def _require_whole(file: BinaryIO, path: Path) -> None:
    length = file.seek(0, os.SEEK_END) - END_BYTES
    file.seek(max(length, 0))
    end = END_LINE.fullmatch(file.read())
    if end is None:
        raise BackupError("cut_short", path=path)
    # The line end before the last line belongs to what is summed.
    if sum_of(file, length + 1) != end[1].decode():
        raise BackupError("altered", path=path)


def _require_ours(file: BinaryIO, path: Path) -> None:
    first = file.readline(len(FORMAT) + 10)
    if first.decode(errors="replace").strip() != f"-- {FORMAT}":
        raise BackupError("not_a_backup", path=path)


def _read_head(file: BinaryIO, path: Path) -> Head:
    file.seek(0)
    text = file.read(HEAD_BYTES_MAX).partition(b"\n" + MARK)[0].decode(errors="replace")
    pairs = [line[3:].partition(": ")[::2] for line in text.splitlines() if line.startswith("-- ")]
    facts = dict(reversed(pairs))
    try:
        return Head(
            made_at=datetime.fromisoformat(facts["made"]),
            version=facts["dure"],
            server=facts["server"].removeprefix("PostgreSQL "),
            database=facts["database"],
            migration=int(facts["migration"]),
            has_rows=facts["holds"] != "schema",
            tables=tuple(_table(value) for name, value in pairs if name == "table"),
        )
    except (KeyError, ValueError) as error:
        raise BackupError("altered", path=path) from error


def _table(value: str) -> TableSum:
    found = TABLE_LINE.fullmatch(value)
    if found is None:
        raise ValueError(value)
    return TableSum(found["table"], int(found["rows"]), found["sha256"])


def _one_line(text: str) -> str:
    return " ".join(text.split())
