"""A socket between client and server that can fall silent or break, as networks do."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


class Proxy:
    """Forwards bytes; `silent` keeps every connection open and forwards nothing more."""

    def __init__(self, target: str, directory: Path) -> None:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        self._target = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._path = directory / f".s.PGSQL.{query['port'][0]}"
        self.url = urlunsplit(parts._replace(query=f"host={quote(str(directory))}&port={query['port'][0]}"))
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    async def stop(self) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        """Nothing goes through from now on, for those who are connected and those who come."""
        self._open.clear()

    def resume(self) -> None:
        """Those who come from now on are served; the silent ones stay silent, as half-open sockets do."""
        self._open = asyncio.Event()
        self._open.set()

    async def refuse(self) -> None:
        """Break all connections and take none."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            self._server = None
        for writer in self._writers:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        self._writers |= {writer, far_writer}
        for one, other in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._forward(one, other, self._open))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await is_open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    with tempfile.TemporaryDirectory(prefix="dure-proxy-") as directory:
        proxy = Proxy(url, Path(directory))
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.stop()
