"""Planning: subjects in slices, each slice planned by a job of its own, then the whole held against the guards.

    plan job            stores described, subjects enumerated, slices written, a child job for each
      └ slice jobs      the operation's plan, completed by the stores, written as changes: in the job's own transaction
    plan job, again     counted, hashed, guarded: planned, refused or empty

A slice is written exactly once, because its changes commit together with its job's completion.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, DureError, Invalid, Refused
from dure.queue.context import Context
from dure.queue.model import NewJob
from dure.queue.results import WaitForChildren
from dure.runs.context import PlanContext, snapshot
from dure.runs.guards import Figures, Guards, Scope, evaluate
from dure.runs.handles import OutsideHandle
from dure.runs.ledger import Ledger
from dure.runs.model import Draft, Planned, Reason, Run
from dure.runs.operation import Loaded, Operations
from dure.runs.reading import read_run
from dure.runs.service import APPLY_JOB, QUEUE
from dure.runs.shapes import Stores, described, shape_of, shapes_of
from dure.runs.states import move, record
from dure.runs.stores.applying import population
from dure.runs.stores.completing import complete
from dure.runs.stores.handle import TableHandle

SLICE_JOB = "dure.run.plan_slice"
SLICES_A_WRITE = 100
SLICES_MAX = 200_000
UNITS_A_WRITE = 5_000
LISTED_MAX = 100
SUBJECT_BYTES_MAX = 100_000
WHOLE = -1
"""In place of a slice: what was counted while the subjects were enumerated."""
WORKER = "worker"
"""Who did what nobody asked for by hand."""

POLICIES_HOLD = "set local row_security = on"

_CLEAR = load("dure.runs", "plan_clear")
_STORES = load("dure.runs", "run_stores")
_SLICES = load("dure.runs", "slices_write")
_SLICE = load("dure.runs", "slice_read")
_SLICE_PLANNED = load("dure.runs", "slice_planned")
_SLICES_OPEN = load("dure.runs", "slices_open")
_SCOPES = load("dure.runs", "scopes_write")
_COUNTS = load("dure.runs", "plan_counts")
_TWICE = load("dure.runs", "plan_twice")
_OUTSIDE = load("dure.runs", "plan_outside")
_SCOPE_SUMS = load("dure.runs", "plan_scopes")
_HASH = load("dure.runs", "plan_hash")
_PLANNED = load("dure.runs", "run_planned")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a planning ends: against which guards, if any, for how long it holds, and why it is refused whatever
    they say.
    """

    guards: Guards | None
    expires_s: float
    refusal: Reason | None = None


class Planner:
    """Plans runs, as jobs. Example: made by `dure.runs.jobs`."""

    def __init__(self, database: Database, operations: Operations) -> None:
        self._database = database
        self._operations = operations

    async def begin(self, run: Run, ctx: Context) -> WaitForChildren | None:
        """Describe the stores, write the slices, ask for a job for each; None when there is nothing to plan."""
        loaded = self._operations.find(run.operation)
        params = loaded.params(run.params)
        tx = await ctx.tx()
        async with snapshot(self._database, run.tenant_id) as view:
            stores = await described(view, loaded.stores(params, run.tenant_id))
            await keep_stores(tx, run, stores.to_json())
            context = _context(view, run, params, stores.handles(view, run.tenant_id))
            slices = await self._write_slices(tx, run, loaded, loaded.instance.subjects(params, context))
            await _write_scopes(tx, run, WHOLE, context)
        if not slices:
            return None
        jobs = [
            NewJob(
                handler=SLICE_JOB,
                params={"run_id": run.id, "slice": no},
                queue=QUEUE,
                parent_id=ctx.job.id,
                max_retries=ctx.job.max_retries,
            )
            for no in range(slices)
        ]
        await ctx.enqueue_many(jobs)
        return WaitForChildren()

    async def slice(self, run: Run, no: int, ctx: Context) -> int:
        """Plan one slice; answer how many changes it has."""
        tx = await ctx.tx()
        row = await (await tx.execute(_SLICE, {"id": run.id, "no": no})).fetchone()
        if row is None or run.state != "planning":
            return 0
        loaded = self._operations.find(run.operation)
        params = loaded.params(run.params)
        stores = shapes_of(run.stores, loaded.stores(params, run.tenant_id))
        async with snapshot(self._database, run.tenant_id) as view:
            context = _context(view, run, params, stores.handles(view, run.tenant_id))
            ledger = Ledger(tx, run.id, run.tenant_id, no, frozenset(stores.outside))
            drafts = loaded.instance.plan(row[0], context)
            async for units in _batches(drafts, frozenset(stores.names())):
                await ledger.write(await _complete(view, tx, stores, units))
                for line in context.take_notes():
                    ctx.log(line)
            count = await ledger.finish()
            await _write_scopes(tx, run, no, context)
        await policies_hold(tx)
        await tx.execute(_SLICE_PLANNED, {"id": run.id, "no": no})
        return count

    async def _write_slices(self, tx: Connection, run: Run, loaded: Loaded, subjects: AsyncIterator[Any]) -> int:
        waiting: list[str] = []
        written, batch = 0, []
        async for subject in subjects:
            batch.append(subject)
            if len(batch) == loaded.spec.slice_subjects:
                waiting.append(_json(batch))
                batch = []
            if len(waiting) == SLICES_A_WRITE:
                written = await _write_some(tx, run, written, waiting)
                waiting = []
        if batch:
            waiting.append(_json(batch))
        return await _write_some(tx, run, written, waiting)


