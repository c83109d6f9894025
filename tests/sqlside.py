"""The queue as SQL: what a worker and a client send, without either, so that a test decides who does what and when."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import tuple_row

from dure.db.sql import load
from dure.errors import DureError, from_database

CLAIM = load("dure.queue", "claim")
CLAIM_LIMITED = load("dure.queue", "claim_limited")
CLAIMED = load("dure.queue", "claimed")
DECLARE_LIMITS = load("dure.queue", "declare_limits")
FINISH = load("dure.queue", "finish")
PROMOTE = load("dure.queue", "promote")
REGISTER = load("dure.queue", "register")
RENEW = load("dure.queue", "renew")
RETIRE = load("dure.queue", "retire")
SETTLE = load("dure.queue", "settle")
SWEEP = load("dure.queue", "sweep")
FIRST_ID = "00000000-0000-0000-0000-000000000000"
PLANNER = "-c enable_seqscan=off -c jit=off -c timezone=UTC"
TABLES = (
    "handler", "queue", "lane", "job", "ready", "later", "limit", "held", "running", "limit_start", "limit_due",
    "unique_key", "dependency", "deadline", "worker", "claim", "attempt", "trouble", "setting",
)  # fmt: skip


class Held(NamedTuple):
    """A job in a worker's hands."""

    id: str
    claim_id: int
    handler: str
    tenant_id: str
    attempt: int
    lane_id: int
    rank: int
    mark: str


