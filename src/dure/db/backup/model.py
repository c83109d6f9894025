"""What the parts of a backup share: a table's sum, the names of files, and what can go wrong."""

from dataclasses import dataclass

from dure.errors import DureError
from dure.lang import say

LATEST = "latest_schema_backup.sql"
"""The link to the newest backup of a directory."""


class BackupError(DureError):
    """A backup cannot be made, read or brought back; `reason` is a key of the catalogue, in `[backup.problems]`.

    Example: `raise BackupError("cut_short", path="backup.sql")`.
    """

    code = "backup"

    def __init__(self, reason: str, /, **params: object) -> None:
        super().__init__(reason, **params)
        self.reason = reason

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`."""
        return say(f"backup.problems.{self.reason}", lang, **self.params)


@dataclass(frozen=True)
class TableSum:
    """How many rows a table has, and the sha256 of their text in the order of the primary key."""

    table: str
    rows: int
    sha256: str


def differences(wanted: tuple[TableSum, ...], found: tuple[TableSum, ...]) -> tuple[str, ...]:
    """Answer the tables that are not equal in both, or only in one.

    Example: `differences(head.tables, await read_sums(connection))`.
    """
    left, right = {one.table: one for one in wanted}, {one.table: one for one in found}
    return tuple(sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name)))