async def policies_hold(tx: Connection) -> None:
    """Let row-level security filter again: what reads whole tables has it be an error, and the job's end is a
    tenant's.
    """
    await tx.execute(POLICIES_HOLD)


async def clear(tx: Connection, run_id: str) -> None:
    """Take away what an attempt to plan left behind that was committed by itself."""
    await tx.execute(_CLEAR, {"id": run_id})


async def keep_stores(
    tx: Connection, run: Run, stores: Sequence[Mapping[str, Any]], notes: Sequence[Reason] = ()
) -> None:
    """Write down what the stores look like; the plan is applied, and taken back, with just that."""
    values = {
        "id": run.id,
        "stores": json.dumps(list(stores), ensure_ascii=False),
        "notes": json.dumps([note.to_json() for note in notes], ensure_ascii=False, default=str),
    }
    await tx.execute(_STORES, values)


async def open_slices(tx: Connection, run_id: str) -> tuple[int, int]:
    """Answer how many slices a run has, and how many of them are not planned."""
    row = await (await tx.execute(_SLICES_OPEN, {"id": run_id})).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def figures(tx: Connection, run: Run) -> tuple[Figures, dict[str, int]]:
    """Answer what guards look at, and the counts that people see."""
    counts = dict.fromkeys(("create", "update", "delete", "move", "keep", "ask"), 0)
    leaving_stores: set[str] = set()
    for store, kind, ask, accepted, count in await (await tx.execute(_COUNTS, {"id": run.id})).fetchall():
        counts["ask" if ask else kind] += int(count)
        if kind in ("delete", "move") and (accepted or not ask):
            leaving_stores.add(store)
    values = {"id": run.id, "limit": LISTED_MAX}
    twice = await (await tx.execute(_TWICE, values)).fetchall()
    outside = await (await tx.execute(_OUTSIDE, values)).fetchall()
    row = await (await tx.execute(_SCOPE_SUMS, values)).fetchone()
    assert row is not None
    population, leaving, counted, emptied = row
    scopes = [Scope(*scope) for scope in emptied]
    if population is None:
        # Nobody said how many there are, so all rows of the tables that lose some are counted.
        counted = leaving
        population = await _count_tables(tx, run, leaving_stores) if leaving else None
        if population is not None and leaving >= population:
            scopes = [Scope(", ".join(sorted(leaving_stores)), population, int(leaving), 0)]
    return Figures(
        changes=sum(count for kind, count in counts.items() if kind != "keep"),
        leaving=int(leaving),
        population=None if population is None else int(population),
        counted=int(counted),
        scopes=scopes,
        twice=[{"store": store, "key": list(key), "changes": int(count)} for store, key, count in twice],
        outside_scope=[{"seq": seq, "store": store, "key": list(key)} for seq, store, key in outside],
    ), counts


async def finish(tx: Connection, run: Run, ending: Ending) -> tuple[str, str]:
    """Count, hash and guard what was planned; answer the state that the run is in now, and what is to follow."""
    # Read again: the stores of a statement are known only since it was rehearsed.
    facts, counts = await figures(tx, await read_run(tx, run.id))
    answers = [] if ending.guards is None else evaluate(ending.guards, facts)
    refused = next((answer for answer in answers if answer.verdict == "refused"), None)
    reason = ending.refusal
    if reason is None and refused is not None:
        reason = Reason("guard_" + refused.guard, refused.params)
    state = "refused" if reason is not None else "planned" if facts.changes else "empty"
    values = {
        "id": run.id,
        "state": state,
        "reason": None if reason is None else json.dumps(reason.to_json(), ensure_ascii=False, default=str),
        "counts": json.dumps(counts),
        "guards": json.dumps([answer.to_json() for answer in answers], ensure_ascii=False, default=str),
        "population": facts.population,
        "plan_hash": await plan_hash(tx, run),
        "expires_s": ending.expires_s,
    }
    row = await (await tx.execute(_PLANNED, values)).fetchone()
    if row is None:
        raise Conflict("run_state", state=(await read_run(tx, run.id)).state, expected="planning")
    await record(tx, run.tenant_id, run.id, WORKER, f"run.{row[1]}", {"counts": counts})
    return str(row[1]), str(row[0])


