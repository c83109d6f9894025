"""Runs as a planner would have left them, written straight into the tables, so that a face can be tried without one."""

import json
from datetime import timedelta
from typing import Any

from dure.db.pool import Database
from queueing import ask, one, rows

TENANT = "acme"
STORE = "public.student"
COLUMNS = ("id", "name", "note")
HASH = "5f0c" * 16
GUARDS = (
    {"guard": "changes", "verdict": "passed", "params": {"count": 4, "max": 10_000_000, "warn": "-"}},
    {"guard": "leaving", "verdict": "warned", "params": {"count": 2, "max": 200, "warn": 1}},
)
COUNTS = {"create": 1, "update": 1, "delete": 1, "move": 0, "keep": 1, "ask": 1}
CHANGES: tuple[dict[str, Any], ...] = (
    {"kind": "update", "key": ["1"], "before": ["1", "김하나", None], "after": ["1", "김하나", "moved"]},
    {
        "kind": "delete",
        "key": ["2"],
        "before": ["2", "Lee", ""],
        "reason": {"code": "said", "params": {"text": "left"}},
    },
    {"kind": "create", "key": ["3"], "after": ["3", "Park", "new"], "subject": "class 3"},
    {"kind": "delete", "key": ["4"], "before": ["4", "Choi", "?"], "ask": True},
    {
        "kind": "keep",
        "key": ["5"],
        "before": ["5", "Jung", None],
        "reason": {"code": "said", "params": {"text": "paid"}},
    },
)


async def make_run(
    database: Database,
    *,
    state: str = "planned",
    tenant: str = TENANT,
    operation: str = "students.tidy",
    author: str = "kim",
    changes: tuple[dict[str, Any], ...] = CHANGES,
    **given: Any,
) -> str:
    """A run with its changes in one chunk; `applied` says that all of them were done as planned."""
    over = state in ("applied", "partial")
    values = {
        "tenant": tenant,
        "operation": operation,
        "author": author,
        "state": state,
        "stores": json.dumps([{"store": STORE, "place": "tables", "columns": [{"name": name} for name in COLUMNS]}]),
        "counts": json.dumps(COUNTS),
        "guards": json.dumps(GUARDS),
        "hash": HASH,
        "started": over or state == "applying",
        "over": over,
        "expires": timedelta(days=1),
        "reason": None,
        "note": "",
        **{name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in given.items()},
    }
    run_id = str(await one(database, _RUN, values))
    for seq, change in enumerate(changes, 1):
        image = {"before": None, "after": None, "ask": False, "subject": None, **change}
        reason = change.get("reason")
        await rows(
            database,
            _CHANGE,
            {
                **image,
                "run": run_id,
                "seq": seq,
                "tenant": tenant,
                "store": STORE,
                "reason": reason and json.dumps(reason),
            },
        )
    doable = sum(change["kind"] != "keep" for change in changes)
    if doable:
        chunk = {"run": run_id, "tenant": tenant, "last": len(changes), "changes": doable}
        done = {"state": "done" if over else "planned", "applied": doable if over else 0}
        await rows(database, _CHUNK, {**chunk, **done})
    if state == "applying":
        job_id = await ask(database, "dure.run.apply", {"run_id": run_id})
        await rows(database, "update dure.run set job_id = %s::uuid where id = %s::uuid", [job_id, run_id])
    return run_id


async def make_outcome(database: Database, run_id: str, seq: int, state: str, reason: dict[str, Any]) -> None:
    """What went otherwise than planned with one change of a run that was applied."""
    values = {"run": run_id, "seq": seq, "state": state, "reason": json.dumps(reason)}
    await rows(database, _OUTCOME, values)
    column = {"conflict": "conflicts"}.get(state, state)
    await rows(
        database,
        f"update dure.chunk set applied = applied - 1, {column} = {column} + 1 where run_id = %(run)s::uuid",
        values,
    )


async def declare_runs(database: Database, *, approval: str = "none", operation: str = "students.tidy") -> None:
    """What a worker tells the database when it starts: the handlers of runs, and one operation."""
    for handler in ("dure.run.plan", "dure.run.apply"):
        await rows(
            database,
            "insert into dure.handler (handler, queue) values (%s, 'dure.runs') on conflict do nothing",
            [handler],
        )
    await rows(
        database,
        "insert into dure.operation (operation, description, approval) values (%s, 'Tidies up.', %s)",
        [operation, approval],
    )


_RUN = """
insert into dure.run (tenant_id, operation, author, note, state, reason, stores, counts, guards, population, plan_hash,
                      planned_at, expires_at, started_at, finished_at)
values (%(tenant)s, %(operation)s, %(author)s, %(note)s, %(state)s, %(reason)s::text::jsonb, %(stores)s::text::jsonb,
        %(counts)s::text::jsonb, %(guards)s::text::jsonb, 100, %(hash)s, dure.now(), dure.now() + %(expires)s,
        case when %(started)s then dure.now() end, case when %(over)s then dure.now() end)
returning id::text
"""
_CHANGE = """
insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, ask, subject, key, before, after, reason)
values (%(run)s::uuid, %(seq)s, 0, %(tenant)s, %(store)s, %(kind)s, %(ask)s, %(subject)s, %(key)s::text[],
        %(before)s::text[], %(after)s::text[], %(reason)s::text::jsonb)
"""
_CHUNK = """
insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash, state, applied)
values (%(run)s::uuid, 0, %(tenant)s, 'tables', 1, %(last)s, %(changes)s, '-', %(state)s, %(applied)s)
"""
_OUTCOME = """
insert into dure.outcome (run_id, seq, tenant_id, state, reason)
select id, %(seq)s, tenant_id, %(state)s, %(reason)s::text::jsonb from dure.run where id = %(run)s::uuid
"""
