"""Which stored vectors are near each other: an inverted file in numpy.

The vectors are projected to a few dimensions and spread over cells around samples of themselves; each is compared with
the vectors of its own and the next cells alone, and the best are measured exactly.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dure.apps.knowledge.finding.grams import Floats, Ints, top_of

DIMENSIONS = 96
CELLS_PER_ROOT = 1.0
PROBES = 4
BLOCK = 2_048
WHOLE_MAX = 4_000
"""Up to so many vectors are all compared with all, by matrix products."""
SEED = 20_260_101


def matrix(vectors: Sequence[Any | None]) -> tuple[Ints, Floats]:
    """Gather the vectors that are there, of the commonest length and finite, as rows of length one, with their places.

    Example: `matrix([[1.0, 0.0], None])[0].tolist() == [0]`.
    """
    sizes = [0 if vector is None else len(vector) for vector in vectors]
    common = max(sorted(set(sizes) - {0}), key=sizes.count, default=0)
    places = [place for place, size in enumerate(sizes) if size == common and common]
    rows = np.zeros((len(places), common), dtype=np.float32)
    for row, place in enumerate(places):
        rows[row] = np.asarray(vectors[place], dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    good = np.isfinite(lengths) & (lengths > 0)
    return np.array(places, dtype=np.int64)[good], rows[good] / lengths[good, None]


def nearest(rows: Floats, top: int, least: float) -> tuple[Ints, Ints, Floats]:
    """Answer (later, earlier, cosine) for the best earlier rows of every row that are at least `least` alike.

    Example: `nearest(np.eye(3, dtype=np.float32), 5, 0.7)[0].size == 0`.
    """
    if len(rows) < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0, dtype=np.float32)
    later, earlier = _whole(rows, least) if len(rows) <= WHOLE_MAX else _by_cells(rows, least)
    cosine = pair_cosines(rows, later, earlier)
    close = cosine >= least
    later, earlier, cosine = later[close], earlier[close], cosine[close]
    kept_later, kept_earlier = top_of(later, earlier, cosine, top)
    return kept_later, kept_earlier, pair_cosines(rows, kept_later, kept_earlier)


def pair_cosines(rows: Floats, one: Ints, other: Ints) -> Floats:
    """Answer the exact cosine of each pair of rows. Example: `pair_cosines(rows, later, earlier)`."""
    out = np.zeros(len(one), dtype=np.float32)
    for start in range(0, len(one), BLOCK * 4):
        block = slice(start, start + BLOCK * 4)
        out[block] = np.einsum("ij,ij->i", rows[one[block]], rows[other[block]])
    return out


def _whole(rows: Floats, least: float) -> tuple[Ints, Ints]:
    found = []
    for start in range(0, len(rows), BLOCK):
        likeness = rows[start : start + BLOCK] @ rows.T
        found.append(_earlier(likeness, np.arange(start, start + len(likeness)), np.arange(len(rows)), least - 1e-4))
    return _joined(found)


def _earlier(likeness: Floats, queries: Ints, others: Ints, least: float) -> tuple[Ints, Ints]:
    query, other = np.nonzero((likeness >= least) & (others[None, :] < queries[:, None]))
    return queries[query], others[other]


def _joined(found: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    return np.concatenate([later for later, _ in found]), np.concatenate([earlier for _, earlier in found])


def _by_cells(rows: Floats, least: float) -> tuple[Ints, Ints]:
    source = np.random.default_rng(SEED)
    size = min(DIMENSIONS, rows.shape[1])
    frame = np.linalg.qr(source.standard_normal((rows.shape[1], size)))[0].astype(np.float32)
    # The main directions of a sample keep more of a likeness than random ones do.
    sample = rows[source.choice(len(rows), min(len(rows), 2_000), replace=False)]
    frame = np.linalg.qr(sample.T @ (sample @ frame))[0].astype(np.float32)
    small = rows @ frame
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)
    cells = int(np.sqrt(len(rows)) * CELLS_PER_ROOT)
    centres = small[np.sort(source.choice(len(rows), cells, replace=False))]
    probes = _probes(small, centres)
    home = probes[:, 0]
    members = np.argsort(home, kind="stable")
    edges = np.searchsorted(home[members], np.arange(cells + 1))
    return _search(small, probes, members, edges, least)


def _probes(small: Floats, centres: Floats) -> NDArray[np.int64]:
    out = np.zeros((len(small), min(PROBES, len(centres))), dtype=np.int64)
    for start in range(0, len(small), BLOCK):
        likeness = small[start : start + BLOCK] @ centres.T
        best = np.argpartition(-likeness, out.shape[1] - 1, axis=1)[:, : out.shape[1]]
        order = np.argsort(-np.take_along_axis(likeness, best, axis=1), axis=1, kind="stable")
        out[start : start + BLOCK] = np.take_along_axis(best, order, axis=1)
    return out


def _search(small: Floats, probes: Ints, members: Ints, edges: Ints, least: float) -> tuple[Ints, Ints]:
    """Compare the members of every cell with all that probe it."""
    flat = probes.ravel()
    visits = np.argsort(flat, kind="stable")
    visit_edges = np.searchsorted(flat[visits], np.arange(len(edges)))
    found = []
    for cell in range(len(edges) - 1):
        inside = members[edges[cell] : edges[cell + 1]]
        queries = visits[visit_edges[cell] : visit_edges[cell + 1]] // probes.shape[1]
        for start in range(0, len(queries), BLOCK):
            block = queries[start : start + BLOCK]
            found.append(_earlier_few(small[block] @ small[inside].T, block, inside, least - 0.05))
    return _joined(found)


def _earlier_few(likeness: Floats, queries: Ints, others: Ints, least: float) -> tuple[Ints, Ints]:
    """As `_earlier`, but of a crowd of like vectors only each query's best, which bounds the memory."""
    most = 32
    if np.count_nonzero(likeness >= least) <= most * len(queries):
        return _earlier(likeness, queries, others, least)
    likeness = np.where(others[None, :] < queries[:, None], likeness, np.float32(-2.0))
    kept = min(most, likeness.shape[1])
    best = np.argpartition(-likeness, kept - 1, axis=1)[:, :kept]
    rows, columns = np.nonzero(np.take_along_axis(likeness, best, axis=1) >= least)
    return queries[rows], others[best[rows, columns]]
