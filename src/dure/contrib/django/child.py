"""Where a process of its own runs a handler of a Django project: Django is made ready before anything else is.

Importing this module is what makes it ready, so it is imported by such processes alone.
"""

from functools import cache
from typing import Any

import django

from dure.queue.context import Context
from dure.queue.hands import arguments

django.setup()

from dure.contrib.django.conf import dure_settings  # noqa: E402
from dure.contrib.django.handling import DjangoRegistry  # noqa: E402


def run(_params: dict[str, Any], ctx: Context) -> Any:
    """Run the plain function that handles the job in hand."""
    loaded = _handlers().find(ctx.job.handler)
    return loaded.call(*arguments(ctx.job, loaded, ctx))


async def run_async(_params: dict[str, Any], ctx: Context) -> Any:
    """Run the `async` function that handles the job in hand."""
    loaded = _handlers().find(ctx.job.handler)
    return await loaded.call(*arguments(ctx.job, loaded, ctx))


@cache
def _handlers() -> DjangoRegistry:
    return DjangoRegistry.of(dure_settings())
