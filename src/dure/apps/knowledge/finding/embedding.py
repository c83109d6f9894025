"""The static embeddings of `wordllama`, as one more measure of likeness: offline always, absent if not installed.

The measure is English at heart. On Korean it sees letters and a little of meaning, so its weight there is small.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECES_MAX = 64
"""Of a longer text the first distinct pieces speak for it; a Korean text has several pieces a syllable."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The pieces of a text in the model's vocabulary, and their mean."""

    pieces: NDArray[np.int32]
    mean: NDArray[np.float32]


class Embedding:
    """The table of word vectors. Example: `load()` answers one, or None where `wordllama` is not installed."""

    def __init__(self, tokenizer: Any, table: NDArray[np.float32]) -> None:
        self._tokenizer = tokenizer
        self._table = table
        self._lengths = np.linalg.norm(table, axis=1)
        self._units = table / np.maximum(self._lengths, 1e-9)[:, None]

    def read(self, text: str) -> Meaning:
        """Look a text up. Example: `embedding.read("free shipping").mean.shape`."""
        coded = self._tokenizer.encode(text, add_special_tokens=False)
        pieces = [piece for piece in coded.ids if piece < len(self._table)]
        distinct = list(dict.fromkeys(pieces))[:PIECES_MAX]
        return Meaning(np.array(distinct, dtype=np.int32), self._mean(pieces))

    def _mean(self, pieces: list[int]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = self._table[pieces].sum(axis=0, dtype=np.float32)
        return mean / np.float32(max(float(np.linalg.norm(mean)), 1e-9))

    def compare(self, one: Meaning, other: Meaning) -> list[float]:
        """Answer the cosine of the means, and how well each side's words find a like word on the other, two ways."""
        if not len(one.pieces) or not len(other.pieces):
            return [0.0, 0.0, 0.0]
        likeness = self._units[one.pieces] @ self._units[other.pieces].T
        best = [likeness.max(axis=1), likeness.max(axis=0)]
        lengths = [self._lengths[one.pieces], self._lengths[other.pieces]]
        sides = [float(near @ far / max(float(far.sum()), 1e-9)) for near, far in zip(best, lengths, strict=True)]
        least = float(min(side.min() for side in best))
        return [float(one.mean @ other.mean), sum(sides) / 2, least]


@cache
def load() -> Embedding | None:
    """Load the table from the installed package, and from nowhere else.

    Example: `load() is load()`.
    """
    try:
        import wordllama  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    except Exception:
        # Its files are not where this release expects them: the lexical measures do without, and nothing is fetched.
        return None
    return Embedding(model.tokenizer, np.asarray(model.embedding, dtype=np.float32))
