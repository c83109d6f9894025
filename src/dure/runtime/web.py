"""The HTTP server inside a process that does other things too: uvicorn, without its hands on our signals."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import uvicorn

from dure.errors import Invalid
from dure.runtime.problems import CannotListen, PortInUse

BACKLOG = 2048
DRAIN_S = 3
"""How long open requests may go on when the server stops; an event stream would go on for ever."""


def bind(host: str, port: int) -> socket.socket:
    """Answer a listening socket; port 0 lets the system choose. Raises `PortInUse` or `CannotListen`.

    Example: `bind("127.0.0.1", 0).getsockname()[1]`.
    """
    try:
        family, *_rest, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise Invalid(field="host", reason="wrong_format", expected="127.0.0.1") from error
    # Named TCP, or asyncio leaves Nagle's delay on for what it accepts: 40 ms an answer on a kept connection.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port whose last connections are still closing is free for us; one that somebody listens on is not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host=host, port=port) from error
        raise CannotListen(host=host, port=port, reason=error.strerror or str(error)) from error
    return listener


def is_loopback(host: str) -> bool:
    """Answer whether only this machine reaches that address. Example: `is_loopback("localhost")`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(listener: socket.socket, host: str) -> str:
    """Answer what to type into a browser. Example: `url_of(listener, "0.0.0.0")` names this machine."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


class HttpServer:
    """An ASGI application on a socket that is bound already.

    Example: `server = HttpServer(app, bind("127.0.0.1", 0)); await server.start()`.
    """

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        *,
        stopping: asyncio.Event | None = None,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            # A header must not be able to say that a request came from this machine.
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
            ws="none",
        )
        self._server = _Server(config)
        self._listener = listener
        self._stopping = stopping
        self._then = then
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The real port, also when 0 was asked for."""
        return int(self._listener.getsockname()[1])

    async def start(self) -> None:
        """Serve; returns when requests are answered."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="dure.http")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            ready.cancel()
            self._task.result()
            raise RuntimeError("the HTTP application did not start; its log says why")

    async def stop(self) -> None:
        """Answer what was asked already, then close; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            if self._stopping is not None:
                # Event streams end now; the server would wait for them.
                self._stopping.set()
            self._server.should_exit = True
            await asyncio.wait({task})
        self._listener.close()
        if self._then is not None:
            await self._then()


class _Server(uvicorn.Server):
    """Signals belong to the process's main part, and readiness is an event rather than a flag to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self.ready.set()
