"""The careful way to apply a chunk: each row is locked and compared first, what fails is told apart from the rest."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from json import dumps
from typing import Any

from psycopg import sql

from dure.db.sql import load
from dure.runs.model import Reason, Tally
from dure.runs.stores import compose
from dure.runs.stores.attempt import Attempts, Undone
from dure.runs.stores.groups import Group, Todo, Unit, gathered, in_order, keys_first, units_of

OUTCOMES = load("dure.runs.stores", "outcomes_write")
AGAIN = load("dure.runs.stores", "applied_again")

ATTEMPTS_MAX = 1_000
"""In one chunk. When more would be needed, whatever fails next fails as a whole block: most of it is at fault."""
ORDERED_GROUPS_MAX = 64


class Careful:
    """Applies changes one time. Example: `tally = await Careful(attempts, first, again=False).run(todo)`."""

    def __init__(self, attempts: Attempts, first: int, *, again: bool) -> None:
        self._attempts = attempts
        self._first = first
        self._again = again
        self._left = ATTEMPTS_MAX
        self._outcomes: dict[int, tuple[str, Reason]] = {}
        self._done: list[int] = []

    async def run(self, todo: Sequence[Todo]) -> Tally:
        """Do what can be done; write an outcome for all else."""
        units = [unit for unit in units_of(todo) if self._may(unit)]
        await self._compare(units)
        units = [unit for unit in units if not self._sets_aside(unit)]
        await self._halve(units)
        await self._write()
        states = [state for state, _ in self._outcomes.values()]
        return Tally(len(self._done), states.count("conflict"), states.count("failed"), states.count("skipped"))

    def _may(self, unit: Unit) -> bool:
        """Leave a unit that asks something to which nobody said yes; its questions stay open, the rest is skipped."""
        unanswered = next((change for change in unit if not change.may), None)
        if unanswered is None:
            return True
        for change in unit:
            if change.may:
                self._outcomes[change.seq] = ("skipped", Reason("unit_mate", {"seq": unanswered.seq}))
        return False

    async def _compare(self, units: Sequence[Unit]) -> None:
        """Lock every row and find those that are not as planned."""
        present: dict[str, list[int]] = defaultdict(list)
        absent: dict[str, list[int]] = defaultdict(list)
        for unit in units:
            for change in unit:
                (absent if change.kind == "create" else present)[change.store].append(change.seq)
        for store, seqs in sorted(present.items()):
            await self._compare_present(store, seqs)
        for store, seqs in sorted(absent.items()):
            await self._compare_absent(store, seqs)

    async def _compare_present(self, store: str, seqs: list[int]) -> None:
        shape = self._attempts.shapes[store]
        statement = compose.template("rows_check").format(
            image=compose.image(shape), table=compose.table(shape), match=compose.by_key(shape, sql.SQL("c.key"))
        )
        missing = set(seqs)
        for seq, image, before in await self._rows(statement, seqs):
            missing.discard(seq)
            if image is not None:
                columns = list(shape.differing(tuple(before), tuple(image)))
                self._outcomes[seq] = ("conflict", Reason("changed_since", {"columns": columns}))
        for seq in missing:
            self._outcomes[seq] = ("conflict", Reason("missing"))

    async def _compare_absent(self, store: str, seqs: list[int]) -> None:
        shape = self._attempts.shapes[store]
        statement = compose.template("keys_taken").format(
            table=compose.table(shape), match=compose.by_key(shape, sql.SQL("c.key"))
        )
        for (seq,) in await self._rows(statement, seqs):
            self._outcomes[seq] = ("conflict", Reason("key_taken"))

    async def _rows(self, statement: sql.Composed, seqs: list[int]) -> list[tuple[Any, ...]]:
        params = {"run_id": self._attempts.run_id, "seqs": seqs, "first": self._first}
        return await (await self._attempts.tx.execute(statement, params)).fetchall()

    def _sets_aside(self, unit: Unit) -> bool:
        """Skip the rest of a unit of which one is a conflict."""
        at_fault = next((change.seq for change in unit if change.seq in self._outcomes), None)
        if at_fault is None:
            return False
        self._skip(unit, at_fault)
        return True

    async def _halve(self, units: Sequence[Unit]) -> None:
        """Do units; a block that fails is done as two halves, in the order of the plan."""
        blocks = [units] if units else []
        while blocks:
            block = blocks.pop()
            undone = await self._try(block)
            if undone is None:
                self._done += [change.seq for unit in block for change in unit]
            elif len(block) > 1 and self._left > 0:
                middle = len(block) // 2
                blocks += [block[middle:], block[:middle]]
            else:
                for unit in block:
                    self._fail(unit, undone)

    async def _try(self, block: Sequence[Unit]) -> Undone | None:
        """Attempt a block with few statements; if that fails, in the plan's own order when it is another one."""
        self._left -= 1
        undone: Undone | None = None
        for groups in self._orders(block):
            try:
                await self._attempts.make(groups, by_version=False)
            except Undone as error:
                undone = undone or error
            else:
                return None
        return undone

    def _orders(self, block: Sequence[Unit]) -> Iterator[list[Group]]:
        gathered_groups, ordered = gathered(block), in_order(block)
        yield gathered_groups
        if ordered != gathered_groups and len(ordered) <= ORDERED_GROUPS_MAX:
            yield ordered
        if len(block) == 1 and sum(group.kind == "update" for group in ordered) > 1:
            yield keys_first(block[0], self._attempts.depths())

    def _fail(self, unit: Unit, undone: Undone) -> None:
        seqs = [change.seq for change in unit]
        at_fault = undone.seq if undone.seq in seqs else seqs[0]
        self._outcomes[at_fault] = ("failed", undone.reason)
        self._skip(unit, at_fault)

    def _skip(self, unit: Unit, at_fault: int) -> None:
        for change in unit:
            self._outcomes.setdefault(change.seq, ("skipped", Reason("unit_mate", {"seq": at_fault})))

    async def _write(self) -> None:
        run_id, tx = self._attempts.run_id, self._attempts.tx
        if self._outcomes:
            told = sorted(self._outcomes.items())
            given = {
                "run_id": run_id,
                "seqs": [seq for seq, _ in told],
                "states": [state for _, (state, _) in told],
                "reasons": [dumps(reason.to_json(), ensure_ascii=False, default=str) for _, (_, reason) in told],
            }
            await tx.execute(OUTCOMES, given)
        if self._again and self._done:
            await tx.execute(AGAIN, {"run_id": run_id, "seqs": self._done})
