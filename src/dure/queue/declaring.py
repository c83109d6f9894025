"""Telling the database what this process knows: which handlers there are, what they accept, how large payloads may be.

The database checks every job against it, whoever asks. A handler that is only an entry in a table declares its name;
what its function says of itself follows when it is first imported.
"""

import json
from collections.abc import Sequence
from hashlib import sha256

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.queue.registry import Registry, Spec
from dure.settings import Settings

DECLARE = load("dure.queue", "declare")
DECLARE_NAMES = load("dure.queue", "declare_names")
DECLARE_LIMITS = load("dure.queue", "declare_limits")
DECLARED = load("dure.queue", "declared")
NOTE_DECLARED = load("dure.queue", "note_declared")
NOTE_SETTING = load("dure.queue", "note_setting")

SHARED = frozenset({"payload_bytes_max", "payload_depth_max"})
"""Settings that the database enforces; written only when set, so that one process's defaults undo nobody's choice."""


async def declare(database: Database, registry: Registry, settings: Settings | None = None) -> None:
    """Tell the database which handlers there are, unless it was told just this already.

    Example: `await declare(database, Registry.build(["myapp.jobs"]))`.
    """
    specs, names = registry.described(), registry.entries()
    digest = sha256("\n".join([json.dumps([spec.declaration() for spec in specs]), *names]).encode()).hexdigest()
    chosen = SHARED & settings.model_fields_set if settings is not None else set()
    async with database.system_tx() as tx:
        for name in sorted(chosen):
            await tx.execute(NOTE_SETTING, {"name": name, "value": json.dumps(getattr(settings, name))})
        row = await (await tx.execute(DECLARED)).fetchone()
        if row is not None and row[0] == digest:
            return
        await tx.execute(DECLARE_NAMES, {"names": names})
        await _write(tx, specs)
        await tx.execute(NOTE_DECLARED, {"digest": digest})


async def declare_imported(database: Database, spec: Spec) -> None:
    """Tell the database what an entry's function says of itself, now that it was imported.

    Example: `await declare_imported(database, registry.find("mail.send").spec)`.
    """
    async with database.system_tx() as tx:
        await _write(tx, [spec])


async def _write(tx: Connection, specs: Sequence[Spec]) -> None:
    if specs:
        await tx.execute(DECLARE, {"handlers": json.dumps([spec.declaration() for spec in specs])})
        await tx.execute(DECLARE_LIMITS, {"handlers": [spec.name for spec in specs]})
