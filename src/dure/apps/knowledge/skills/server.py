"""A small real skill server: MCP at `/mcp`, plain HTTP beside it, every tenant's skills in folders of their own.

Whoever holds the token is a back end that may name any tenant; without a token only this machine is served.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from dure.apps.knowledge.skills.gate import BODY_BYTES_MAX, Gate
from dure.apps.knowledge.skills.routes import Routes
from dure.apps.knowledge.skills.shelf import Shelf
from dure.apps.knowledge.skills.tools import build
from dure.runtime.web import HttpServer, bind, is_loopback, url_of

PORT = 8765
DEFAULT_TENANT = "default"
"""Whose skills those are that nobody names a tenant for."""
MCP_PATH = "/mcp"


def create_app(
    root: Path,
    *,
    builtin: Path | None = None,
    token: str | None = None,
    default_tenant: str = DEFAULT_TENANT,
    loopback: bool = True,
) -> Starlette:
    """Answer the ASGI application; its lifespan must run, as `SkillServer` and uvicorn do.

    `builtin` is a folder of skills that everybody reads and nobody changes. `loopback=False` needs a token.
    Example: `uvicorn.run(create_app(Path("skills")), port=8765)`.
    """
    shelf = Shelf(root, builtin=builtin)
    server = build(shelf, default_tenant)
    # The gate has checked where a request comes from; each stands for itself, so that no session can be lost.
    mcp = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_BYTES_MAX,
        host="0.0.0.0",  # noqa: S104
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    return Starlette(
        routes=[*Routes(shelf, default_tenant).table(), *mcp.routes],
        middleware=[Middleware(Gate, token=token, loopback=loopback)],
        lifespan=lifespan,
    )


class SkillServer:
    """The skill server in this process, on a socket of its own; `start()` returns when it answers.

    Example: `server = serve(Path("skills"), port=0); await server.start(); server.url`.
    """

    def __init__(self, app: Starlette, http: HttpServer, url: str) -> None:
        self._app = app
        self._http = http
        self._ending = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self.url = url
        """Its MCP endpoint, for `MCP_SERVER_URL`."""

    async def start(self) -> None:
        """Serve; returns when requests are answered."""
        if self._life is not None:
            return
        ready = asyncio.Event()
        self._life = asyncio.create_task(self._live(ready), name="dure.skills")
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._life.done():
            await self._life

    async def stop(self) -> None:
        """Answer what was asked already, then close; may be called twice."""
        self._ending.set()
        if self._life is not None:
            await asyncio.wait({self._life})

    async def _live(self, ready: asyncio.Event) -> None:
        # The lifespan is entered and left in one task, as its task group demands.
        async with self._app.router.lifespan_context(self._app):
            await self._http.start()
            ready.set()
            await self._ending.wait()
            await self._http.stop()


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    builtin: Path | None = None,
    token: str | None = None,
    default_tenant: str = DEFAULT_TENANT,
) -> SkillServer:
    """Bind the socket and answer a server to be started; any address but this machine's own needs a token.

    Example: `serve(Path("skills"), host="0.0.0.0", token=secret)`.
    """
    loopback = is_loopback(host)
    app = create_app(root, builtin=builtin, token=token, default_tenant=default_tenant, loopback=loopback)
    # Starlette builds its middleware with the first request, which is too late to refuse to listen.
    Gate(app, token=token, loopback=loopback)
    listener = bind(host, port)
    return SkillServer(app, HttpServer(app, listener), f"{url_of(listener, host)}{MCP_PATH}")
