"""Named points where a test can make the code fail, stop or wait.

Code under test calls `faults.hit("after_claim")`. Nothing happens unless a test armed that name. This is the
one place with module-level state, on purpose: a fault must be reachable from any depth, and only tests ever
set it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_armed: dict[str, Callable[[], None]] = {}


def hit(point: str) -> None:
    """Do what a test asked for at this point; otherwise cost one look into an empty dictionary.

    Example: `faults.hit("after_claim")`.
    """
    if _armed and (action := _armed.get(point)) is not None:
        action()


@contextmanager
def armed(point: str, action: Callable[[], None]) -> Iterator[None]:
    """Call `action` whenever `point` is hit within the block; what it raises comes out at that point.

    Example: `with faults.armed("after_claim", crash): …`.
    """
    if point in _armed:
        raise RuntimeError(f"{point} is armed already")
    _armed[point] = action
    try:
        yield
    finally:
        del _armed[point]
