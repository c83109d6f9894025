"""Channels: messages published a second, and how long they take to a thousand subscribers. `python -m bench.channels`.

Everything happens in a database of its own in an embedded server, made and dropped here. The server of the streams is a
process of its own; its clients are in this one, and read raw sockets, so that they cost little.
"""

import argparse
import asyncio
import re
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import monotonic

from dure import logs
from dure.agents.audit import Audit
from dure.agents.channels import Caller, Channels, NewChannel, NewMessage, tend
from dure.agents.streaming import Hub
from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.http.app import create_app
from dure.http.services import Services
from dure.metrics import Registry
from dure.runtime.web import HttpServer, bind
from dure.settings import Settings

TENANT = "bench"
CALLER = Caller("bench", "admin")
PUBLISHERS = 8
BATCH = 100
RATE_PER_S = 5
MESSAGES = 40
LOG_ROWS = 50_000
FILES = 8_192
FILL = """
    insert into dure.agent_log_new
        (tenant_id, from_agent, to_agent, protocol, kind, task_id, trace_id, size_bytes, latency_ms, ok)
    select 'bench', 'a' || n %% 100, 'b' || n %% 50, 'claim', 'task', gen_random_uuid(), 't' || n, n %% 900,
           random() * 100, true
    from generate_series(1, %s) n
"""


# PostgreSQL puts a JSON object's names in order of their length.
FIGURES = re.compile(rb'"n":(?P<n>\d+),"text":"x+","sent_at":(?P<sent_at>[\d.]+)')


class Taken:
    """When each subscriber was given each message, after it was sent."""

    def __init__(self) -> None:
        self.late_s: dict[int, list[float]] = {}

    def add(self, n: int, sent_at: float) -> None:
        self.late_s.setdefault(n, []).append(monotonic() - sent_at)

    def count(self) -> int:
        return sum(len(found) for found in self.late_s.values())

    def line(self) -> str:
        every = [late for found in self.late_s.values() for late in found]
        lasts = [max(found) for found in self.late_s.values()]
        p95 = quantiles(every, n=20)[-1]
        return (
            f"p50 {median(every) * 1000:6.1f} ms  p95 {p95 * 1000:6.1f} ms  the last one, median of messages "
            f"{median(lasts) * 1000:6.1f} ms, worst {max(lasts) * 1000:6.1f} ms"
        )


async def rate(seconds: float, publishers: Sequence[Callable[[], Awaitable[int]]]) -> float:
    """Answer how many messages these publish in a second, all at once, each one after the other."""
    until, began, count = monotonic() + seconds, monotonic(), 0

    async def go_on(publish: Callable[[], Awaitable[int]]) -> None:
        nonlocal count
        while monotonic() < until:
            published = await publish()
            count += published

    await asyncio.gather(*map(go_on, publishers))
    return count / (monotonic() - began)


async def publishing(channels: Channels, seconds: float) -> None:
    body = {"event": "done", "text": "x" * 200}

    def single(name: str) -> Callable[[], Awaitable[int]]:
        async def publish() -> int:
            await channels.publish(TENANT, name, body, caller=CALLER)
            return 1

        return publish

    async def batch() -> int:
        await channels.publish_many(TENANT, "c0", [NewMessage(body)] * BATCH, caller=CALLER)
        return BATCH

    for title, publishers in (
        ("one publisher, one by one", [single("c0")]),
        (f"{PUBLISHERS} publishers, one channel", [single("c0")] * PUBLISHERS),
        (f"{PUBLISHERS} publishers, a channel each", [single(f"c{n}") for n in range(PUBLISHERS)]),
        (f"one publisher, batches of {BATCH}", [batch]),
    ):
        print(f"published: {title:<36} {await rate(seconds, publishers):9,.0f} messages/s")


