"""Time as a value: pure code takes a `Clock`, so a test can stand still or leap.

Only for waiting and measuring. Facts and decisions (due, expired, elapsed) use the database's clock,
`dure.now()`.
"""

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """What pure code may know of time."""

    def monotonic(self) -> float:
        """Answer seconds since some moment; never goes back."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        ...


class SystemClock:
    """The clock of this machine. Example: `worker = Worker(clock=SystemClock())`."""

    def monotonic(self) -> float:
        """Answer seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        await asyncio.sleep(delay_s)


class Backoff:
    """Delays that double up to a limit, with jitter so that many who fail together do not come back together.

    Example: `delay_s = Backoff(first_s=0.1, max_s=30).next_s()`; `reset()` after a success.
    """

    def __init__(
        self,
        *,
        first_s: float = 0.1,
        max_s: float = 30.0,
        jitter: float = 0.5,
        source: random.Random | None = None,
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._jitter = jitter
        self._source = source or random.SystemRandom()
        self._failures = 0

    def next_s(self) -> float:
        """Answer how long to wait this time: at most the delay, at least that without its jitter."""
        # The exponent is bounded: a server that is away for a week must not make the power overflow.
        delay_s = min(self._max_s, self._first_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return jittered(delay_s, self._jitter, self._source)

    def reset(self) -> None:
        """Begin with the first delay again."""
        self._failures = 0


def jittered(delay_s: float, share: float, source: random.Random) -> float:
    """Take up to `share` of the delay away, evenly.

    Example: `jittered(1.0, 0.1, Random())` is in 0.9 … 1.0.
    """
    return delay_s * (1.0 - share * source.random())
