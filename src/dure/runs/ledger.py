"""Writing a plan: changes get their place in line, units stay together, and chunks know what they hold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Refused
from dure.runs.model import CHUNK_CHANGES_MAX, CHUNKS_PER_SLICE, SEQ_PER_SLICE, Planned

OUTSIDE_CHUNK_CHANGES = 100
"""Changes outside are made one after the other, so a chunk of them is small: others can take the next."""

_COPY = load("dure.runs", "changes_copy")
_CHUNKS = load("dure.runs", "chunks_write")


@dataclass(slots=True)
class Chunk:
    """A chunk that is being filled."""

    no: int
    place: str
    first_seq: int
    last_seq: int
    rows: int = 0
    changes: int = 0


@dataclass(slots=True)
class Ledger:
    """Writes the changes of one slice. Example: `await Ledger(tx, run_id, "acme", 0, outside).write(units)`."""

    tx: Connection
    run_id: str
    tenant_id: str
    slice_no: int
    outside: frozenset[str]
    """The names of the stores that are not tables."""
    _seq: int = 0
    _chunks: list[Chunk] = field(default_factory=list)
    _written: int = 0

    async def write(self, units: Sequence[Sequence[Planned]]) -> None:
        """Write units of changes after those that were written before."""
        async with self.tx.cursor() as cursor, cursor.copy(_COPY) as copy:
            for unit in units:
                chunk = self._chunk_for(unit)
                first = self._next_seq()
                for at, change in enumerate(unit):
                    seq = first if at == 0 else self._next_seq()
                    await copy.write_row(self._row(change, seq, chunk, first if len(unit) > 1 else None))
                    chunk.last_seq = seq
                    chunk.rows += 1
                    chunk.changes += change.kind != "keep"

    async def finish(self) -> int:
        """Write the chunks, with the hash of each; answer how many changes there are."""
        chunks = self._chunks
        values = {
            "id": self.run_id,
            "tenant_id": self.tenant_id,
            "nos": [chunk.no for chunk in chunks],
            "places": [chunk.place for chunk in chunks],
            "firsts": [chunk.first_seq for chunk in chunks],
            "lasts": [chunk.last_seq for chunk in chunks],
            "counts": [chunk.changes for chunk in chunks],
        }
        if chunks:
            await self.tx.execute(_CHUNKS, values)
        return sum(chunk.rows for chunk in chunks)

    def _chunk_for(self, unit: Sequence[Planned]) -> Chunk:
        place = "outside" if any(change.store in self.outside for change in unit) else "tables"
        most = OUTSIDE_CHUNK_CHANGES if place == "outside" else CHUNK_CHANGES_MAX
        last = self._chunks[-1] if self._chunks else None
        if last is None or last.place != place or last.rows + len(unit) > most:
            no = len(self._chunks)
            if no >= CHUNKS_PER_SLICE:
                raise Refused("plan_too_large", max=CHUNKS_PER_SLICE)
            first = self.slice_no * SEQ_PER_SLICE + self._seq + 1
            last = Chunk(self.slice_no * CHUNKS_PER_SLICE + no, place, first, first)
            self._chunks.append(last)
        return last

    def _next_seq(self) -> int:
        self._seq += 1
        if self._seq >= SEQ_PER_SLICE:
            raise Refused("plan_too_large", max=SEQ_PER_SLICE)
        return self.slice_no * SEQ_PER_SLICE + self._seq

    def _row(self, change: Planned, seq: int, chunk: Chunk, unit: int | None) -> tuple[object, ...]:
        reason = None if change.reason is None else json.dumps(change.reason.to_json(), ensure_ascii=False, default=str)
        return (
            self.run_id,
            seq,
            chunk.no,
            self.tenant_id,
            change.store,
            change.kind,
            change.ask,
            unit,
            change.undoes,
            change.subject,
            change.scope,
            list(change.key),
            None if change.to_key is None else list(change.to_key),
            None if change.before is None else list(change.before),
            None if change.after is None else list(change.after),
            change.revision,
            reason,
        )
