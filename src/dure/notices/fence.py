"""A fence around a thread in which foreign code speaks to the network: it stands where sockets connect.

Apprise's services connect by themselves, some to hosts out of a URL, some to where they are redirected. Whatever they
were told, Python announces each connection with the address that it really goes to, and may be refused there.
"""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from dure.notices.addresses import Allowed, is_public

CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
ESCAPES = frozenset(
    {
        "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
        # In a thread of its own it would be outside the fence.
        "_thread.start_new_thread", "_thread.start_joinable_thread", "syslog.syslog",
    }
)  # fmt: skip
LOUD = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")
"""Loggers that write URLs, in which secrets are."""


class Fenced(PermissionError):
    """What is fenced wanted to go where it may not."""


class Fence:
    """What one thread may reach, and whether it tried more. Example: see `fenced`."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        # Sockets know addresses only, so the hosts that are allowed by name are looked up beforehand.
        self._named = {address for host in allowed.hosts for address in _addresses(host)}
        self.stopped = False
        """Whether something was refused."""

    def judge(self, event: str, given: tuple[Any, ...]) -> None:
        """Refuse what leads inside, and what leads out of this thread."""
        if event in ESCAPES or (event in CONNECTS and not self._may_reach(given[1])):
            self.stopped = True
            raise Fenced("not allowed while a notice is sent")

    def _may_reach(self, where: Any) -> bool:
        if where is None:
            # The peer of a socket that is connected, which was judged then.
            return True
        if not isinstance(where, tuple) or not isinstance(where[0], str):
            return False
        host = where[0]
        try:
            return is_public(host) or self._allowed.address(host) or host in self._named
        except ValueError:
            return self._allowed.host(host)


class _Here(threading.local):
    fence: Fence | None = None


_HERE = _Here()


@contextmanager
def fenced(allowed: Allowed) -> Iterator[Fence]:
    """Fence this thread in for the block, and keep what it logs to itself.

    Example: `with fenced(allowed) as fence: service.notify(...)`, then look at `fence.stopped`.
    """
    _install()
    fence = Fence(allowed)
    _HERE.fence = fence
    try:
        yield fence
    finally:
        _HERE.fence = None


@cache
def _install() -> None:
    """Set the hook, once for the process: it can never be taken away again."""
    here = _HERE

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if here.fence is not None:
            here.fence.judge(event, given)

    for name in LOUD:
        logging.getLogger(name).addFilter(lambda _record: here.fence is None)
    sys.addaudithook(hook)


def _addresses(host: str) -> set[str]:
    with suppress(OSError, UnicodeError):
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return set()
