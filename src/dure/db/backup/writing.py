"""The file of a backup while it is written: under another name, for its owner alone, gone if it is not finished."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from dure.db.backup.layout import MARK, Head, sum_of
from dure.db.backup.model import LATEST, BackupError
from dure.lang import say

MODE = 0o600
NAME = "distributed_schema_backup_%Y%m%d_%H%M%S.sql"


class BackupFile:
    """A backup in the making. Example: `with closing(BackupFile(directory, head)) as file: …; file.finish(head)`."""

    def __init__(self, directory: Path, head: Head) -> None:
        self._directory = directory
        self._unfinished: Path | None = None
        with self._told(directory):
            directory.mkdir(parents=True, exist_ok=True)
            unfinished = directory / f".backup_{uuid4().hex}.part"
            opened = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
            self._file = os.fdopen(opened, "w+b")
            self._unfinished = unfinished
            about = say("backup.file.about").strip().splitlines()
            self._file.write(
                "\n".join([head.text() + "--", *(f"-- {line}".rstrip() for line in about), "", ""]).encode()
            )

    def part(self, kind: str, text: str) -> None:
        """Write one statement."""
        self._write(kind, f"{text.strip()};\n")

    def rows(self, table: str, insert: str, rows: Sequence[str]) -> None:
        """Write one INSERT of some rows."""
        self._write(f"rows {table}", f"{insert}\n" + ",\n".join(rows) + ";\n")

    def finish(self, head: Head, *, points_link: bool) -> tuple[Path, Path | None, int]:
        """Write the sums, give the file its name and the directory its link; answer both and the size in bytes."""
        with self._told(self._directory):
            self._file.seek(0)
            self._file.write(head.text().encode())
            self._file.flush()
            length = self._file.seek(0, os.SEEK_END)
            total = sum_of(self._file, length)
            self._file.seek(length)
            # The last part ends with a line end, which is the one before this line.
            self._file.write(f"-- sha256: {total}\n".encode())
            self._file.flush()
            os.fsync(self._file.fileno())
            size_bytes = self._file.tell()
            path = self._name(head.made_at)
            link = self._point_to(path) if points_link else None
            self._sync_directory()
        return path, link, size_bytes

    def close(self) -> None:
        """Let go of the file; what was not finished is removed."""
        with suppress(OSError):
            self._file.close()
        if self._unfinished is not None:
            with suppress(OSError):
                self._unfinished.unlink()
            self._unfinished = None

    def _write(self, mark: str, text: str) -> None:
        line = MARK.decode()
        if f"\n{line}" in f"\n{text}":
            raise BackupError("mark_inside", mark=mark)
        with self._told(self._directory):
            self._file.write(f"\n{line}{mark}\n{text}".encode())

    def _name(self, made_at: datetime) -> Path:
        """Rename the file; of two backups of one second the later has the next second's name."""
        if self._unfinished is None:
            raise BackupError("unwritable", path=self._directory, text="finished")
        at = made_at.astimezone(UTC)
        while True:
            path = self._directory / at.strftime(NAME)
            try:
                # Unlike a rename it fails where the name is taken.
                os.link(self._unfinished, path)
            except FileExistsError:
                at += timedelta(seconds=1)
                continue
            self._unfinished.unlink()
            self._unfinished = None
            return path

    def _point_to(self, path: Path) -> Path:
        link, new = self._directory / LATEST, self._directory / f".latest_{uuid4().hex}"
        new.symlink_to(path.name)
        new.replace(link)
        return link

    def _sync_directory(self) -> None:
        opened = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackupError("unwritable", path=path, text=error.strerror or str(error)) from error
