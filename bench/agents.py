"""Agents: renewals and tasks a second, a rare capability among many tasks, how soon a dead agent's task goes on.

    python -m bench.agents
    python -m bench.agents --agents 10000 --tasks 100000 --seconds 5 --only renewals,tasks

Everything happens in a server of its own, as in `python -m bench`. What is measured over HTTP has a server process of
its own; its clients are in this one, and read raw sockets, so that they cost little. Beside each rate stands what one
of it costs in CPU time, which says more on a machine that does other things too. From publish to a thousand subscribers
is measured by `python -m bench.channels`.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from time import monotonic

from bench.server import Postgres, postgres
from dure import logs
from dure.agents.model import Assignment, Need, NewAgent, NewTask, Session
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.runtime.parts import Runtime
from dure.settings import Settings

TENANT = "bench"
ACTOR = "bench"
CLASS = "worker"
COMMON, RARE = "common", "rare"
LEASE_S = 3_600.0
"""So long that nobody dies of the measuring."""
BATCH = 1_000
REGISTERING = 16
RENEWING = (1, 64, 1_000)
"""So many ask at a time."""
CONNECTIONS = (1, 64)
WORKERS = 8
CLAIM_AT_ONCE = 10
PAIRS = 300
DEATHS = 5
SHORT_LEASE_S = 2.0
PARTS = ("renewals", "tasks", "deaths")


def cpu_s(pid: int) -> float:
    """Answer the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cost:
    """What something costs from here on: of the database's CPU time, and of the process's that does the work."""

    def __init__(self, server: Postgres, pid: int) -> None:
        self._server, self._pid = server, pid
        self._database_s, self._process_s = self._now()

    def _now(self) -> tuple[float, float]:
        return self._server.cpu_seconds() or 0.0, cpu_s(self._pid)

    def each(self, count: float) -> str:
        """Answer the CPU time of one of so many."""
        database_s, process_s = self._now()
        each = [(database_s - self._database_s) / count * 1000, (process_s - self._process_s) / count * 1000]
        return "CPU ms each: PostgreSQL {:.3f}, Python {:.3f}".format(*each)


def line(what: str, rate_per_s: float, cost: str, more: str = "") -> None:
    print(f"{what:<62} {rate_per_s:8,.0f} /s  {cost}  {more}".rstrip(), flush=True)


def spread(took: Sequence[float]) -> str:
    """Answer the middle and the worse end of some times."""
    return f"p50 {median(took) * 1000:.2f} ms  p95 {quantiles(took, n=20)[-1] * 1000:.2f} ms"


