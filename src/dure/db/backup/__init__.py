"""Backup, restore and verification of the schema `dure`.

A backup is one file of plain SQL that any client can run: the migrations that the database has, then every row as
INSERTs. Its head lists the tables with the number of their rows and a sha256 over them, its last line is the
sha256 of all that stands before; so a file that was cut short or changed is known as such, and a restored database is
compared with what was saved. See `layout` for the form of the file.

`dumping` writes one, `restoring` brings one back, `proving` restores one into an empty database and compares, `names`
says whether all that belongs to the schema is there.
"""

from dure.db.backup.dumping import Backup, dump
from dure.db.backup.layout import Head, inspect
from dure.db.backup.model import LATEST, BackupError, TableSum
from dure.db.backup.names import Names, look
from dure.db.backup.proving import Proof, prove
from dure.db.backup.restoring import Restored, restore

__all__ = [
    "LATEST",
    "Backup",
    "BackupError",
    "Head",
    "Names",
    "Proof",
    "Restored",
    "TableSum",
    "dump",
    "inspect",
    "look",
    "prove",
    "restore",
]
