"""Waiting for something that sends no signal, as when another process must have got somewhere."""

import asyncio
from collections.abc import Callable

TIMEOUT_S = 20.0
STEP_S = 0.01


async def until(happened: Callable[[], object]) -> None:
    """Return as soon as `happened()` is true; an error when it does not become so."""
    async with asyncio.timeout(TIMEOUT_S):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(STEP_S)
