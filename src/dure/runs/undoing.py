"""Planning the way back: a run of its own, whose changes take back those of another, the last first.

Tables do it set-based (`dure.runs.stores.undo…`); records outside are read and classed one page at a time, here. Each
change says how it stands: clean, restored already, changed since, missing, its key taken, irreversible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load
from dure.runs.ledger import Ledger
from dure.runs.model import Image, Key, Kind, Mode, Planned, Reason, Run
from dure.runs.planning import keep_stores
from dure.runs.shapes import Stores
from dure.runs.stores.protocol import OutsideStore, Record
from dure.runs.stores.undo import Only, plan_undo

SLICE_OUTSIDE = 1
"""Tables are slice 0 of a rollback; what is outside comes after them."""
PAGE_KEYS = 100
CONFLICTS = frozenset({"undo_changed", "undo_missing", "undo_key_taken", "undo_blocked", "undo_irreversible"})

_OUTSIDE = load("dure.runs", "undo_outside")


@dataclass(frozen=True, slots=True)
class Made:
    """A change outside that was made, as its run's ledger has it."""

    seq: int
    store: str
    kind: Kind
    unit: int | None
    subject: str | None
    scope: str
    key: Key
    to_key: Key | None
    before: Image | None
    after: Image | None


async def plan_rollback(tx: Connection, run: Run, source: Run, stores: Stores) -> int:
    """Write the changes of a rollback; answer how many of them something stands in the way of."""
    assert run.mode is not None
    only = Only(subjects=tuple(run.params.get("subjects", ())), seqs=tuple(map(int, run.params.get("seqs", ()))))
    counts = await plan_undo(
        tx, run_id=run.id, source_id=source.id, tenant_id=run.tenant_id, shapes=stores.tables, mode=run.mode, only=only
    )
    # Tables as they are by now: the images are in the shape that they will be put back into.
    now = {name: {**shape.to_json(), "place": "tables"} for name, shape in counts.shapes.items()}
    await keep_stores(tx, run, [now.get(str(store["store"]), store) for store in source.stores])
    return counts.conflicts + await _outside(tx, run, source, stores, only)


async def _outside(tx: Connection, run: Run, source: Run, stores: Stores, only: Only) -> int:
    if not stores.outside:
        return 0
    values = {
        "source": source.id,
        "stores": list(stores.outside),
        "subjects": list(only.subjects),
        "seqs": list(only.seqs),
    }
    made = [_made(row) for row in await (await tx.execute(_OUTSIDE, values)).fetchall()]
    ledger = Ledger(tx, run.id, run.tenant_id, SLICE_OUTSIDE, frozenset(stores.outside))
    conflicts = 0
    for at in range(0, len(made), PAGE_KEYS):
        page = made[at : at + PAGE_KEYS]
        planned = await _page(run, stores, page)
        conflicts += sum(change.reason is not None and change.reason.code in CONFLICTS for change in planned)
        await ledger.write([[change] for change in planned])
    await ledger.finish()
    return conflicts


async def _page(run: Run, stores: Stores, page: Sequence[Made]) -> list[Planned]:
    planned: dict[int, Planned] = {}
    for (store, scope), changes in _by_scope(page).items():
        outside = stores.outside[store]
        keys = [key for change in changes for key in {change.key, change.to_key or change.key}]
        present = await outside.get({"tenant_id": run.tenant_id, "scope": scope}, keys)
        for change in changes:
            planned[change.seq] = inverse(change, present, outside, run.mode or "strict")
    return [planned[change.seq] for change in page]


def inverse(made: Made, present: dict[Key, Record], store: OutsideStore, mode: Mode) -> Planned:
    """Answer the change that takes another one back, classed by what the store has now.

    Example: `inverse(made, {}, store, "strict").reason.code == "undo_clean"`.
    """
    place = made.to_key or made.key
    now, home = present.get(place), present.get(made.key)
    wanted, left = (
        made.before,
        None if made.kind == "delete" or (made.kind == "move" and made.after is None) else made.after,
    )
    if not _can_undo(made, store):
        return _planned(made, "keep", "undo_irreversible", now, text=store.undo.why_not)
    if home is not None and wanted is not None and home.values == wanted:
        return _planned(made, "keep", "undo_restored", home)
    if left is None:
        if now is None:
            return _planned(made, "create", "undo_clean", None)
        return _forced(made, "update", "undo_key_taken", now, mode)
    if now is None:
        if wanted is None:
            return _planned(made, "keep", "undo_restored", None)
        return _forced(made, "create", "undo_missing", None, mode)
    if made.to_key is not None and home is not None:
        return _planned(made, "keep", "undo_key_taken", home)
    kind: Kind = "delete" if wanted is None else "move" if made.to_key is not None else "update"
    if now.values != left:
        return _forced(made, kind, "undo_changed", now, mode, columns=_differing(store, left, now.values))
    return _planned(made, kind, "undo_clean", now)


def _can_undo(made: Made, store: OutsideStore) -> bool:
    undo = store.undo
    match made.kind:
        case "create":
            return undo.creates
        case "update":
            return undo.updates
        case "delete":
            return undo.deletes
        case _:
            return undo.moves


def _forced(made: Made, kind: Kind, code: str, now: Record | None, mode: Mode, **params: Any) -> Planned:
    """What is in the way is overwritten by force, from the state of now, so that this can be taken back as well."""
    return _planned(
        made, kind if mode == "force" else "keep", code if mode != "force" else "undo_forced", now, **params
    )


def _planned(made: Made, kind: Kind, code: str, now: Record | None, **params: Any) -> Planned:
    return Planned(
        store=made.store,
        kind=kind,
        key=made.to_key or made.key if kind not in ("create", "keep") else made.key,
        to_key=made.key if kind == "move" and made.to_key is not None else None,
        undoes=made.seq,
        before=None if kind == "create" or now is None else now.values,
        after=made.before if kind in ("create", "update", "move") else None,
        revision=None if now is None else now.revision,
        reason=Reason(code, params),
        subject=made.subject,
        scope=made.scope,
    )


def _differing(store: OutsideStore, left: Image, now: Image) -> list[str]:
    return [name for name, old, new in zip(store.fields, left, now, strict=False) if old != new]


def _by_scope(page: Sequence[Made]) -> dict[tuple[str, str], list[Made]]:
    groups: dict[tuple[str, str], list[Made]] = {}
    for change in page:
        groups.setdefault((change.store, change.scope), []).append(change)
    return groups


def _made(row: Sequence[Any]) -> Made:
    seq, store, kind, unit, subject, scope, key, to_key, before, after = row
    return Made(
        seq,
        store,
        kind,
        unit,
        subject,
        scope,
        tuple(key),
        None if to_key is None else tuple(to_key),
        None if before is None else tuple(before),
        None if after is None else tuple(after),
    )
