"""Asking for jobs inside Django's transaction: they exist when it commits, and never if it does not.

There is nothing to put into `on_commit`: the job is a row of the same transaction, and workers see it when others see
the rest.
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from dure.contrib.django.conf import conf
from dure.queue import inside
from dure.queue.model import Enqueued


def enqueue(
    handler: str,
    params: dict[str, Any] | None = None,
    *,
    tenant: str | None = None,
    using: str | None = None,
    **options: Any,
) -> Enqueued:
    """Ask for a job in the transaction that this thread has open; outside of one it exists at once.

    Example: `with transaction.atomic(): order.save(); enqueue("mail.send", {"order": order.pk}, priority=5)`.
    """
    chosen = conf()
    connection = connections[using or chosen.alias]
    return inside.enqueue(connection, tenant or chosen.tenant, handler, params, **options)


async def aenqueue(handler: str, params: dict[str, Any] | None = None, **given: Any) -> Enqueued:
    """The same from an `async` view, in the thread that holds its connection.

    Example: `await aenqueue("mail.send", {"order": 7})`.
    """
    made: Enqueued = await sync_to_async(enqueue, thread_sensitive=True)(handler, params, **given)
    return made
