"""Telling people of a run, in the transaction in which it became so."""

from dure.db.pool import Connection
from dure.notices.handlers import announce
from dure.notices.model import Notice
from dure.runs.model import Run
from dure.runs.wording import sentence
from dure.settings import NoticeEvent, Settings

EVENTS: dict[str, NoticeEvent] = {
    "planned": "waiting",
    "refused": "refused",
    "failed": "failed",
    "empty": "empty",
    "applied": "applied",
    "partial": "partial",
    "cancelled": "cancelled",
    "rejected": "rejected",
}


async def tell(tx: Connection, run: Run, settings: Settings) -> None:
    """Ask for the notices of what a run has come to; nothing for a state that is no news."""
    event = EVENTS.get(run.state)
    happened_at = run.finished_at or run.planned_at
    if event is None or happened_at is None:
        return
    counts = {name: int(count) for name, count in run.counts.items() if count}
    if run.started_at is not None:
        counts |= {"applied": run.applied, "conflicts": run.conflicts, "failed": run.failed, "skipped": run.skipped}
    notice = Notice(
        event=event,
        run_id=run.id,
        tenant_id=run.tenant_id,
        operation=run.operation,
        happened_at=happened_at,
        counts=counts,
        reason=sentence(run.reason, settings.lang) if run.reason else "",
        rollback_of=run.rollback_of,
    )
    await announce(tx, run.tenant_id, notice, settings)
