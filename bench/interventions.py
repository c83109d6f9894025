"""`python -m bench.interventions`: recommendations for many users, checked and written by worker processes.

Two loads: one in which few users have all records, so that what is measured is checking and noting why most get
nothing; and one in which every user has them, so that it is writing by rules and applying. Each is a real run, made by
as many worker processes as there are cores, in a database of its own; beside it the bare checking, nothing kept.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import structlog

from bench import server
from dure.apps.interventions.catalog import catalog
from dure.apps.interventions.checking import Question, check, ranges
from dure.apps.interventions.config import load
from dure.apps.interventions.demo import make_tables
from dure.apps.interventions.operation import NAME
from dure.apps.interventions.periods import span_of
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.runs.model import Run
from dure.runs.service import Runs
from dure.runtime.equipment import known_operations
from dure.settings import Settings

SIZES = "10000,1000000"
DAY = date(2026, 8, 1)
DATABASE = "bench_interventions"
TENANT = "default"
POLL_S = 0.05
DEADLINE_S = 3_600.0
FEW_PERCENT = 1

FILL = (
    "insert into interventions_user (opted_out) select n %% 100 = 99 from generate_series(1, {users}) n",
    "insert into interventions_userfoodrecord (user_id, eaten_at, calories, protein_g, carbs_g, fat_g, sodium_mg)"
    " select u, timestamptz '2026-08-01 08:00+09' + m * interval '5 hours' - d * interval '1 day',"
    " 400 + (u * 7 + m) %% 400, 20 + u %% 10, 60 + u %% 30, 15 + u %% 12, 500 + u %% 900"
    " from generate_series(1, {users}) u, generate_series(0, 2) m, generate_series(0, 1) d where u %% 10 < 7 or {all}",
    "insert into interventions_userexerciserecord (user_id, started_at, minutes, intensity)"
    " select u, timestamptz '2026-08-01 18:00+09' - d * interval '1 day', 15 + u %% 50,"
    " (array['light', 'moderate', 'vigorous'])[1 + u %% 3]"
    " from generate_series(1, {users}) u, generate_series(0, 1) d where u %% 100 < {percent}",
    "insert into interventions_usersleeprecord (user_id, slept_at, woke_at)"
    " select u, timestamptz '2026-07-31 23:30+09', timestamptz '2026-08-01 05:00+09' + u %% 180 * interval '1 minute'"
    " from generate_series(1, {users}) u where u %% 2 = 0",
)


@dataclass(frozen=True)
class Timed:
    """One step, how long it took, what it cost, and the largest memory of a worker process until then."""

    step: str
    users: int
    took_s: float
    peak_mb: float
    cpu_s: float
    """Of the workers, and of the server where that is on this machine."""

    def line(self) -> str:
        """Answer it as a line of the report."""
        rate = self.users / max(self.took_s, 1e-9)
        return f"| {self.step} | {self.took_s:.2f} | {rate:,.0f} | {self.cpu_s:.1f} | {self.peak_mb:.0f} |"


def main() -> int:
    """Measure and print; the exit code is 1 when a run did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m bench.interventions", description=__doc__)
    parser.add_argument("--sizes", default=SIZES, help="how many users to check")
    parser.add_argument("--write-sizes", default=SIZES, help="how many users to write for")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="worker processes")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the workers stop too
    os.environ["DURE_TENANT"] = TENANT
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    ok = True
    with server.postgres() as postgres:
        print(f"PostgreSQL {postgres.version}, {os.cpu_count()} cores, {arguments.workers} worker processes\n")
        for title, sizes, percent in (
            ("Few have all records", arguments.sizes, FEW_PERCENT),
            ("All have all records", arguments.write_sizes, 100),
        ):
            for size in (int(one) for one in sizes.split(",") if one):
                timed = asyncio.run(_measure(postgres, size, percent, arguments.workers))
                print(f"{title}, {size:,} users\n\n| | s | users/s | CPU s | MB of a worker |\n|---|---|---|---|---|")
                print("\n".join(one.line() for one in timed) + "\n", flush=True)
                ok = ok and bool(timed)
    return 0 if ok else 1


async def _measure(postgres: server.Postgres, users: int, percent: int, workers: int) -> list[Timed]:
    postgres.create_database(DATABASE)
    url = postgres.database_url(DATABASE)
    try:
        async with Database(url) as database:
            await migrate(database)
            await _fill(database, users, percent)
            postgres.settle(DATABASE)
            timed = [await _check_alone(database, users, postgres)]
            with _workers(url, workers) as processes:
                return timed + await _run(database, postgres, users, processes)
    finally:
        postgres.drop_database(DATABASE)