async def send(channels: Channels, ready: Callable[[], bool], taken: Taken, subscribers: int) -> None:
    """Publish messages at a steady pace once all listen; return when all have come."""
    while not ready():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    for n in range(MESSAGES):
        await channels.publish(TENANT, "live", {"n": n, "sent_at": monotonic(), "text": "x" * 200}, caller=CALLER)
        await asyncio.sleep(1 / RATE_PER_S)
    async with asyncio.timeout(60):
        while taken.count() < subscribers * MESSAGES:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def in_process(database: Database, settings: Settings, subscribers: int) -> None:
    hub, taken = Hub(database, settings), Taken()

    async def listen() -> None:
        async for told in hub.watch(TENANT, "live"):
            taken.add(told.message.body["n"], told.message.body["sent_at"])

    tasks = [asyncio.create_task(listen()) for _ in range(subscribers)]
    await send(Channels(database), lambda: hub.subscribers == subscribers, taken, subscribers)
    await hub.stop()
    await asyncio.gather(*tasks)
    print(f"fan-out, {subscribers:,} subscribers in one process       {taken.line()}")


async def over_http(database: Database, url: str, subscribers: int) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.channels", "--serve", url, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    taken, listening = Taken(), 0
    try:
        port = int(await server.stdout.readline())

        async def listen() -> None:
            nonlocal listening
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = (
                f"GET /v1/channels/live/stream HTTP/1.1\r\nHost: localhost:{port}\r\nDure-Tenant: {TENANT}\r\n\r\n"
            )
            writer.write(request.encode())
            while not (await reader.readline()).startswith(b"retry"):
                pass
            listening += 1
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    body = FIGURES.search(line)
                    assert body is not None
                    taken.add(int(body["n"]), float(body["sent_at"]))

        tasks = []
        for _ in range(subscribers):
            tasks.append(asyncio.create_task(listen()))
            if len(tasks) % 50 == 0:
                await asyncio.sleep(0.1)
        await send(Channels(database), lambda: listening == subscribers, taken, subscribers)
        for task in tasks:
            task.cancel()
        print(f"fan-out, {subscribers:,} streams over HTTP                {taken.line()}")
    finally:
        server.terminate()
        await server.wait()


async def serve(url: str) -> None:
    settings = Settings(database_url=url, log_level="error")
    logs.configure(log_format="text", log_level="error")
    async with Database(settings) as database:
        services = Services.of(settings, database, Registry())
        listener = bind("127.0.0.1", 0)
        server = HttpServer(create_app(services), listener, stopping=services.stopping)
        await server.start()
        print(listener.getsockname()[1], flush=True)
        await asyncio.Event().wait()


async def log(database: Database) -> None:
    async with database.owner_tx() as tx:
        await tx.execute(FILL.encode(), [LOG_ROWS])
    began = monotonic()
    sealed = await tend(database)
    took_s = monotonic() - began
    began = monotonic()
    verified = await Audit(database).verify(TENANT)
    assert verified.ok
    verified_s = monotonic() - began
    print(f"the log: chained {sealed / took_s:,.0f} entries/s  verified {verified.rows / verified_s:,.0f} rows/s")
    began = monotonic()
    for _ in range(200):
        await tend(database)
    print(f"upkeep with nothing to do: {(monotonic() - began) / 200 * 1000:.2f} ms")


async def main(subscribers: int, seconds: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    logs.configure(log_format="text", log_level="error")
    with TemporaryDirectory(prefix="dure-bench-") as home:
        lease = await asyncio.to_thread(embedded.acquire, Path(home))
        try:
            settings = Settings(database_url=lease.url)
            async with Database(settings) as database:
                await migrate(database)
                channels = Channels(database)
                for name in ("live", *(f"c{n}" for n in range(PUBLISHERS))):
                    await channels.create(TENANT, NewChannel(name), actor="bench")
                pace = f"{MESSAGES} messages, {RATE_PER_S} a second"
                print(f"pool of {settings.pool_max}, poll_s {settings.poll_s:g}, fan-out of {pace}")
                await publishing(channels, seconds)
                await in_process(database, settings, subscribers)
                await over_http(database, lease.url, subscribers)
                await log(database)
        finally:
            await asyncio.to_thread(lease.release)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(serve(given.serve) if given.serve else main(given.subscribers, given.seconds))
