"""Which texts share rare pieces: an inverted index over hashed jamo n-grams and word pairs, in numpy, in blocks.

Every text keeps its rarest pieces; a piece that very many texts share finds nothing and is left out of the search. So
the work grows with the number of texts and not with its square. Jamo, because a Korean syllable hides its letters:
`먹고` and `먹은` share three of their five.
"""

import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS = 24
BUCKETS = 1 << BUCKET_BITS
SIZES = (3, 4, 5)
PIECES_MAX = 64
"""How many of a text's rarest pieces are kept, of those that another text has too."""
CHARS_MAX = 2_000
BLOCK_TEXTS = 4_000
BLOCK_KEYS = 4_000_000
POSTINGS_WORK = 3_000_000
SHARED_MIN = 0.05
"""Of their whole weight two texts share at least this in rare pieces, or they are no candidates."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grams:
    """For every text its kept pieces, sorted, with weights of length one; and how many texts have each piece."""

    starts: Ints
    pieces: NDArray[np.int32]
    weights: Floats
    frequency: NDArray[np.int32]

    @property
    def count(self) -> int:
        """How many texts there are."""
        return len(self.starts) - 1


def index(texts: Sequence[str], extra: Sequence[Sequence[str]]) -> Grams:
    """Cut texts into pieces and keep each one's rarest. `extra` are more pieces of each text, its word pairs.

    Example: `index(["배송비 면제", "배송비는 면제"], [(), ()]).count == 2`.
    """
    blocks: list[Ints] = []
    frequency = np.zeros(BUCKETS, dtype=np.int32)
    for start in range(0, len(texts), BLOCK_TEXTS):
        keys = _keys(texts[start : start + BLOCK_TEXTS], extra[start : start + BLOCK_TEXTS])
        frequency += np.bincount(keys & (BUCKETS - 1), minlength=BUCKETS).astype(np.int32)
        blocks.append(keys)
    starts, pieces, weights = [np.zeros(1, dtype=np.int64)], [], []
    for number, keys in enumerate(blocks):
        size = min(BLOCK_TEXTS, len(texts) - number * BLOCK_TEXTS)
        counts, kept, weight = _rarest(keys, size, frequency, len(texts))
        starts.append(starts[-1][-1] + np.cumsum(counts))
        pieces.append(kept)
        weights.append(weight)
        blocks[number] = np.zeros(0, dtype=np.int64)
    if not pieces:
        return Grams(starts[0], np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32), frequency)
    return Grams(np.concatenate(starts), np.concatenate(pieces), np.concatenate(weights), frequency)


def _keys(texts: Sequence[str], extra: Sequence[Sequence[str]]) -> Ints:
    """Answer the distinct (text, piece) of a block as one number each, sorted."""
    spelled = [unicodedata.normalize("NFD", f" {text[:CHARS_MAX]} ") for text in texts]
    lengths = np.array([len(text) for text in spelled], dtype=np.int64)
    chars = np.frombuffer("".join(spelled).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    found = []
    for size in SIZES:
        places = len(chars) - size + 1
        if places <= 0:
            continue
        hashed = np.full(places, size, dtype=np.uint64)
        for offset in range(size):
            hashed = (hashed ^ chars[offset : offset + places]) * np.uint64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> np.uint64(29)
        inside = owner[:places] == owner[size - 1 :]
        bucket = (hashed >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
        found.append((owner[:places] << BUCKET_BITS | bucket)[inside])
    found.append(_extra_keys(extra))
    keys = np.sort(np.concatenate(found))
    return keys[_new(keys)]


def _new(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a sorted array begins a new value."""
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[1:] != values[:-1]
    return new


def _extra_keys(extra: Sequence[Sequence[str]]) -> Ints:
    keys = [number << BUCKET_BITS | _bucket(piece) for number, pieces in enumerate(extra) for piece in pieces]
    return np.array(keys, dtype=np.int64)


def _bucket(piece: str) -> int:
    """The same in every process, which `hash` of a text is not."""
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) & (BUCKETS - 1)


def _rarest(keys: Ints, size: int, frequency: NDArray[np.int32], total: int) -> tuple[Ints, NDArray[np.int32], Floats]:
    owner, piece = keys >> BUCKET_BITS, (keys & (BUCKETS - 1)).astype(np.int32)
    weight = np.log((total + 1) / (frequency[piece] + 1)) + 1.0
    length = np.sqrt(np.bincount(owner, weights=weight * weight, minlength=size))
    # A piece of one text alone counts in that text's length, but it can be shared with nobody.
    shared = frequency[piece] > 1
    owner, piece, weight = owner[shared], piece[shared], weight[shared]
    order = np.lexsort((piece, -weight, owner))
    begins = np.searchsorted(owner[order], np.arange(size))
    rank = np.arange(len(order)) - np.repeat(begins, np.bincount(owner, minlength=size))
    chosen = np.sort(order[rank < PIECES_MAX])
    owner, piece, weight = owner[chosen], piece[chosen], weight[chosen]
    return np.bincount(owner, minlength=size), piece, (weight / length[owner]).astype(np.float32)


