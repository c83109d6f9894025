"""Asking for notices in the transaction that makes them true, and delivering each as a job of its own."""

import psycopg

from dure import logs
from dure.db.pool import Connection
from dure.errors import DureError
from dure.notices import apprise, webhook
from dure.notices.addresses import Allowed
from dure.notices.model import Delivery, Notice
from dure.notices.targets import find, targets
from dure.notices.words import link, render
from dure.queue.client import enqueue_on
from dure.queue.context import Context
from dure.queue.model import NewJob
from dure.queue.registry import handler
from dure.settings import Settings, load

HANDLER = "dure.notice"
MAX_RETRIES = 20
TIMEOUT_S = 120.0
ONCE_FOR_S = 90 * 86_400.0


async def announce(tx: Connection, tenant_id: str, notice: Notice, settings: Settings) -> int:
    """Ask for one job per target in the caller's transaction; answer how many there are for this notice.

    What is said twice is sent once. A notice that cannot be asked for is logged and hurts nothing else: the caller's
    transaction goes on.
    Example: `await announce(tx, run.tenant_id, Notice(event="failed", ...), settings)`.
    """
    if notice.event not in settings.notice_events:
        return 0
    jobs = [
        NewJob(
            handler=HANDLER,
            params=Delivery(target=name, notice=notice).model_dump(mode="json"),
            unique_key=f"notice:{notice.run_id}:{notice.event}:{name}:{notice.digest()}",
            unique_for_s=ONCE_FOR_S,
        )
        for name in targets(settings)
    ]
    if not jobs:
        return 0
    try:
        async with tx.transaction():
            return len(await enqueue_on(tx, tenant_id, jobs))
    except (DureError, psycopg.Error) as error:
        logs.get("notices").warning("notice.not_asked_for", run_id=notice.run_id, reason=str(error))
        return 0


@handler(HANDLER, max_retries=MAX_RETRIES, timeout_s=TIMEOUT_S)
async def deliver(params: Delivery, ctx: Context) -> dict[str, str]:
    """Tell one target of a run: by a signed webhook, or through Apprise."""
    # Read here and not at the start: the job knows the target's name alone, and its URL is in no row.
    settings = load()
    target, notice = find(settings, params.target), params.notice
    allowed = Allowed.of(settings.notice_allow)
    if target.is_webhook:
        data = {**notice.model_dump(mode="json"), "url": link(notice, settings.public_url)}
        at = data.pop("happened_at")
        message = webhook.Message(ctx.idempotency_key, f"run.{notice.event}", at, data)
        await webhook.post(target.url, message, settings.notice_secrets, allowed)
    else:
        await apprise.send(target.url, render(notice, settings.lang, settings.public_url), allowed)
    return {"target": target.name}