class Side:
    """One connection to a queue, as the engine's role unless told otherwise."""

    def __init__(self, url: str, role: str | None = "dure_system") -> None:
        self.url = url
        options = f"{PLANNER} -c role={role}" if role else PLANNER
        self.db = psycopg.connect(url, autocommit=True, row_factory=tuple_row, options=options)

    def rows(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        return self.db.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def one(self, statement: str, values: Any = None) -> Any:
        """Answer the first column of the only row."""
        row = self.db.execute(statement, values).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def handler(self, name: str = "t.h", **columns: Any) -> str:
        """Declare a handler with these columns of dure.handler."""
        if "params_schema" in columns:
            columns["params_schema"] = json.dumps(columns["params_schema"])
        names = ["handler", *columns]
        marks = ", ".join(["%s"] * len(names))
        self.db.execute(
            f"insert into dure.handler ({', '.join(names)}) values ({marks})",  # type: ignore[arg-type]
            [name, *columns.values()],
        )
        self.db.execute(DECLARE_LIMITS, {"handlers": [name]})
        return name

    def enqueue(self, handler: str = "t.h", params: Any = None, tenant: str = "acme", **options: Any) -> str:
        """Send one `dure.enqueue` with named arguments."""
        named = "".join(f", {name} => %({name})s" for name in options)
        values = {"handler": handler, "params": json.dumps({} if params is None else params), "tenant": tenant}
        return str(self.one(f"select dure.enqueue(%(handler)s, %(params)s, %(tenant)s{named})", {**values, **options}))

    def enqueue_many(self, count: int, handler: str = "t.h", tenant: str = "acme", **options: Any) -> list[str]:
        """Send one `dure.enqueue_batch` for so many jobs."""
        params = json.dumps([{"n": n} for n in range(count)])
        statement = "select ids::text[] from dure.enqueue_batch(%s, %s, %s, %s)"
        return list(self.one(statement, [handler, params, tenant, json.dumps(options)]))

    def worker(self, lease_s: float = 30.0) -> int:
        """Register a worker."""
        values = {"name": "w", "host": "h", "pid": 1, "queues": [], "version": "0", "lease_s": lease_s}
        return int(self.one(REGISTER, values))

    def claim(
        self, worker: int, most: int = 100, *, tenant: str = "", queues: Sequence[str] = (), marks: Iterable[Held] = ()
    ) -> list[Held]:
        """Claim as a worker does; with marks, only from there on."""
        last = {job.lane_id: job for job in marks}
        values = {
            "walk": not last, "lanes": list(last), "ranks": [job.rank for job in last.values()],
            "ids": [job.mark for job in last.values()], "queues": list(queues), "shunned": [],
            "tenant": tenant, "most": most, "worker": worker, "bundles": max(most, 1),
        }  # fmt: skip
        return [_held(row) for row in self.rows(CLAIM, values) if row[0] is not None]

    def claim_limited(self, worker: int, most: int = 100, queues: Sequence[str] = ()) -> list[Held]:
        """Claim jobs under limits as a worker does."""
        values = {"worker": worker, "queues": list(queues), "shunned": [], "most": most}
        claim_id = self.one(CLAIM_LIMITED, values)
        return [] if claim_id is None else [_held(row) for row in self.rows(CLAIMED, {"claim": claim_id})]

    def finish(self, *jobs: Held, result: str | None = None) -> int:
        """Complete jobs; answer how many the database took."""
        values = {
            "ids": "{" + ",".join(job.id for job in jobs) + "}",
            "claims": [job.claim_id for job in jobs],
            "results": [result for _ in jobs],
            "closed": [],
        }
        return int(self.one(FINISH, values))

    def settle(self, *jobs: Held, outcome: str, **details: Any) -> list[str]:
        """End attempts otherwise; answer which of them the database took."""
        outcomes = [{"id": job.id, "claim_id": job.claim_id, "outcome": outcome, **details} for job in jobs]
        return list(self.one(SETTLE, {"outcomes": json.dumps(outcomes), "closed": []}))

    def fail(self, *jobs: Held) -> list[str]:
        return self.settle(*jobs, outcome="failed", error_class="ValueError", error="no")

    def promote(self) -> None:
        self.db.execute(PROMOTE)

    def sweep(self) -> int:
        return int(self.one(SWEEP))

    def prune(self, keep_s: float, keep_trouble_s: float, most: int = 1000) -> int:
        """Prune from the first id to the last; answer how many jobs went."""
        after, removed = FIRST_ID, 0
        while after is not None:
            [(after, count)] = self.rows(
                "select last_id::text, removed from dure.prune(%s, %s, %s, %s)", [after, keep_s, keep_trouble_s, most]
            )
            removed += count
        return removed

    def state(self, job_id: str) -> str:
        return str(self.one("select state from dure.job where id = %s", [job_id]))

    def states(self) -> dict[str, int]:
        return dict(self.rows("select state, count(*)::int from dure.job group by state"))  # type: ignore[arg-type]

    @contextmanager
    def transaction(self) -> Iterator["Side"]:
        """Hold a transaction open for the block, then commit."""
        with self.db.transaction():
            yield self

    def empty(self) -> None:
        """Remove everything, for tests that share a database because making one each would take longer than they do."""
        for table in reversed(TABLES):
            self.db.execute(f"delete from dure.{table}")  # type: ignore[arg-type]

    def close(self) -> None:
        self.db.close()


class Clock:
    """The database's clock, held still: moved by its owner."""

    def __init__(self, url: str) -> None:
        self._owner = psycopg.connect(url, autocommit=True)
        self._set("now()")

    def advance(self, seconds: float) -> None:
        self._set("fake_now + make_interval(secs => %s)", [seconds])

    def to(self, moment: datetime | str) -> None:
        self._set("%s::text::timestamptz", [str(moment)])

    def now(self) -> datetime:
        row = self._owner.execute("select fake_now from dure.clock").fetchone()
        assert row is not None
        return row[0]

    def later(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)

    def close(self) -> None:
        self._owner.close()

    def _set(self, expression: str, values: Sequence[Any] | None = None) -> None:
        self._owner.execute(f"update dure.clock set fake_now = {expression}", values)  # type: ignore[arg-type]


def _held(row: tuple[Any, ...]) -> Held:
    return Held(row[0], row[1], row[2], row[4], row[5], row[11], row[12], row[13])


@contextmanager
def refused(code: str, field: str | None = None) -> Iterator[None]:
    """Expect the database, or Python before it, to refuse with this code and name this field."""
    with pytest.raises((psycopg.Error, DureError)) as caught:
        yield
    given = caught.value
    error = given if isinstance(given, DureError) else from_database(given)
    assert error is not None, given
    said = {error.code, getattr(error, "reason", None)}
    assert code in said, (said, str(given))
    if field is not None:
        assert list(error.fields) == [field], (error.fields, str(given))
