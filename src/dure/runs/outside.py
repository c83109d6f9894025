"""Changes outside the database: an intent that is committed, one call with an idempotency key, an outcome.

    nothing written  ──intent──►  intended  ──call──►  applied | conflict | failed
                                     │ crash: the store is asked what it has, and only what is missing is done
                                     └──────────────────────────────────────────────────────────────────────►

The before-image is in the plan already. A unit that touches tables too is done change by change as well, what arrives
before what leaves, so that a crash in between leaves a record twice rather than not at all; the rest follows on
resuming.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dure import faults
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.runs.context import TENANT, WHOLE_ROWS
from dure.runs.model import Image, Key, Reason, Run, Tally
from dure.runs.shapes import Stores
from dure.runs.stores.applying import apply_one
from dure.runs.stores.protocol import OutsideStore, Record, StoreConflict, StoreDown

PACE_WAIT_MAX_S = 60.0

_BOUNDS = load("dure.runs", "chunk_bounds")
_CHANGES = load("dure.runs", "chunk_changes")
_INTEND = load("dure.runs", "outcome_intend")
_OUTCOME = load("dure.runs", "outcome_write")
_ADD = load("dure.runs", "chunk_add")
_PACE = load("dure.runs", "pace")


@dataclass(frozen=True, slots=True)
class Step:
    """One change that is to be made, with its outcome so far."""

    seq: int
    store: str
    kind: str
    unit: int | None
    key: Key
    to_key: Key | None
    before: Image | None
    after: Image | None
    scope: str
    outcome: str | None

    @property
    def place(self) -> Key:
        """Where the record is once the change is made."""
        return self.to_key or self.key


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a change, or that it is still to be made."""

    state: str
    reason: Reason | None = None
    present: Record | None = None


TO_DO = Verdict("intended")
TALLIES = {
    "applied": Tally(applied=1),
    "conflict": Tally(conflicts=1),
    "failed": Tally(failed=1),
    "skipped": Tally(skipped=1),
}


class Outside:
    """Makes the changes of one run that touch stores outside.

    Example: `await Outside(database, run, stores).chunk(0)`.
    """

    def __init__(self, database: Database, run: Run, stores: Stores) -> None:
        self._database = database
        self._run = run
        self._stores = stores

    async def chunk(self, no: int) -> None:
        """Make the changes of a chunk that are not made yet."""
        async with self._database.owner_tx() as tx:
            bounds = await (await tx.execute(_BOUNDS, {"id": self._run.id, "no": no})).fetchone()
            assert bounds is not None
            values = {"id": self._run.id, "no": no, "first": bounds[0], "last": bounds[1]}
            rows = await (await tx.execute(_CHANGES, values)).fetchall()
        steps = [_step(row) for row in rows]
        bad_units = {step.unit: step.seq for step in steps if step.unit and step.outcome in ("conflict", "failed")}
        for step in steps:
            if step.outcome not in (None, "intended"):
                continue
            if step.unit in bad_units:
                await self._settle(no, step, Verdict("skipped", Reason("unit_mate", {"seq": bad_units[step.unit]})))
                continue
            verdict = await self._make(no, step)
            if step.unit is not None and verdict.state in ("conflict", "failed"):
                bad_units[step.unit] = step.seq

    async def _make(self, no: int, step: Step) -> Verdict:
        async with self._database.owner_tx() as tx:
            values = {"id": self._run.id, "seq": step.seq, "tenant_id": self._run.tenant_id}
            first = bool(await (await tx.execute(_INTEND, values)).fetchall())
        faults.hit("after_intent")
        if step.store in self._stores.tables:
            return await self._in_table(no, step)
        verdict = await self._call(self._stores.outside[step.store], step, reconciling=not first)
        faults.hit("after_call")
        await self._settle(no, step, verdict)
        return verdict

    async def _in_table(self, no: int, step: Step) -> Verdict:
        async with self._database.owner_tx() as tx:
            await tx.execute(WHOLE_ROWS)
            await tx.execute(TENANT, (self._run.tenant_id,))
            restoring = self._run.rollback_of is not None
            tally = await apply_one(tx, self._run.id, step.seq, self._stores.tables, restoring=restoring)
            await self._add(tx, no, tally)
        state = "conflict" if tally.conflicts else "failed" if tally.failed else "applied"
        return Verdict(state)

    async def _call(self, store: OutsideStore, step: Step, *, reconciling: bool) -> Verdict:
        scope = {"tenant_id": self._run.tenant_id, "scope": step.scope}
        await self._keep_pace(store)
        found = await store.get(scope, list({step.key, step.place}))
        verdict = judge(step, found.get(step.key), found.get(step.place), store.fields, reconciling=reconciling)
        if verdict is not TO_DO:
            return verdict
        await self._keep_pace(store)
        try:
            present = await _make(store, scope, step, found.get(step.key), f"{self._run.id}:{step.seq}")
        except StoreConflict as error:
            return Verdict("conflict", Reason("changed_since", {"text": error.reason, "columns": []}))
        except StoreDown:
            # Not an outcome: the intent stands, and the job comes back to it.
            raise
        except Exception as error:
            return Verdict("failed", Reason("store_failed", {"text": f"{type(error).__name__}: {error}"[:2000]}))
        return Verdict("applied", None, present)

    async def _settle(self, no: int, step: Step, verdict: Verdict) -> None:
        """Write down what became of a change, once, and add it to its chunk's sums."""
        present = verdict.present
        differs = present is not None and present.values != step.after
        reason = (
            None if verdict.reason is None else json.dumps(verdict.reason.to_json(), ensure_ascii=False, default=str)
        )
        values = {
            "id": self._run.id,
            "seq": step.seq,
            "tenant_id": self._run.tenant_id,
            "state": verdict.state,
            "reason": reason,
            "after": list(present.values) if present is not None and differs else None,
            "revision": present.revision if present is not None else None,
        }
        async with self._database.owner_tx() as tx:
            if await (await tx.execute(_OUTCOME, values)).fetchall():
                await self._add(tx, no, TALLIES[verdict.state])

    async def _add(self, tx: Connection, no: int, tally: Tally) -> None:
        values = {"id": self._run.id, "no": no, "applied": tally.applied, "conflicts": tally.conflicts}
        await tx.execute(_ADD, {**values, "failed": tally.failed, "skipped": tally.skipped})

    async def _keep_pace(self, store: OutsideStore) -> None:
        """Wait for the store's next place, which all workers share."""
        if store.rate is None:
            return
        gap_s = store.rate.per_s / store.rate.starts
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_PACE, {"store": store.name, "gap_s": gap_s})).fetchone()
        if row is not None and row[0] > 0:
            await asyncio.sleep(min(float(row[0]), PACE_WAIT_MAX_S))