class Bench:
    """One database with agents in it."""

    def __init__(self, server: Postgres, database: Database, settings: Settings, seconds: float) -> None:
        self._server = server
        self.agents = Agents(database, settings)
        self.tasks = Tasks(database, settings)
        self.settings = settings
        self._database = database
        self._seconds = seconds
        self._sessions: list[Session] = []

    async def measure(
        self, what: str, at_once: int, do: Callable[[int], Awaitable[int]], *, pid: int | None = None
    ) -> None:
        """Let so many do something over and over for so long, and say how much of it that is a second."""
        cost = Cost(self._server, pid or os.getpid())
        began = monotonic()
        done, took = 0, []

        async def go_on(number: int) -> None:
            nonlocal done
            while monotonic() - began < self._seconds:
                start = monotonic()
                count = await do(number)
                took.append(monotonic() - start)
                # Not in one with the call: the others add while it is under way.
                done += count

        await asyncio.gather(*(go_on(number) for number in range(at_once)))
        line(what, done / (monotonic() - began), cost.each(max(1, done)), spread(took))

    async def register(self, count: int) -> None:
        names = iter(range(count))

        async def register(_number: int) -> None:
            for n in names:
                agent = NewAgent(
                    agent_id=f"a{n:05}",
                    class_=CLASS,
                    version="1.0.0",
                    capabilities=(COMMON,),
                    lease_s=LEASE_S,
                    capacity=100,
                )
                self._sessions.append(await self.agents.register(TENANT, agent))

        cost, began = Cost(self._server, os.getpid()), monotonic()
        await asyncio.gather(*map(register, range(REGISTERING)))
        rate = count / (monotonic() - began)
        line(f"registrations, {count:,} agents, {REGISTERING} at a time", rate, cost.each(count))

    async def renew(self) -> None:
        """Renewals through the service, then through HTTP: each agent in its turn."""
        for count in RENEWING:
            places = iter(range(10**9))

            async def renew(_number: int, places: "iter[int]" = places) -> int:  # type: ignore[valid-type]
                session = self._sessions[next(places) % len(self._sessions)]
                await self.agents.renew(TENANT, session.agent_id, session.epoch)
                return 1

            await self.measure(f"renewals through the service, {count} at a time", count, renew)
        async with served(str(self.settings.database_url)) as (port, pid):
            for count in CONNECTIONS:
                await self._renew_over(port, pid, count)

    async def _renew_over(self, port: int, pid: int, count: int) -> None:
        lines = [await Line.open(port) for _ in range(count)]
        places = iter(range(10**9))

        async def renew(number: int) -> int:
            session = self._sessions[next(places) % len(self._sessions)]
            await lines[number].post(f"/v1/agents/{session.agent_id}/renew", {"epoch": session.epoch})
            return 1

        await self.measure(f"renewals over HTTP, one server process, {count} connections", count, renew, pid=pid)
        for one in lines:
            one.close()

    async def submit(self, count: int) -> None:
        task = NewTask(params={"n": 1}, needs=Need(capabilities=(COMMON,)))
        cost, began = Cost(self._server, os.getpid()), monotonic()
        for _ in range(count // BATCH):
            await self.tasks.submit_many(TENANT, [task] * BATCH, actor=ACTOR)
        rate = count / (monotonic() - began)
        line(f"tasks submitted, batches of {BATCH:,}, up to {count:,} waiting", rate, cost.each(count))

        for strategy in ("first_come", "least_loaded", "round_robin"):

            async def one(_number: int, strategy: str = strategy) -> int:
                asked = NewTask(params={"n": 1}, needs=Need(capabilities=(COMMON,)), strategy=strategy)  # type: ignore[arg-type]
                await self.tasks.submit(TENANT, asked, actor=ACTOR)
                return 1

            await self.measure(f"tasks one by one, {strategy}, {len(self._sessions):,} agents", 1, one)

    async def work(self) -> None:
        """Claims and completions, through the service and through HTTP."""
        for most, count in ((1, 1), (1, WORKERS), (CLAIM_AT_ONCE, WORKERS)):

            async def work(number: int, most: int = most) -> int:
                session = self._sessions[number]
                taken = await self.agents.claim(TENANT, session.agent_id, session.epoch, most=most)
                for one in taken:
                    await self._complete(session, one)
                return len(taken)

            await self.measure(f"claimed and completed, {count} agents, {most} a claim", count, work)
        async with served(str(self.settings.database_url)) as (port, pid):
            lines = [await Line.open(port) for _ in range(WORKERS)]

            async def over(number: int) -> int:
                session = self._sessions[number]
                path = f"/v1/agents/{session.agent_id}"
                taken = (await lines[number].post(f"{path}/claim", {"epoch": session.epoch, "most": 1}))["items"]
                for one in taken:
                    named = {"epoch": session.epoch, "task_id": one["task_id"], "claim_id": one["claim_id"]}
                    await lines[number].post(f"{path}/complete", {**named, "result": {"n": 1}})
                return len(taken)

            await self.measure(
                f"claimed and completed over HTTP, {WORKERS} agents, one server process", WORKERS, over, pid=pid
            )
            for one in lines:
                one.close()

    async def rare(self, waiting: int) -> None:
        """In turns: a claim of what waits a hundred thousand times, and of a task that one agent of all can do."""
        agent = NewAgent(
            agent_id="rare", class_=CLASS, version="1.0.0", capabilities=(COMMON, RARE), lease_s=LEASE_S, capacity=100
        )
        both = await self.agents.register(TENANT, agent)
        only = await self.agents.register(
            TENANT, NewAgent(agent_id="only-rare", class_=CLASS, version="1.0.0", capabilities=(RARE,), lease_s=LEASE_S)
        )
        common = self._sessions[0]
        took: dict[str, list[float]] = {"common": [], "rare": [], "rare, by one who can do both": []}
        for _ in range(PAIRS):
            took["common"].append(await self._claim(common))
            asked = NewTask(params={"n": 1}, needs=Need(capabilities=(RARE,)), priority=1)
            await self.tasks.submit(TENANT, asked, actor=ACTOR)
            took["rare"].append(await self._claim(only))
            await self.tasks.submit(TENANT, asked, actor=ACTOR)
            took["rare, by one who can do both"].append(await self._claim(both))
        for what, times in took.items():
            ratio = median(times) / median(took["common"])
            print(
                f"a claim among {waiting:,} waiting: {what:<30} {spread(times)}  {ratio:.2f} of the common one",
                flush=True,
            )

    async def deaths(self) -> None:
        """From an agent's last word to another one's claim, with one worker process that looks after it."""
        settings = self.settings.model_copy(update={"queues": (), "lease_s": 30.0})
        async with Runtime.open(settings, worker=True):
            late = []
            for n in range(DEATHS):
                dying, next_one = await self._short(f"dying-{n}"), await self._short(f"next-{n}")
                asked = NewTask(params={}, needs=Need(capabilities=("mortal",)))
                made = await self.tasks.submit(TENANT, asked, actor=ACTOR)
                taken = await self.agents.claim(TENANT, dying.agent_id, dying.epoch)
                assert [one.task_id for one in taken] == [made.id]
                began = monotonic()
                renewing = asyncio.create_task(self._keep(next_one))
                (again,) = await self.agents.claim(TENANT, next_one.agent_id, next_one.epoch, wait_s=30)
                late.append(monotonic() - began - SHORT_LEASE_S)
                renewing.cancel()
                await self._complete(next_one, again)
        print(
            f"a dead agent's task, claimed by one that waits: {median(late) * 1000:.0f} ms after the end of its lease "
            f"of {SHORT_LEASE_S:g} s (median of {DEATHS}; worst {max(late) * 1000:.0f} ms)",
            flush=True,
        )

    async def _short(self, agent_id: str) -> Session:
        agent = NewAgent(
            agent_id=agent_id, class_="mortal", version="1.0.0", capabilities=("mortal",), lease_s=SHORT_LEASE_S
        )
        return await self.agents.register(TENANT, agent)

    async def _keep(self, session: Session) -> None:
        while True:
            await asyncio.sleep(session.renew_every_s)
            await self.agents.renew(TENANT, session.agent_id, session.epoch)

    async def _claim(self, session: Session) -> float:
        began = monotonic()
        (taken,) = await self.agents.claim(TENANT, session.agent_id, session.epoch)
        took_s = monotonic() - began
        await self._complete(session, taken)
        return took_s

    async def _complete(self, session: Session, taken: Assignment) -> None:
        await self.agents.complete(TENANT, session.agent_id, session.epoch, taken.task_id, taken.claim_id, {"n": 1})


class Line:
    """One connection that is kept: a request, an answer, a request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: dict[str, object]) -> dict[str, list[dict[str, object]]]:
        text = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nDure-Tenant: {TENANT}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n"
        )
        self._writer.write(head.encode() + text)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if not answer.startswith(b"http/1.1 2"):
            raise RuntimeError(answer.split(b"\r\n")[0].decode())
        length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in answer else 0
        found = await self._reader.readexactly(length)
        return json.loads(found) if found else {}  # type: ignore[no-any-return]

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def served(url: str) -> AsyncIterator[tuple[int, int]]:
    """A server process; answers its port and its number."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.channels", "--serve", url, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        yield int(await server.stdout.readline()), server.pid
    finally:
        server.terminate()
        await server.wait()


async def main(agents: int, tasks: int, seconds: float, parts: Sequence[str]) -> None:
    logs.configure(log_format="text", log_level="error")
    with postgres() as server:
        settings = Settings(database_url=server.url)
        async with Database(settings) as database:
            await migrate(database)
            set_to = ", ".join(f"{name} {value}" for name, value in server.settings.items())
            print(
                f"PostgreSQL {server.version} ({set_to}), pool of {settings.pool_max}, {os.cpu_count()} cores",
                flush=True,
            )
            bench = Bench(server, database, settings, seconds)
            await bench.register(agents)
            if "renewals" in parts:
                await bench.renew()
            if "tasks" in parts:
                await bench.submit(tasks)
                await bench.rare(tasks)
                await bench.work()
            if "deaths" in parts:
                await bench.deaths()
            await bench.agents.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    given = parser.parse_args()
    asyncio.run(main(given.agents, given.tasks, given.seconds, given.only.split(",")))
