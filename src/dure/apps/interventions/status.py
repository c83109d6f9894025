"""How runs of `interventions.generate` went: how many users were looked at, who got one, who none and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dure.apps.interventions.checking import PACKAGE
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.runs.model import Run
from dure.runs.wording import sentence

FAILURES_MAX = 100
FAILED = "generator_failed"
_REASONS = load(PACKAGE, "run_reasons")
_FAILURES = load(PACKAGE, "run_failures")
_APPLIED = load(PACKAGE, "run_applied")
_JOBS = load(PACKAGE, "jobs_ended")
WORDS: Mapping[str, str] = {
    "planning": "running",
    "applying": "running",
    "applied": "completed",
    "empty": "completed",
    "planned": "waiting",
    "approved": "waiting",
}
"""What older programs call a run's state; the others are called as they are."""


@dataclass(slots=True)
class Tally:
    """What a run's plan holds."""

    planned: dict[str, int] = field(default_factory=dict)
    """Creates and updates."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Users who get none, by the code of the reason; those whose advice failed are not among them."""
    missing: dict[str, int] = field(default_factory=dict)
    """Users who lack a kind of record, by kind; one who lacks two counts in both."""
    failed: int = 0

    @property
    def processed(self) -> int:
        """How many users were looked at."""
        return sum(self.planned.values()) + sum(self.skipped.values()) + self.failed

    def add(self, kind: str, code: str | None, kinds: Any, count: int) -> None:
        """Count changes of one kind and reason."""
        if kind != "keep":
            self.planned[kind] = self.planned.get(kind, 0) + count
        elif code == FAILED:
            self.failed += count
        else:
            self.skipped[code or "-"] = self.skipped.get(code or "-", 0) + count
            for one in kinds or ():
                self.missing[one["code"]] = self.missing.get(one["code"], 0) + count


async def tell(database: Database, tenant_id: str, runs: Sequence[Run], lang: str | None) -> list[dict[str, Any]]:
    """Answer how some runs went. Example: `await tell(database, "acme", page.items, "ko")`."""
    async with database.tenant_tx(tenant_id) as tx:
        tallies = await _tallies(tx, tenant_id, [run.id for run in runs])
        applied = await _applied(tx, tenant_id, [run for run in runs if run.applied and run.state != "applied"])
    return [_told(run, tallies[run.id], applied.get(run.id), lang) for run in runs]


async def failures(database: Database, tenant_id: str, run_id: str, lang: str | None) -> list[dict[str, Any]]:
    """Answer the users for whom writing failed, the first hundred of them, each with why."""
    async with database.tenant_tx(tenant_id) as tx:
        values = {"id": run_id, "tenant": tenant_id, "limit": FAILURES_MAX}
        rows = await (await tx.execute(_FAILURES, values)).fetchall()
    return [{"user_id": user, "error": sentence(reason, lang)} for user, reason in rows]


async def jobs_of(database: Database, tenant_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Answer how some jobs stand, by id."""
    async with database.tenant_tx(tenant_id) as tx:
        rows = await (await tx.execute(_JOBS, {"ids": list(ids), "tenant": tenant_id})).fetchall()
    return {
        job_id: {"job_id": job_id, "state": state, "error": f"{name}: {error}" if error else None}
        for job_id, state, name, error in rows
    }


async def _tallies(tx: Connection, tenant_id: str, ids: Sequence[str]) -> dict[str, Tally]:
    found = {run_id: Tally() for run_id in ids}
    for run_id, *row in await (await tx.execute(_REASONS, {"ids": list(ids), "tenant": tenant_id})).fetchall():
        found[run_id].add(*row)
    return found


async def _applied(tx: Connection, tenant_id: str, runs: Sequence[Run]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    if runs:
        values = {"ids": [run.id for run in runs], "tenant": tenant_id}
        for run_id, kind, count in await (await tx.execute(_APPLIED, values)).fetchall():
            found.setdefault(run_id, {})[kind] = count
    return found


def _told(run: Run, tally: Tally, applied: Mapping[str, int] | None, lang: str | None) -> dict[str, Any]:
    made = tally.planned if run.state == "applied" else applied or {}
    return {
        "run_id": run.id,
        "job_id": run.job_id,
        "status": WORDS.get(run.state, run.state),
        "state": run.state,
        "author": run.author,
        "date": run.params.get("date"),
        "period": run.params.get("period"),
        "kind": run.params.get("kind"),
        "redo": bool(run.params.get("redo")),
        "processed": tally.processed,
        "created": made.get("create", 0),
        "updated": made.get("update", 0),
        "skipped": tally.skipped,
        "missing": tally.missing,
        "failed": tally.failed + run.failed,
        "conflicts": run.conflicts,
        "error": sentence(run.reason, lang) or None,
        "rolled_back": run.rolled_back,
        "started_at": run.created_at.isoformat(),
        "completed_at": None if run.finished_at is None else run.finished_at.isoformat(),
    }
