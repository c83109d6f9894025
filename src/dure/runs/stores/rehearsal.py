"""Plans one statement that an operator typed: it is executed in a transaction that is thrown away, and what became of
every row is the plan.

    look       one statement, an UPDATE, DELETE, INSERT or MERGE of tables; nothing is executed
    perform    on a connection of its own, which nothing is ever committed on
    gather     a second transaction with the same snapshot sees the rows before; the first one sends those after
    write      what went along by foreign keys is put with what it hung on, and all becomes changes

The plan holds rows and not the statement, so now() and random() come out as they did in the rehearsal. Triggers of
users are another matter: they fire again when the plan is applied. What a trigger did to the very rows that are written
is no harm, they are read again then; what it wrote anywhere else would be done twice. So a statement whose triggers
write to other rows is refused, unless they write to tables that the operator leaves out: those are neither planned nor
undone. What functions of the statement wrote is planned like all else, because nothing calls them again.
What a function or trigger does outside of the tables (a notification, a call to another server) happens or not as it
would in any transaction that is rolled back; no plan can hold it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import Reason
from dure.runs.stores import compose
from dure.runs.stores.reading import population
from dure.runs.stores.rehearsal_arrange import Arranger
from dure.runs.stores.rehearsal_gather import gather
from dure.runs.stores.rehearsal_stage import Performed, Stage, Written
from dure.runs.stores.shape import Shape, describe
from dure.runs.stores.table import Table

ROWS_MAX = 10_000_000 - 1
"""Changes that one slice of a plan has numbers for."""
LOCK_TIMEOUT_S = 10.0
"""How long a rehearsal waits for others' locks."""
STATEMENT_TIMEOUT_S = 3_600.0

_SAME = load("dure.runs.stores", "rehearse_same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a statement would do."""

    command: str
    """Its first part: `DELETE`, `UPDATE`, `INSERT`, `MERGE`."""
    shapes: Mapping[str, Shape]
    counts: Mapping[str, int]
    """Changes by kind."""
    population: Mapping[str, int]
    """How many rows each table had before."""
    notes: Sequence[Reason] = field(default=())
    """What else is to be known, as reasons."""


async def rehearse(
    database: Database,
    *,
    run_id: str,
    tenant_id: str,
    statement: str,
    leaves: Sequence[str] = (),
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
) -> Rehearsal:
    """Write the plan of a statement as slice 0 of a run, and answer what it would do; nothing else of it stays.

    Raises `Refused` with the reason why it cannot be planned or undone, `Invalid` when the database does not take it,
    and `Conflict` when others are in the way just now.
    Example: `await rehearse(database, run_id=run, tenant_id="acme", statement="delete from …")`.
    """
    async with Stage(database, lock_timeout_s, statement_timeout_s) as stage:
        await stage.look(statement)
        snapshot = await stage.open()
        async with database.owner_tx() as tx:
            await _see_the_same(tx, snapshot)
            performed = await stage.perform(statement, leaves)
            _require_few(performed)
            shapes = await _shapes(tx, performed, leaves)
            unchanged = await gather(stage, tx, performed, shapes)
            # What the statement locked is free again before the long part begins.
            await stage.close()
            arranger = Arranger(tx, performed, shapes)
            cut = await arranger.arrange()
            counts = await arranger.write(run_id, tenant_id)
            return Rehearsal(
                command=performed.command,
                shapes=shapes,
                counts=counts,
                population={store: await population(tx, shape) for store, shape in shapes.items()},
                notes=_notes(performed, unchanged, cut),
            )


async def _see_the_same(tx: Connection, snapshot: str) -> None:
    await tx.execute(_SAME)
    await tx.execute(compose.template("rehearse_snapshot").format(snapshot=snapshot))
    await compose.pin(tx)


def _require_few(performed: Performed) -> None:
    count = sum(written.rows for written in performed.written)
    if count > ROWS_MAX:
        raise Refused("rehearsal.too_many", count=count, max=ROWS_MAX)


async def _shapes(tx: Connection, performed: Performed, leaves: Sequence[str]) -> dict[str, Shape]:
    """Answer the shapes of what was written; raises `Refused` for a table whose rows could not be put back."""
    known = {name: Table(name, leaves=tuple(leaves)) for name in performed.reached}
    written = [one for one in performed.written if not one.is_leaf]
    if strange := [one for one in written if one.name not in known]:
        _require_no_triggers(performed, strange[0])
        known.update({one.name: Table(one.name, leaves=tuple(leaves)) for one in strange})
    names = dict.fromkeys([*performed.targets, *(one.name for one in written)])
    return {name: await describe(tx, known[name], list(known.values())) for name in names}


def _require_no_triggers(performed: Performed, strange: Written) -> None:
    if performed.triggers:
        raise Refused("rehearsal.trigger", table=strange.name, triggers=", ".join(performed.triggers))


def _notes(performed: Performed, unchanged: int, cut: int) -> list[Reason]:
    notes = []
    if performed.sequences:
        notes.append(Reason("note_sequences", {"sequences": ", ".join(performed.sequences)}))
    if unchanged:
        notes.append(Reason("note_unchanged", {"count": unchanged}))
    if left := [written.name for written in performed.written if written.is_leaf]:
        notes.append(Reason("note_left_out", {"tables": ", ".join(left)}))
    if performed.triggers:
        notes.append(Reason("note_triggers", {"triggers": ", ".join(performed.triggers)}))
    if cut:
        notes.append(Reason("note_units_cut", {"count": cut}))
    return notes
