"""What agents did: samples as they come, added up by the minute, and read as counts and quantiles.

A sample is removed in the statement that adds it to its minute, so it counts once, whoever rolls up and however often;
one that comes late is added to the minute that it belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dure.agents.gates import Counts
from dure.agents.histograms import Histogram
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Invalid

BATCH = 5_000
BATCHES_MAX = 20
"""So many in one go; what is left is done the next time."""
KEEP_DAYS = 30
PRUNE_STEP = 2_000
MINUTES_MAX = 44_640
"""A month: so far may `from` and `until` be apart."""

_ROLL_UP = load("dure.agents", "sample_roll_up")
_PRUNE = load("dure.agents", "minute_prune")
_READ = load("dure.agents", "minute_read")
_COUNTS = load("dure.agents", "minute_counts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What a version of a class did in a span of time, or one agent of it, or one minute of that."""

    class_: str
    version: str
    agent_id: str | None
    minute: datetime | None
    agents: int
    tasks_ok: int
    tasks_failed: int
    errors: int
    leases_lost: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None

    @property
    def success_rate(self) -> float | None:
        """Answer the share of tasks that were done; None when there were none."""
        tasks = self.tasks_ok + self.tasks_failed
        return self.tasks_ok / tasks if tasks else None


class Metrics:
    """Reads what agents did. Example: `await Metrics(database).of("acme", class_="executor")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self,
        tenant_id: str,
        *,
        class_: str | None = None,
        agent_id: str | None = None,
        version: str | None = None,
        from_at: datetime | None = None,
        until_at: datetime | None = None,
        by: str = "version",
    ) -> tuple[Performance, ...]:
        """Answer what was done from one minute on and before another, in the last hour if nothing is said: by
        `version`, by `agent`, or by `minute` of each version.
        """
        if by not in ("version", "agent", "minute"):
            raise Invalid(field="by", reason="not_one_of", expected="version, agent, minute")
        values = {
            "tenant_id": tenant_id, "class": class_, "agent_id": agent_id, "version": version, "from": from_at,
            "until": until_at, "by": by, "minutes_max": MINUTES_MAX,
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(_READ, values)).fetchall()
        return tuple(_performance(row) for row in rows)


async def roll_up(database: Database, *, keep_days: int = KEEP_DAYS) -> int:
    """Add samples to their minutes, and remove minutes that are too old; answer how many samples that were.

    Example: `await roll_up(database)`; every worker does it about once a second, and two at once do no harm.
    """
    total = 0
    for _batch in range(BATCHES_MAX):
        async with database.system_tx() as tx:
            row = await (await tx.execute(_ROLL_UP, {"limit": BATCH})).fetchone()
        found = int(row[0]) if row is not None else 0
        total += found
        if found < BATCH:
            break
    async with database.system_tx() as tx:
        await tx.execute(_PRUNE, {"keep_days": keep_days, "most": PRUNE_STEP})
    return total


async def counts_of(
    tx: Connection,
    tenant_id: str,
    class_: str,
    to_version: str,
    *,
    new_from: datetime,
    old_from: datetime,
    old_until: datetime | None,
) -> tuple[Counts, Counts]:
    """Answer what a version did, and all others of its class, for gates. Without `old_until` only minutes count in
    which both did something: the same window.
    """
    values = {
        "tenant_id": tenant_id, "class": class_, "version": to_version, "new_from": new_from, "old_from": old_from,
        "old_until": old_until,
    }  # fmt: skip
    rows = {row[0]: row[1:] for row in await (await tx.execute(_COUNTS, values)).fetchall()}
    return _counts(rows.get(True)), _counts(rows.get(False))


def _counts(row: Sequence[Any] | None) -> Counts:
    if row is None:
        return Counts()
    done, failed, errors, minutes, lost, latency = row
    return Counts(
        tasks_ok=done,
        tasks_failed=failed,
        errors=errors,
        agent_minutes=minutes,
        minutes_lost=lost,
        latency=Histogram(tuple(latency)),
    )


def _performance(row: Sequence[Any]) -> Performance:
    class_, version, agent_id, minute, agents, done, failed, errors, lost, latency = row
    counted = Histogram(tuple(latency))
    return Performance(
        class_=class_,
        version=version,
        agent_id=agent_id,
        minute=minute,
        agents=agents,
        tasks_ok=done,
        tasks_failed=failed,
        errors=errors,
        leases_lost=lost,
        latency_p50_ms=counted.quantile(0.5),
        latency_p95_ms=counted.quantile(0.95),
        latency_p99_ms=counted.quantile(0.99),
    )
