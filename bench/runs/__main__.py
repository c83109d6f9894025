"""`python -m bench.runs`: a statement over many rows as it is, and as a run that is planned, applied and taken back.

The plain statement is one transaction on a copy of the same table. The run's plan holds every row before and after, its
application compares each with that, and the rollback brings back the same bytes, which is checked at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from bench import server
from bench.runs.statements import DONE, FILL, HASH, NEW_RUN, STATEMENTS, TABLE
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.runs.stores.applying import apply_chunk
from dure.runs.stores.rehearsal import rehearse
from dure.runs.stores.shape import Shape
from dure.runs.stores.undo import Only, plan_undo

ROWS = 1_000_000
DATABASE = "bench_runs"
TENANT = "bench"
SHORTEST_S = 1e-9


@dataclass(frozen=True)
class Timed:
    """One step and how long it took."""

    step: str
    took_s: float
    rows: int

    def line(self, plain_s: float) -> str:
        """Answer it as a line of the report."""
        rate = self.rows / max(self.took_s, SHORTEST_S)
        return f"| {self.step} | {self.took_s:.2f} | {rate:,.0f} | {self.took_s / max(plain_s, SHORTEST_S):.1f} |"


def main() -> int:
    """Measure and print; the exit code is 1 when the rows did not come back as they were."""
    parser = argparse.ArgumentParser(prog="python -m bench.runs", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=3, help="each step's figure is the median of so many rounds")
    parser.add_argument("--statements", nargs="*", default=list(STATEMENTS), choices=list(STATEMENTS))
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with server.postgres() as postgres:
        print(f"PostgreSQL {postgres.version}, {arguments.rows:,} rows, {os.cpu_count()} cores\n")
        same = [_rounds(postgres, name, arguments.rows, arguments.rounds) for name in arguments.statements]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nLargest resident memory of the process: {peak_mb:.0f} MB")
    return 0 if all(same) else 1


def _rounds(postgres: server.Postgres, name: str, rows: int, rounds: int) -> bool:
    """Measure one statement some times, each on a database of its own, and print the medians."""
    found = [asyncio.run(_measure(postgres, name, rows)) for _ in range(rounds)]
    steps = [each for each, _ in found]
    middle = [sorted(same_step, key=lambda one: one.took_s)[rounds // 2] for same_step in zip(*steps, strict=True)]
    print(f"{name}: `{STATEMENTS[name]}`\n\n| | s | rows/s | times the plain statement |\n|---|---|---|---|")
    print("\n".join(one.line(middle[0].took_s) for one in middle))
    is_same = all(same for _, same in found)
    print(f"\nThe table is {'the same to the byte' if is_same else 'NOT the same'} afterwards.\n", flush=True)
    return is_same


async def _measure(postgres: server.Postgres, name: str, rows: int) -> tuple[list[Timed], bool]:
    postgres.create_database(DATABASE)
    try:
        async with Database(postgres.database_url(DATABASE)) as database:
            await migrate(database)
            return await _Bench(database, postgres, name, rows).run()
    finally:
        postgres.drop_database(DATABASE)


class _Bench:
    """Measures one statement."""

    def __init__(self, database: Database, postgres: server.Postgres, name: str, rows: int) -> None:
        self._database = database
        self._postgres = postgres
        self._statement = STATEMENTS[name]
        self._name = name
        self._rows = rows
        self._timed: list[Timed] = []

    async def run(self) -> tuple[list[Timed], bool]:
        """Answer the steps, and whether the rows came back as they were."""
        before = await self._prepare()
        await self._time("plain statement", lambda: self._execute(self._statement))
        await self._prepare()
        shapes, run = await self._plan()
        await self._time("apply, ledger and all", lambda: self._apply(run, shapes, restoring=False))
        self._postgres.settle(DATABASE)
        shapes, back = await self._plan_back(run, shapes)
        await self._time("apply the rollback", lambda: self._apply(back, shapes, restoring=True))
        after = (await self._execute(HASH))[0]
        return self._timed, before == after

    async def _prepare(self) -> Any:
        """Make the table anew, at rest."""
        for statement in (f"drop table if exists {TABLE}", *FILL):
            await self._execute(statement, self._rows if "%s" in statement else None)
        self._postgres.settle(DATABASE)
        return (await self._execute(HASH))[0]

    async def _plan(self) -> tuple[dict[str, Shape], str]:
        run = str((await self._execute(NEW_RUN, None, None))[0][0])
        found = await self._time(
            "plan", lambda: rehearse(self._database, run_id=run, tenant_id=TENANT, statement=self._statement)
        )
        self._postgres.settle(DATABASE)
        return dict(found.shapes), run

    async def _plan_back(self, source: str, shapes: dict[str, Shape]) -> tuple[dict[str, Shape], str]:
        run = str((await self._execute(NEW_RUN, source, "strict"))[0][0])

        async def plan() -> dict[str, Shape]:
            async with self._database.owner_tx() as tx:
                counts = await plan_undo(
                    tx, run_id=run, source_id=source, tenant_id=TENANT, shapes=shapes, mode="strict", only=Only()
                )
                return dict(counts.shapes)

        found = await self._time("plan the rollback", plan)
        self._postgres.settle(DATABASE)
        return found, run

    async def _apply(self, run: str, shapes: dict[str, Shape], *, restoring: bool) -> None:
        for (no,) in await self._execute("select no from dure.chunk where run_id = %s order by no", run):
            async with self._database.owner_tx() as tx:
                tally = await apply_chunk(tx, run, no, shapes, restoring=restoring)
                await tx.execute(DONE, [tally.applied, run, no])

    async def _time(self, step: str, do: Callable[[], Awaitable[Any]]) -> Any:
        print(f"{self._name}: {step}", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        answer = await do()
        self._timed.append(Timed(step, time.perf_counter() - begun, self._rows))
        return answer

    async def _execute(self, statement: str, *values: Any) -> list[Any]:
        given = [value for value in values] if "%s" in statement else None
        async with self._database.owner_tx() as tx:
            cursor = await tx.execute(statement.encode(), given)
            return await cursor.fetchall() if cursor.description is not None else []


if __name__ == "__main__":
    sys.exit(main())
