"""Migrations: numbered plain SQL files, each applied once, in its own transaction.

`NNNN_name.pre.sql` only adds and runs before the new code; `NNNN_name.post.sql` removes, and runs when no
old code is left. A fresh database gets both. A file can be run again from its start and is never edited once
released: its sha256 is kept, and a file that differs is refused.

Two processes that start together both migrate. Each file's transaction begins with the same advisory lock
and then looks whether the file was applied meanwhile, so each file is applied once, whoever does it. The
lock belongs to the transaction and not to a session, because sessions mean nothing behind a transaction
pooler.

A file that must lock a busy table waits `LOCK_TIMEOUT_S` and no longer, since everybody else queues behind
it; then it lets go and tries again.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import metadata, resources
from typing import Literal, cast

import psycopg
from psycopg import sql

from dure import logs
from dure.clock import Backoff
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, TimedOut
from dure.lang import say

Phase = Literal["pre", "post"]

LOCK_KEY = int.from_bytes(b"dure.mig")
LOCK_TIMEOUT_S = 5.0
LOCK_ATTEMPTS = 60
FACES = load("dure.db", "migration_faces")
FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.(?P<phase>pre|post)\.sql")

_APPLIED = load("dure.db", "migration_applied")
_TABLE = load("dure.db", "migration_table")
_LOCK = load("dure.db", "migration_lock")
_RECORD = load("dure.db", "migration_record")
_SEAL = load("dure.db", "migration_seal")
_PART = load("dure.db", "migration_part")
_AGENTS_NOTICES = load("dure.db", "agents_notices")
_AGENTS_REPORT = load("dure.db", "agents_report")


@dataclass(frozen=True)
class Migration:
    """One file. Example: `Migration(1, "foundation", "pre", "create schema …")`."""

    number: int
    name: str
    phase: Phase
    text: str

    @property
    def checksum(self) -> str:
        """The sha256 of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """What people call it. Example: `0001_foundation.pre`."""
        return _label(self.number, self.name, self.phase)


@dataclass(frozen=True)
class Applied:
    """A migration that `migrate` has applied just now."""

    number: int
    name: str
    phase: Phase
    took_s: float


@dataclass(frozen=True)
class MigrationStatus:
    """One migration as the database has it; `applied_at` is None while it is pending."""

    number: int
    name: str
    phase: Phase
    applied_at: datetime | None
    changed: bool
    """Whether the file differs from the one that was applied."""
    known: bool
    """Whether this version of Dure has the file."""

    @property
    def label(self) -> str:
        """What people call it. Example: `0001_foundation.pre`."""
        return _label(self.number, self.name, self.phase)


@cache
def migrations() -> tuple[Migration, ...]:
    """Answer all migrations in the order in which a fresh database gets them.

    Example: `migrations()[-1].number`.
    """
    found = []
    for file in resources.files("dure.db").joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = FILE_NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{file.name} is no name of a migration: NNNN_name.pre.sql or NNNN_name.post.sql")
        # A checkout with other line ends is the same migration.
        text = file.read_text(encoding="utf-8").replace("\r\n", "\n")
        found.append(Migration(int(match["number"]), match["name"], cast("Phase", match["phase"]), text))
    return tuple(sorted(found, key=lambda migration: _order(migration.number, migration.phase)))


async def migrate(database: Database, *, post: bool = True, wanted: Sequence[Migration] | None = None) -> list[Applied]:
    """Apply what is pending and answer what was applied; without `post`, only what old code can live with.

    Raises `Conflict` when an applied file was changed, or when something is pending below an unknown newer
    migration. Example: `await migrate(database)`.
    """
    wanted = migrations() if wanted is None else wanted
    states = await status(database, wanted=wanted)
    _require_unchanged(states)
    pending = {state.label for state in states if state.applied_at is None}
    applied = []
    for migration in wanted:
        if migration.label in pending and (post or migration.phase == "pre"):
            if newer := next((state for state in states if not state.known), None):
                raise Conflict("migration_newer", number=newer.number)
            done = await _apply(database, migration)
            applied += [done] if done else []
    if not applied and states:
        async with database.owner_tx() as tx:
            await tx.execute(FACES)
    return applied


async def status(database: Database, *, wanted: Sequence[Migration] | None = None) -> list[MigrationStatus]:
    """Answer every migration, known or only found in the database, in order.

    Example: `await status(database)`.
    """
    files = {(file.number, file.phase): file for file in (migrations() if wanted is None else wanted)}
    async with database.owner_tx() as tx:
        rows = {(row[0], row[2]): row for row in await _applied(tx)}
    states = []
    for number, phase in sorted({*files, *rows}, key=lambda key: _order(*key)):
        file, row = files.get((number, phase)), rows.get((number, phase))
        states.append(
            MigrationStatus(
                number=number,
                name=file.name if file else str(row[1]) if row else "",
                phase=phase,
                applied_at=row[4] if row else None,
                changed=bool(file and row and file.checksum != row[3]),
                known=file is not None,
            )
        )
    return states