def candidates(grams: Grams, top: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs (later, earlier) in blocks: for every text, the earlier texts that share most with it.

    Example: `list(candidates(index(texts, pairs), 5))`.
    """
    limit = max(100, POSTINGS_WORK // max(1, grams.count))
    owner = np.repeat(np.arange(grams.count, dtype=np.int64), np.diff(grams.starts))
    useful = (grams.frequency[grams.pieces] > 1) & (grams.frequency[grams.pieces] <= limit)
    owner, piece, weight = owner[useful], grams.pieces[useful], grams.weights[useful]
    order = np.lexsort((owner, piece))
    # Entries with the same piece stand together, older texts first: what stands before an entry are its candidates.
    owner, piece, weight = owner[order], piece[order], weight[order]
    first = np.maximum.accumulate(np.where(_new(piece), np.arange(len(piece)), 0))
    by_text = np.argsort(owner, kind="stable")
    before = (np.arange(len(piece)) - first)[by_text]
    edges = _edges(owner[by_text], before)
    for left, right in pairwise(edges):
        entries = by_text[left:right]
        yield _best(entries, first, owner, weight, top)


def _edges(owner: Ints, before: Ints) -> list[int]:
    """Cut the entries into blocks of bounded work, each with all entries of its texts."""
    done = np.concatenate([[0], np.cumsum(before)])
    edges, place = [0], 0
    while place < len(owner):
        end = int(np.searchsorted(done, done[place] + BLOCK_KEYS, side="right")) - 1
        end = min(max(end, place + 1), len(owner))
        end = int(np.searchsorted(owner, owner[end - 1], side="right"))
        edges.append(end)
        place = end
    return edges


def _best(entries: Ints, first: Ints, owner: Ints, weight: Floats, top: int) -> tuple[Ints, Ints]:
    counts = entries - first[entries]
    later = np.repeat(entries, counts)
    offsets = np.arange(len(later)) - np.repeat(np.cumsum(counts) - counts, counts)
    earlier = np.repeat(first[entries], counts) + offsets
    pair = owner[later] << np.int64(32) | owner[earlier]
    order = np.argsort(pair, kind="stable")
    new = _new(pair[order])
    pairs = pair[order][new]
    score = np.bincount(np.cumsum(new) - 1, weights=(weight[later] * weight[earlier])[order], minlength=len(pairs))
    pairs, score = pairs[score >= SHARED_MIN], score[score >= SHARED_MIN]
    return top_of(pairs >> np.int64(32), pairs & np.int64(0xFFFFFFFF), score, top)


def top_of(later: Ints, earlier: Ints, score: NDArray[Any], top: int) -> tuple[Ints, Ints]:
    """Keep for every later text its best earlier ones; among equals the older. Example: `top_of(a, b, scores, 5)`."""
    order = np.lexsort((earlier, -score, later))
    later, earlier = later[order], earlier[order]
    begin = np.maximum.accumulate(np.where(_new(later), np.arange(len(later)), 0))
    kept = np.arange(len(later)) - begin < top
    return later[kept], earlier[kept]


def cosines(grams: Grams, one: Ints, other: Ints) -> Floats:
    """Answer how much each pair of texts shares, 0 to 1. Example: `cosines(grams, later, earlier)`."""
    out = np.zeros(len(one), dtype=np.float32)
    step = 8_000
    for start in range(0, len(one), step):
        block = slice(start, start + step)
        out[block] = _cosine_block(grams, one[block], other[block])
    return out


def _cosine_block(grams: Grams, one: Ints, other: Ints) -> Floats:
    keys, weights = [], []
    for side in (one, other):
        sizes = grams.starts[side + 1] - grams.starts[side]
        number = np.repeat(np.arange(len(side)), sizes)
        place = (
            np.arange(len(number)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(grams.starts[side], sizes)
        )
        keys.append(number.astype(np.int64) << BUCKET_BITS | grams.pieces[place])
        weights.append(grams.weights[place])
    key, weight = np.concatenate(keys), np.concatenate(weights)
    order = np.argsort(key, kind="stable")
    key, weight = key[order], weight[order]
    shared = np.flatnonzero(key[1:] == key[:-1])
    sums = np.bincount(key[shared] >> BUCKET_BITS, weights=weight[shared] * weight[shared + 1], minlength=len(one))
    return sums.astype(np.float32)
