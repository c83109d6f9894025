"""Which rules can fit one input at all, without trying every pair.

Of the inputs that the rules share, the one that tells most of them apart is cut into cells: a string is a cell, and
the line of numbers is cut at the ends of the rules' own spans. Only rules with a cell in common are a pair.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dure.apps.knowledge.dmn.canonical import Condition
from dure.apps.knowledge.dmn.relating import Side
from dure.apps.knowledge.dmn.values import TEMPORAL, Cut

CELLS_MAX = 4096
CELLS_A_RULE_MAX = 32
"""A rule that covers more than this counts as covering all."""
KEYS_MAX = 16
"""Of so many inputs the best is chosen."""

Cell = str | int
Cells = frozenset[Cell]
Pair = tuple[int, int]
WIDE: Cells = frozenset()


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of places, found as they are asked for; `most` is how many there can be."""

    left: Sequence[int]
    right: Sequence[int] | None
    cells: dict[int, Cells]
    most: int

    def __iter__(self) -> Iterator[Pair]:
        wide_left, left = _sorted_out(self.left, self.cells)
        if self.right is None:
            yield from _inside(wide_left, left, self.cells)
            return
        wide_right, right = _sorted_out(self.right, self.cells)
        yield from ((a, b) for a in wide_left for b in self.right)
        yield from ((a, b) for a in self.left if self.cells[a] for b in wide_right)
        for cell, places in left.items():
            yield from _once(cell, ((a, b) for a in places for b in right.get(cell, ())), self.cells)


def pairs(sides: Sequence[Side], left: Sequence[int], right: Sequence[int] | None = None) -> Pairs:
    """Answer the pairs among `left`, or between `left` and `right`, that may fit one input.

    Example: `for a, b in pairs(sides, range(len(sides))): …`.
    """
    places = [*left, *(right or ())]
    keys = sorted({key for place in places for key in sides[place].conditions})[:KEYS_MAX]
    best = {place: WIDE for place in places}
    chosen = Pairs(left, right, best, _most(left, right, best))
    for key in keys:
        cells = _cells({place: sides[place].conditions.get(key) for place in places})
        most = _most(left, right, cells)
        if most < chosen.most:
            chosen = Pairs(left, right, cells, most)
    return chosen


def _cells(asked: dict[int, Condition | None]) -> dict[int, Cells]:
    if len({each.values.kind for each in asked.values() if each} & TEMPORAL) > 1:
        # Which dates are which times is for an engine to say, so no cell may keep them apart.
        return dict.fromkeys(asked, WIDE)
    hulls = {place: _hull(condition) for place, condition in asked.items()}
    cuts = sorted({cut for hull in hulls.values() if hull for cut in hull})
    step = len(cuts) // CELLS_MAX + 1
    edges = cuts[::step]
    return {place: _names(condition) or _covered(hulls[place], edges) for place, condition in asked.items()}


def _names(condition: Condition | None) -> Cells:
    """Answer a cell for each string; null is none of them, so a test that lets it through counts as wide."""
    if condition is None or condition.values.negated or condition.values.null:
        return WIDE
    return frozenset(condition.values.names)


def _hull(condition: Condition | None) -> tuple[Cut, Cut] | None:
    if condition is None or condition.values.null or not condition.values.spans:
        return None
    spans = condition.values.spans
    return spans[0][0], spans[-1][1]


def _covered(hull: tuple[Cut, Cut] | None, edges: list[Cut]) -> Cells:
    if hull is None:
        return WIDE
    first, last = bisect_right(edges, hull[0]), bisect_left(edges, hull[1])
    return frozenset(range(first, last + 1)) if last - first < CELLS_A_RULE_MAX else WIDE


def _most(left: Sequence[int], right: Sequence[int] | None, cells: dict[int, Cells]) -> int:
    wide, narrow = _sorted_out(left, cells)
    if right is None:
        n = len(wide)
        return (
            n * (n - 1) // 2 + n * (len(left) - n) + sum(len(each) * (len(each) - 1) // 2 for each in narrow.values())
        )
    others_wide, others = _sorted_out(right, cells)
    met = sum(len(each) * len(others.get(cell, ())) for cell, each in narrow.items())
    return len(wide) * len(right) + (len(left) - len(wide)) * len(others_wide) + met


def _sorted_out(places: Sequence[int], cells: dict[int, Cells]) -> tuple[list[int], dict[Cell, list[int]]]:
    wide, narrow = [], defaultdict(list)
    for place in places:
        if not cells[place]:
            wide.append(place)
        for cell in cells[place]:
            narrow[cell].append(place)
    return wide, dict(sorted(narrow.items(), key=_by_kind))


def _by_kind(item: tuple[Cell, list[int]]) -> tuple[str, int, str]:
    cell = item[0]
    return ("number", cell, "") if isinstance(cell, int) else ("name", 0, cell)


def _inside(wide: list[int], narrow: dict[Cell, list[int]], cells: dict[int, Cells]) -> Iterator[Pair]:
    others = sorted({place for places in narrow.values() for place in places})
    for at, a in enumerate(wide):
        yield from ((a, b) for b in wide[at + 1 :])
        yield from ((a, b) for b in others)
    for cell, places in narrow.items():
        found = ((a, b) for at, a in enumerate(places) for b in places[at + 1 :])
        yield from _once(cell, found, cells)


def _once(cell: Cell, found: Iterator[Pair], cells: dict[int, Cells]) -> Iterator[Pair]:
    """Pass on the pairs whose first cell in common this is, so that none comes twice."""
    for a, b in found:
        if min(cells[a] & cells[b], key=str) == cell:
            yield a, b
