"""Which changes of memories belong together: those that one row of mem0's entities names, since it is mended once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dure.apps.knowledge.memories import Memory, Mending
from dure.runs.model import Draft


@dataclass(frozen=True, slots=True)
class Leaving:
    """A memory that leaves, or may leave, and the changes that take it."""

    memory: Memory
    ask: bool
    drafts: tuple[Draft, ...]

    @property
    def id(self) -> str:
        """What entities call it."""
        return self.memory.key[-1]


@dataclass(frozen=True, slots=True)
class Mended:
    """A row of entities, and whom it still names; those that leave only perhaps are still there."""

    row: Mending
    linked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Changes that are done together, and the rows of entities that they mend."""

    drafts: tuple[Draft, ...]
    mended: tuple[Mended, ...]
    ask: bool


class Groups:
    """Changes joined where a row names several of their memories. A question about a memory whose row changes anyway is
    put off, because a record is in one change at most.

    Example: `for joined in Groups(leaving, mendings).joined(): …`.
    """

    def __init__(self, leaving: Sequence[Leaving], mendings: Sequence[Mending]) -> None:
        self._mendings = mendings
        self._named_by: dict[str, list[Mending]] = defaultdict(list)
        for row in mendings:
            for id in row.memories:
                self._named_by[id].append(row)
        self._leaving, self.later = self._chosen(leaving)

    def joined(self) -> Iterator[Joined]:
        """Yield the changes that go together."""
        taken = {each.id for each in self._leaving}
        leader: dict[str, str] = {}
        for row in self._mendings:
            first, *others = sorted(row.memories & taken) or [""]
            for other in others:
                leader[_root(leader, other)] = _root(leader, first)
        groups: dict[str, list[Leaving]] = defaultdict(list)
        for each in self._leaving:
            groups[_root(leader, each.id)].append(each)
        for members in groups.values():
            ids = {each.id for each in members}
            drafts = tuple(draft for each in members for draft in each.drafts)
            rows = {(row.table, row.key): row for id in sorted(ids) for row in self._named_by.get(id, ())}
            mended = tuple(
                Mended(row, tuple(each for each in row.linked if each not in ids)) for _, row in sorted(rows.items())
            )
            yield Joined(drafts, mended, members[0].ask)

    def _chosen(self, leaving: Sequence[Leaving]) -> tuple[list[Leaving], list[Memory]]:
        """Answer what is done or asked now, and what is put off."""
        certain = {each.id for each in leaving if not each.ask}
        busy = {(row.table, row.key) for row in self._mendings if row.memories & certain}
        chosen, later = [], []
        for each in leaving:
            rows = {(row.table, row.key) for row in self._named_by.get(each.id, ())}
            if each.ask and rows & busy:
                later.append(each.memory)
                continue
            chosen.append(each)
            busy |= rows
        return chosen, later


def _root(leader: dict[str, str], one: str) -> str:
    while (above := leader.get(one, one)) != one:
        # The way is shortened as it is gone, or a long chain would be gone again and again.
        leader[one] = leader.get(above, above)
        one = above
    return one
