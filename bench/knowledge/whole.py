"""`python -m bench.knowledge.whole`: memories in a table as mem0 keeps them, planned, deduplicated and brought back.

Everything counts: reading the rows with their vectors, finding, the reasons, and the ledger. The server works on
the same cores. At the end the table must be the same to the byte.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator

import structlog

from bench import server
from bench.knowledge.memories import DIMENSIONS, items
from dure import testing
from dure.apps.knowledge.operation import Deduplicate
from dure.runs.model import Run

DATABASE = "bench_knowledge"
TABLE = "public.memories"
PATIENCE_S = 3600.0
AUTHOR = "bench"
OPERATION = "knowledge.deduplicate"
MAKE = (
    "create extension if not exists vector",
    f"create table {TABLE} (id uuid primary key, vector vector({DIMENSIONS}), payload jsonb)",
)
HASH = (
    "select encode(sha256(string_agg(sha256(convert_to(t::text, 'UTF8')), ''::bytea order by id)), 'hex')"
    f" from {TABLE} t"
)


def main() -> int:
    """Measure and print; the exit code is 1 when the memories did not come back as they were."""
    parser = argparse.ArgumentParser(prog="python -m bench.knowledge.whole", description=__doc__)
    parser.add_argument("--memories", type=int, default=100_000)
    count = parser.parse_args().memories
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as home, server.postgres() as postgres:
        os.environ |= {"DURE_HOME": home, "DURE_KNOWLEDGE_RULES": "none", "DURE_TENANT": testing.TENANT}
        postgres.create_database(DATABASE)
        try:
            same = asyncio.run(_measure(postgres, count))
        finally:
            postgres.drop_database(DATABASE)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nLargest resident memory of the worker: {peak_mb:,.0f} MiB\nThe same to the byte afterwards: {same}")
    return 0 if same else 1


async def _measure(postgres: server.Postgres, count: int) -> bool:
    url = postgres.database_url(DATABASE)
    async with testing.queue(url, operations=[Deduplicate]) as queue:
        await _fill(queue, count)
        postgres.settle(DATABASE)
        before = await _hash(queue)
        print(f"PostgreSQL {postgres.version}, {os.cpu_count()} cores, {count:,} memories of {DIMENSIONS} numbers\n")
        print("| step | seconds | changes |\n|---|---|---|")
        run = await _timed(queue, "plan", queue.runs.plan(queue.tenant_id, OPERATION, {}, author=AUTHOR))
        if run.state == "refused":
            await queue.runs.approve(
                queue.tenant_id, run.id, actor=AUTHOR, plan_hash=run.plan_hash, override=True, reason="measuring"
            )
        run = await _timed(queue, "apply", queue.runs.apply(queue.tenant_id, run.id, actor=AUTHOR))
        back = queue.runs.rollback(queue.tenant_id, run.id, author=AUTHOR, then_apply=True)
        await _timed(queue, "plan and apply the rollback", back)
        return await _hash(queue) == before


async def _timed(queue: testing.TestQueue, step: str, asked: Awaitable[Run]) -> Run:
    begun = time.perf_counter()
    run = await asked
    await queue.run_due(PATIENCE_S)
    took_s = time.perf_counter() - begun
    run = await queue.runs.get(queue.tenant_id, run.id)
    print(f"| {step} | {took_s:.1f} | {run.applied or run.counts} |", flush=True)
    return run


async def _fill(queue: testing.TestQueue, count: int) -> None:
    async with queue.database.owner_tx() as tx:
        for statement in MAKE:
            await tx.execute(statement.encode())
        async with tx.cursor().copy(f"copy {TABLE} from stdin".encode()) as copy:
            for row in _rows(count):
                await copy.write_row(row)


def _rows(count: int) -> Iterator[tuple[str, str, str]]:
    for number, item in enumerate(items(count, vectors=True)):
        payload = {"data": item.text, "agent_id": "agent-1", "created_at": f"2026-01-01T00:00:00.{number:06}+00:00"}
        vector = "[" + ",".join(f"{value:.6g}" for value in item.vector) + "]"
        yield f"00000000-0000-0000-0000-{number:012}", vector, json.dumps(payload, ensure_ascii=False)


async def _hash(queue: testing.TestQueue) -> str:
    async with queue.database.owner_tx() as tx:
        row = await (await tx.execute(HASH.encode())).fetchone()
    return str(row[0]) if row else ""


if __name__ == "__main__":
    sys.exit(main())
