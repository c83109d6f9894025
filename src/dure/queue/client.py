"""Asking for work from Python: through a pool of Dure's own, or inside a transaction that the caller has open.

Jobs that are alike but for their parameters go in one call of `dure.enqueue_batch`, so a thousand jobs cost as many
statements as one.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DependencyCycle, Invalid, from_database
from dure.ids import is_tenant_id
from dure.queue.copying import copy_jobs
from dure.queue.model import Enqueued, NewJob
from dure.queue.payload import encode
from dure.settings import Settings

ENQUEUE = load("dure.queue", "enqueue")
DEADLOCK_RETRIES = 3

_ALIKE = attrgetter(
    "handler", "queue", "priority", "run_at", "delay_s", "deadline_at", "max_retries", "timeout_s", "unique_for_s",
    "depends_on", "parent_id", "tags", "limit_key",
)  # fmt: skip
"""What jobs must have in common to go in one call: all but their parameters, unique keys and refs."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of one `dure.enqueue_batch`, and which of the caller's jobs they are."""

    handler: str
    params_json: str
    options_json: str
    unique_keys: list[str | None] | None
    places: tuple[int, ...]


class Client:
    """Enqueues jobs. Example: `await Client(database, settings).enqueue("acme", NewJob(handler="dure.demo.echo"))`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._bulk_max = settings.bulk_max

    async def enqueue(self, tenant_id: str, job: NewJob) -> Enqueued:
        """Ask for one job; a repeated unique key answers with the job that holds it."""
        if job.depends_on and job.ref in job.depends_on:
            raise DependencyCycle(id=job.ref)
        batch = _batch([(0, job)])
        values = (batch.handler, batch.params_json, tenant_id, batch.options_json, batch.unique_keys)
        statement = sql.SQL(ENQUEUE.replace("%s", "{}")).format(*map(sql.Literal, values))
        return read_answer(await self._database.tenant_once(tenant_id, statement))[0]

    async def enqueue_many(self, tenant_id: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Ask for many jobs, all or none; they may depend on each other by `ref`."""
        if len(jobs) > self._bulk_max:
            raise Invalid(field="jobs", reason="too_many", count=len(jobs), max=self._bulk_max)
        for _attempt in range(DEADLOCK_RETRIES):
            # Nothing else is in this transaction, so one that met a deadlock can simply be done again.
            with suppress(psycopg.errors.DeadlockDetected):
                return await self._enqueue(tenant_id, jobs)
        return await self._enqueue(tenant_id, jobs)

    async def _enqueue(self, tenant_id: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
        async with self._database.tenant_tx(tenant_id) as tx:
            return await enqueue_on(tx, tenant_id, jobs)

    async def enqueue_batch(
        self, tenant_id: str, handler: str, params: Sequence[Mapping[str, Any]], **options: Any
    ) -> list[Enqueued]:
        """Ask for many jobs that differ in nothing but their parameters: the fastest way in.

        Example: `await client.enqueue_batch("acme", "mail.send", [{"to": 1}, {"to": 2}], priority=5)`.
        """
        if len(params) > self._bulk_max:
            raise Invalid(field="params", reason="too_many", count=len(params), max=self._bulk_max)
        template = NewJob(handler=handler, **options)
        batch = Batch(_text(handler, "handler"), encode(list(params)), options_json(template), None, ())
        async with self._database.tenant_tx(tenant_id) as tx:
            return await _call(tx, tenant_id, batch)

    async def copy(
        self, tenant_id: str, handler: str, params: Sequence[Mapping[str, Any]], **options: Any
    ) -> list[str]:
        """Ask for very many jobs by COPY, all or none; answer their ids. See `dure.queue.copying` for what it asks.

        Example: `await client.copy("acme", "dure.demo.echo", [{"n": n} for n in range(1_000_000)])`.
        """
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        template = NewJob(handler=_text(handler, "handler"), **options)
        return await copy_jobs(self._database, self._settings, tenant_id, handler, params, options_json(template))


async def enqueue_on(connection: Connection, tenant_id: str, jobs: Sequence[NewJob]) -> list[Enqueued]:
    """Ask for jobs on an open psycopg connection: they exist when its transaction commits, and not if it does not.

    Example: `await enqueue_on(connection, "acme", [NewJob(handler="dure.demo.echo")])`.
    """
    answers: list[Enqueued | None] = [None] * len(jobs)
    ids: dict[str, str] = {}
    for wave in waves(jobs):
        resolved = [(at, _with_ids(jobs[at], ids)) for at in wave]
        for batch in batches(resolved):
            row = await _call(connection, tenant_id, batch)
            for place, enqueued in zip(batch.places, row, strict=True):
                answers[place] = enqueued
        ids.update({ref: answer.id for at in wave if (ref := jobs[at].ref) and (answer := answers[at])})
    return [answer for answer in answers if answer is not None]


async def _call(connection: Connection, tenant_id: str, batch: Batch) -> list[Enqueued]:
    values = (batch.handler, batch.params_json, tenant_id, batch.options_json, batch.unique_keys)
    try:
        # A cursor of our own, because the caller's connection may make dictionaries of its rows.
        async with connection.cursor(row_factory=tuple_row) as cursor:
            row = await (await cursor.execute(ENQUEUE, values)).fetchone()
    except psycopg.Error as error:
        raise from_database(error) or error from error
    assert row is not None
    return read_answer(row)


def read_answer(row: Sequence[Any]) -> list[Enqueued]:
    """Read the one row of `sql/enqueue.sql`: two arrays, the ids as text."""
    ids, created = row
    return [Enqueued(id, made) for id, made in zip(ids[1:-1].split(","), created, strict=True)] if created else []


def batches(jobs: Iterable[tuple[int, NewJob]]) -> list[Batch]:
    """Group jobs that differ in nothing but parameters and unique key.

    Sorted by handler, so that two callers who ask for the same handlers take what they share in the same order.
    """
    groups: dict[object, list[tuple[int, NewJob]]] = {}
    for place, job in jobs:
        try:
            groups.setdefault((_ALIKE(job), job.unique_key is None), []).append((place, job))
        except TypeError:
            # Lists were given where tuples are meant: the text of the options tells jobs apart as well.
            key = (_text(job.handler, "handler"), options_json(job), job.unique_key is None)
            groups.setdefault(key, []).append((place, job))
    return sorted(map(_batch, groups.values()), key=attrgetter("handler"))


def _batch(members: list[tuple[int, NewJob]]) -> Batch:
    first = members[0][1]
    keyed = first.unique_key is not None
    return Batch(
        handler=_text(first.handler, "handler"),
        # One call for all: the encoder of the standard library is fast once it runs, not at starting.
        params_json=encode([job.params for _, job in members]),
        options_json=options_json(first),
        unique_keys=[_text(job.unique_key or "", "unique_key") for _, job in members] if keyed else None,
        places=tuple(place for place, _ in members),
    )


def options_json(job: NewJob) -> str:
    """Answer all that was said about a job besides handler, parameters and key, as the SQL function reads it."""
    options = {
        "queue": job.queue,
        "priority": job.priority,
        "run_at": _time(job.run_at, "run_at"),
        "delay_s": job.delay_s,
        "deadline_at": _time(job.deadline_at, "deadline_at"),
        "max_retries": job.max_retries,
        "timeout_s": job.timeout_s,
        "unique_for_s": job.unique_for_s,
        "depends_on": _texts(job.depends_on, "depends_on"),
        "parent_id": job.parent_id,
        "tags": _texts(job.tags, "tags"),
        "limit_key": job.limit_key,
    }
    said = {name: encode(value, field=name) for name, value in options.items() if value is not None}
    return "{" + ",".join(f'"{name}":{value}' for name, value in said.items()) + "}"


def waves(jobs: Sequence[NewJob]) -> list[list[int]]:
    """Order jobs so that each comes after those of the batch that it names; a cycle is refused."""
    if all(job.ref is None for job in jobs):
        return [list(range(len(jobs)))] if jobs else []
    refs = {job.ref: at for at, job in enumerate(jobs) if job.ref is not None}
    if len(refs) < sum(job.ref is not None for job in jobs):
        raise Invalid(field="ref", reason="duplicate")
    needs = [{refs[name] for name in job.depends_on if name in refs} for job in jobs]
    wanted_by: dict[int, list[int]] = {}
    for at, others in enumerate(needs):
        for other in others:
            wanted_by.setdefault(other, []).append(at)
    missing = [len(others) for others in needs]
    ordered: list[list[int]] = []
    wave = [at for at, count in enumerate(missing) if count == 0]
    while wave:
        ordered.append(wave)
        freed = []
        for at in (waiting for done in wave for waiting in wanted_by.get(done, ())):
            missing[at] -= 1
            if missing[at] == 0:
                freed.append(at)
        wave = sorted(freed)
    if any(missing):
        raise DependencyCycle(id=next(jobs[at].ref for at, count in enumerate(missing) if count and jobs[at].ref))
    return ordered


def _with_ids(job: NewJob, ids: dict[str, str]) -> NewJob:
    if not job.depends_on or not ids:
        return job
    return replace(job, depends_on=tuple(ids.get(name, name) for name in job.depends_on))


def _time(value: datetime | None, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise Invalid(field=field, reason="wrong_type", expected="datetime")
    if value.tzinfo is None:
        raise Invalid(field=field, reason="wrong_format", expected="2030-01-01T09:00:00+09:00")
    return value.isoformat()


def _texts(values: Sequence[str], field: str) -> list[str] | None:
    # A string is a sequence of strings too, of its letters.
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise Invalid(field=field, reason="wrong_type", expected="list")
    return list(values) or None


def _text(value: str, field: str) -> str:
    if not isinstance(value, str):
        raise Invalid(field=field, reason="wrong_type", expected="str")
    if "\x00" in value:
        raise Invalid(field=field, reason="nul_byte")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Invalid(field=field, reason="not_utf8") from error
    return value