async def check(database: Database, *, wanted: Sequence[Migration] | None = None) -> list[str]:
    """Answer what is wrong, a sentence each; an empty list means that database and code fit.

    Example: `problems = await check(database)`.
    """
    problems = []
    for state in await status(database, wanted=wanted):
        if not state.known:
            problems.append(say("db.newer", name=state.label))
        elif state.applied_at is None:
            problems.append(say("db.pending", name=state.label))
        elif state.changed:
            problems.append(say("db.changed", name=state.label))
    return problems


def script(*, include_post: bool = True, agents: bool = False, wanted: Sequence[Migration] | None = None) -> str:
    """Answer one script that does the same as `migrate` in any SQL editor, as often as one likes.

    Plain SQL, no commands of psql; it works in one transaction or in many. With `agents` it says at its end what there
    is of agents, as notices and as rows: many editors show only the last statement's rows. Example: `print(script())`.
    """
    files = [file for file in (migrations() if wanted is None else wanted) if include_post or file.phase == "pre"]
    version = metadata.version("dure")
    done = say("db.script_done", version=version, number=files[-1].number if files else 0)
    head = f"-- Dure {version}: installs or upgrades the schema dure. What is there already is left alone.\n"
    parts = [part(file) for file in files]
    end = [f"{_AGENTS_NOTICES};\n", f"{_AGENTS_REPORT};\n"] if agents else [f"select {_literal(done)} as message;\n"]
    return "\n".join([head, *parts, f"{FACES};\n", *end])


def part(migration: Migration) -> str:
    """Answer one file as a statement that asks for itself whether it is needed.

    Example: `part(migrations()[0])`.
    """
    filled = _PART.format(
        outer=_tag(migration, "part"),
        inner=_tag(migration, "file"),
        lock=LOCK_KEY,
        table=_TABLE,
        number=migration.number,
        name=_literal(migration.name),
        phase=_literal(migration.phase),
        checksum=_literal(migration.checksum),
        changed=_literal(say("db.changed", name=migration.label)),
        text=migration.text,
    )
    return f"-- {migration.label}\n{filled};\n"


async def _apply(database: Database, migration: Migration) -> Applied | None:
    """Apply one file, or answer None when another process has done so."""
    log = logs.get("migrate")
    backoff = Backoff(first_s=0.05, max_s=2.0)
    for _attempt in range(LOCK_ATTEMPTS):
        began = time.monotonic()
        try:
            if not await _try_apply(database, migration):
                return None
        except psycopg.errors.LockNotAvailable:
            log.warning("migration.waits", name=migration.label)
            await asyncio.sleep(backoff.next_s())
            continue
        took_s = time.monotonic() - began
        log.info("migration.applied", name=migration.label, took_s=round(took_s, 3))
        return Applied(migration.number, migration.name, migration.phase, took_s)
    raise TimedOut(what=migration.label, after_s=LOCK_ATTEMPTS * LOCK_TIMEOUT_S)


async def _try_apply(database: Database, migration: Migration) -> bool:
    async with database.owner_tx() as tx:
        await tx.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_S * 1000:.0f}ms"])
        await tx.execute(_LOCK, [LOCK_KEY])
        if any((row[0], row[2]) == (migration.number, migration.phase) for row in await _applied(tx)):
            return False
        # Without parameters it goes as one simple query, which may hold many statements.
        try:
            await tx.execute(migration.text, prepare=False)
        except psycopg.Error as error:
            error.add_note(f"in migration {migration.label}")
            raise
        await tx.execute(_RECORD, [migration.number, migration.name, migration.phase, migration.checksum])
        await tx.execute(_SEAL)
    return True


async def _applied(tx: Connection) -> list[tuple[int, str, Phase, str, datetime]]:
    exists = await (await tx.execute(_TABLE)).fetchone()
    if not (exists and exists[0]):
        return []
    rows = await (await tx.execute(_APPLIED)).fetchall()
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


def _require_unchanged(states: Sequence[MigrationStatus]) -> None:
    for state in states:
        if state.changed:
            raise Conflict("migration_changed", name=state.label)


def _tag(migration: Migration, role: str) -> str:
    """Answer a dollar quote that the file does not contain."""
    tag = f"$dure_{role}_{migration.number:04}$"
    while tag in migration.text:
        tag = f"{tag[:-1]}x$"
    return tag


def _literal(text: str) -> str:
    return sql.Literal(text).as_string(None)


def _order(number: int, phase: Phase) -> tuple[int, bool]:
    return number, phase == "post"


def _label(number: int, name: str, phase: Phase) -> str:
    return f"{number:04}_{name}.{phase}"