async def _fill(database: Database, users: int, percent: int) -> None:
    _say(f"{users:,} users, {percent} % with all records")
    async with database.owner_tx() as tx:
        await make_tables(tx, load().tables)
        for statement in FILL:
            text = statement.format(users=users, percent=percent, all=percent == 100).replace("%%", "%")
            await tx.execute(text.encode())


async def _check_alone(database: Database, users: int, postgres: server.Postgres) -> Timed:
    settings = load()
    question = Question(tenant_id=TENANT, span=span_of(DAY, "day", settings.zone), kind=settings.tables.kind)
    required = settings.tables.required(question.kind)
    begun, cpu_s = time.perf_counter(), _cpu_s([os.getpid()], postgres)
    checked = 0
    async with database.owner_tx() as tx:
        found = await catalog(tx, settings.tables)
        async for some in ranges(tx, found, TENANT, settings.slice_size):
            checked += len(await check(tx, found, question, some, required))
    assert checked == users
    took_s, own = time.perf_counter() - begun, [os.getpid()]
    return Timed("check, in one process", users, took_s, _peak_mb(own), _cpu_s(own, postgres) - cpu_s)


async def _run(
    database: Database, postgres: server.Postgres, users: int, processes: list[subprocess.Popen[bytes]]
) -> list[Timed]:
    settings = Settings(database_url=postgres.database_url(DATABASE))
    runs = Runs(database, settings, known_operations(settings))
    await _working(database, len(processes))
    timed: list[Timed] = []
    pids = [process.pid for process in processes]

    async def wait(step: str, run: Run, expected: str) -> Run:
        begun, cpu_s = time.perf_counter(), _cpu_s(pids, postgres)
        while (run := await runs.get(TENANT, run.id)).state in ("planning", "applying"):
            if time.perf_counter() - begun > DEADLINE_S:
                raise TimeoutError(step)
            await asyncio.sleep(POLL_S)
        if run.state != expected:
            raise RuntimeError(f"{step}: the run is {run.state}: {run.reason}")
        took_s = time.perf_counter() - begun
        counted = run.applied or sum(run.counts.values())
        timed.append(Timed(step, counted, took_s, _peak_mb(pids), _cpu_s(pids, postgres) - cpu_s))
        return run

    run = await runs.plan(TENANT, NAME, {"date": DAY.isoformat()}, author="bench")
    run = await wait("plan: checked, written, reasons kept", run, "planned")
    assert sum(run.counts.values()) == users, run.counts
    run = await wait(f"apply {run.counts['create']:,}", await runs.apply(TENANT, run.id, actor="bench"), "applied")
    again = await runs.plan(TENANT, NAME, {"date": DAY.isoformat()}, author="bench")
    await wait("plan again: nothing to do", again, "empty")
    back = await wait("plan the rollback", await runs.rollback(TENANT, run.id, author="bench"), "planned")
    await wait("apply the rollback", await runs.apply(TENANT, back.id, actor="bench"), "applied")
    return timed


@contextmanager
def _workers(url: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**os.environ, "DURE_DATABASE_URL": url, "DURE_TENANT": TENANT, "DURE_LOG_LEVEL": "warning"}
    command = [str(Path(sys.executable).with_name("dure")), "worker"]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


async def _working(database: Database, count: int) -> None:
    """Return when so many workers are alive and know the operation."""
    async with asyncio.timeout(60):
        while True:
            async with database.system_tx() as tx:
                alive = await (await tx.execute("select count(*) from dure.worker where ended_at is null")).fetchone()
            if alive is not None and alive[0] >= count:
                return
            await asyncio.sleep(POLL_S)


def _cpu_s(pids: list[int], postgres: server.Postgres) -> float:
    ticks = sum(sum(map(int, _stat(pid)[11:13])) for pid in _family(pids))
    return ticks / os.sysconf("SC_CLK_TCK") + (postgres.cpu_seconds() or 0.0)


def _peak_mb(pids: list[int]) -> float:
    """Answer the largest memory that any of some processes, or of those that they started, ever had."""
    peaks = [0.0]
    for pid in _family(pids):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return max(peaks)


def _family(pids: list[int]) -> list[int]:
    found = list(pids)
    for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if pid not in found and int(_stat(pid)[1]) in found:
            found.append(pid)
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["0"] * 20


def _say(text: Any) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