async def plan_hash(tx: Connection, run: Run) -> str:
    """Answer the hash of a whole plan: of what was asked for, of the stores' shapes, and of every change in order."""
    row = await (await tx.execute(_HASH, {"id": run.id})).fetchone()
    assert row is not None
    current = await read_run(tx, run.id)
    head = json.dumps(
        [run.operation, run.params, run.rollback_of, run.mode, current.stores], sort_keys=True, ensure_ascii=False
    )
    return sha256(f"{head}\n{row[0]}".encode()).hexdigest()


async def fail(tx: Connection, run: Run, error: BaseException) -> None:
    """End the planning of a run that cannot be planned, with the reason."""
    state = "refused" if isinstance(error, Refused | Invalid) else "failed"
    code = error.reason if isinstance(error, Refused | Invalid) else "planning_failed"
    params: dict[str, Any] = dict(error.params) if isinstance(error, DureError) else {}
    text = error.text() if isinstance(error, DureError) else f"{type(error).__name__}: {error}"
    why = Reason(str(code), {**params, "text": text[:2000]})
    await move(tx, run.id, ["planning"], state, reason=why)
    await record(tx, run.tenant_id, run.id, WORKER, f"run.{state}", {"reason": why.to_json()})


async def apply_next(tx: Connection, run: Run, ctx: Context) -> None:
    """Go on to apply what was just planned, when that was asked for together with the plan."""
    # A child of the job that asked for the run, if one waits for it.
    parent_id = run.asked_by_job
    job = NewJob(handler=APPLY_JOB, params={"run_id": run.id}, queue=QUEUE, parent_id=parent_id)
    job_id = (await ctx.enqueue_many([job]))[0].id
    await move(tx, run.id, ["planned"], "applying", job_id=job_id)
    await record(tx, run.tenant_id, run.id, run.author, "run.apply", {})


async def _batches(
    drafts: AsyncIterator[Draft | Sequence[Draft]], stores: frozenset[str]
) -> AsyncIterator[list[list[Draft]]]:
    batch: list[list[Draft]] = []
    async for yielded in drafts:
        unit = [yielded] if isinstance(yielded, Draft) else list(yielded)
        for draft in unit:
            if not isinstance(draft, Draft):
                raise Invalid(field="plan", reason="wrong_type", expected="dure.runs.model.Draft")
            if draft.store not in stores:
                raise Refused("store_not_declared", store=draft.store)
        if unit:
            batch.append(unit)
        if len(batch) == UNITS_A_WRITE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _complete(
    view: Connection, tx: Connection, stores: Stores, units: Sequence[Sequence[Draft]]
) -> list[list[Planned]]:
    """Have the tables complete their drafts; those of outside stores are complete."""
    return [_arriving_first(unit, stores) for unit in await complete(view, tx, stores.tables, units)]


def _arriving_first(unit: list[Planned], stores: Stores) -> list[Planned]:
    """Order a unit that no transaction holds together: what arrives is written before what leaves is taken away, so
    that a crash in between loses nothing.
    """
    if not any(change.store in stores.outside for change in unit):
        return unit
    return sorted(unit, key=lambda change: change.kind != "create")


def _context(
    view: Connection, run: Run, params: Any, handles: Mapping[str, TableHandle | OutsideHandle]
) -> PlanContext:
    return PlanContext(
        view,
        run_id=run.id,
        tenant_id=run.tenant_id,
        author=run.author,
        now=run.created_at,
        params=params,
        handles=handles,
    )


async def _write_some(tx: Connection, run: Run, written: int, slices: Sequence[str]) -> int:
    if slices:
        nos = list(range(written, written + len(slices)))
        if nos[-1] >= SLICES_MAX:
            raise Refused("plan_too_large", max=SLICES_MAX)
        await tx.execute(_SLICES, {"id": run.id, "tenant_id": run.tenant_id, "nos": nos, "subjects": list(slices)})
    return written + len(slices)


async def _write_scopes(tx: Connection, run: Run, no: int, context: PlanContext) -> None:
    if context.populations:
        values = {
            "id": run.id,
            "slice": no,
            "tenant_id": run.tenant_id,
            "scopes": list(context.populations),
            "populations": list(context.populations.values()),
        }
        await tx.execute(_SCOPES, values)


async def _count_tables(tx: Connection, run: Run, stores: set[str]) -> int | None:
    total = 0
    for name in sorted(stores):
        shape = next((store for store in run.stores if store["store"] == name and store.get("place") == "tables"), None)
        if shape is None:
            return None
        total += await population(tx, shape_of(shape))
    return total


def _json(subjects: list[Any]) -> str:
    return json.dumps(subjects, ensure_ascii=False)