def judge(
    step: Step, present: Record | None, at_place: Record | None, fields: Sequence[str], *, reconciling: bool
) -> Verdict:
    """Compare what the store has with what the plan saw: made already, still to make, or in the way.

    `reconciling` is after a crash: what looks made was made by us, because the intent was written down.
    """
    if step.kind == "create":
        if present is None:
            return TO_DO
        if reconciling and present.values == step.after:
            return Verdict("applied", None, present)
        return Verdict("conflict", Reason("key_taken", {"key": list(step.key)}))
    if present is None:
        if reconciling and step.kind in ("delete", "move") and step.after is None:
            return Verdict("applied")
        if reconciling and step.to_key is not None and at_place is not None and at_place.values == step.after:
            return Verdict("applied", None, at_place)
        return Verdict("conflict", Reason("missing", {"key": list(step.key)}))
    if step.to_key is not None and at_place is not None:
        return Verdict("conflict", Reason("key_taken", {"key": list(step.to_key)}))
    if reconciling and step.kind == "update" and present.values == step.after:
        return Verdict("applied", None, present)
    if present.values != step.before:
        changed = [
            name for name, old, new in zip(fields, step.before or (), present.values, strict=False) if old != new
        ]
        return Verdict("conflict", Reason("changed_since", {"columns": changed, "text": ""}))
    return TO_DO


async def _make(
    store: OutsideStore, scope: dict[str, str], step: Step, present: Record | None, key: str
) -> Record | None:
    expected = present.revision if present is not None else ""
    if step.to_key is not None:
        return await store.move(scope, step.key, step.to_key, expected=expected, idempotency_key=key)
    match step.kind:
        case "create":
            return await store.put(scope, Record(step.key, step.after or ()), expected=None, idempotency_key=key)
        case "update":
            return await store.put(scope, Record(step.key, step.after or ()), expected=expected, idempotency_key=key)
        case _:
            await store.delete(scope, step.key, expected=expected, idempotency_key=key)
            return None


def _step(row: Sequence[Any]) -> Step:
    seq, store, kind, unit, key, to_key, before, after, scope, outcome = row
    return Step(
        seq,
        store,
        kind,
        unit,
        tuple(key),
        None if to_key is None else tuple(to_key),
        None if before is None else tuple(before),
        None if after is None else tuple(after),
        scope,
        outcome,
    )
