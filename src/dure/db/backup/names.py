"""Whether all that belongs to the schema is there, asked by name: tables, indexes, channels, releases, extensions."""

import re
from dataclasses import dataclass
from functools import cache

from dure.db import migrate
from dure.db.pool import Connection, Database
from dure.db.sql import load

_TABLE_THERE = load("dure.db", "migration_table")
_FACES = load("dure.db.backup", "names_faces")
_INDEXES = load("dure.db.backup", "names_indexes")
_CHANNELS = load("dure.db.backup", "names_channels")
_RELEASES = load("dure.db.backup", "names_releases")
_EXTENSIONS = load("dure.db.backup", "names_extensions")

TABLES = (
    "agent_registry",
    "agent_hierarchy",
    "agent_versions",
    "realtime_channels",
    "distributed_tasks",
    "agent_communication_logs",
    "agent_performance_history",
)
CHANNELS = (
    "agents.discovery",
    "agents.heartbeat",
    "tasks.distribution",
    "system.health",
    "agents.orchestrator",
    "agents.executor",
    "agents.indexing",
    "agents.research",
)
RELEASES = ("test-system v1.0.0", "orchestrator v2.1.0", "executor v1.8.3", "indexing v1.7.1", "research v1.9.0")
EXTENSIONS = ("uuid-ossp", "vector", "pg_trgm")
"""What older schemas wanted. Dure needs none of them."""

MADE = re.compile(
    r"^\s*create\s+(?:unique\s+)?index\s+(?:if\s+not\s+exists\s+)?([a-z0-9_]+)\s+on\s+dure\.", re.I | re.M
)
DROPPED = re.compile(r"^\s*drop\s+index\s+(?:if\s+exists\s+)?dure\.([a-z0-9_]+)", re.I | re.M)


@dataclass(frozen=True)
class Thing:
    """One name, and how it stands: `ok`, `missing`, `taken` (somebody else's), `invalid`, `available` or `absent`."""

    name: str
    state: str


@dataclass(frozen=True)
class Names:
    """What there is, name by name."""

    problems: tuple[str, ...]
    """What `dure db check` says of the migrations."""
    tables: tuple[Thing, ...]
    indexes: tuple[Thing, ...]
    """Those that migrations make by name."""
    index_count: int
    """All of the schema's tables, those of primary keys too."""
    channels: tuple[Thing, ...]
    releases: tuple[Thing, ...]
    extensions: tuple[Thing, ...]

    @property
    def ok(self) -> bool:
        """Whether all that Dure needs is there; extensions are not needed."""
        needed = (*self.tables, *self.indexes, *self.channels, *self.releases)
        return not self.problems and all(thing.state == "ok" for thing in needed)


async def look(database: Database, tenant: str) -> Names | None:
    """Answer what there is, of channels and releases those of a tenant; None without a schema.

    Example: `names = await look(database, "default")`.
    """
    async with database.owner_tx() as tx:
        row = await (await tx.execute(_TABLE_THERE)).fetchone()
    if row is None or not row[0]:
        return None
    problems = await migrate.check(database)
    async with database.owner_tx() as tx:
        faces = dict(await _pairs(tx, _FACES, {"names": list(TABLES)}))
        indexes = dict(await _pairs(tx, _INDEXES, {}))
        has_agents = "agent" in faces
        channels = dict(await _pairs(tx, _CHANNELS, {"tenant": tenant})) if has_agents else {}
        releases = dict(await _pairs(tx, _RELEASES, {"tenant": tenant})) if has_agents else {}
        extensions = dict(await _pairs(tx, _EXTENSIONS, {"names": list(EXTENSIONS)}))
    return Names(
        problems=tuple(problems),
        tables=_things(TABLES, faces),
        indexes=_things(expected_indexes(), indexes),
        index_count=len(indexes),
        channels=_things(CHANNELS, channels),
        releases=_things(RELEASES, releases),
        extensions=_things(EXTENSIONS, extensions, otherwise="absent"),
    )


@cache
def expected_indexes() -> tuple[str, ...]:
    """Answer the indexes that the migrations make by name. Example: `"job_tenant" in expected_indexes()`."""
    names: dict[str, None] = {}
    for file in migrate.migrations():
        for gone in DROPPED.findall(file.text):
            names.pop(gone, None)
        names.update(dict.fromkeys(MADE.findall(file.text)))
    return tuple(sorted(names))


async def _pairs(tx: Connection, statement: str, values: dict[str, object]) -> list[tuple[str, str]]:
    return [(str(row[0]), str(row[1])) for row in await (await tx.execute(statement.encode(), values)).fetchall()]


def _things(names: tuple[str, ...], found: dict[str, str], *, otherwise: str = "missing") -> tuple[Thing, ...]:
    return tuple(Thing(name, found.get(name, otherwise)) for name in names)
