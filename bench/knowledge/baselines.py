"""What others would use, measured on the same rows: one likeness each, 0 to 1, with and without our guards."""

import importlib
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from dure.apps.knowledge.finding import embedding

Scores = NDArray[np.float64]
Rows = Sequence[tuple[str, str]]
GRAMS = (3, 6)


def token_sort(rows: Rows) -> Scores:
    return np.array([fuzz.token_sort_ratio(one.casefold(), other.casefold()) / 100 for one, other in rows])


def jamo(rows: Rows) -> Scores:
    return _tf_idf(rows, lambda text: _pieces(f" {unicodedata.normalize('NFD', text.casefold())} "))


def wordllama(rows: Rows) -> Scores:
    model = embedding.load()
    if model is None:
        return np.zeros(len(rows))
    one = [model.read(first.casefold()) for first, _ in rows]
    other = [model.read(second.casefold()) for _, second in rows]
    return np.array([float(a.mean @ b.mean) for a, b in zip(one, other, strict=True)])


def kiwi() -> Callable[[Rows], Scores] | None:
    """Morphemes by kiwipiepy, which Dure does not depend on: measured where it happens to be installed."""
    try:
        analyser: Any = importlib.import_module("kiwipiepy").Kiwi()
    except ImportError:
        return None
    return lambda rows: _tf_idf(rows, lambda text: Counter(f"{t.form}/{t.tag}" for t in analyser.tokenize(text)))


def _pieces(text: str) -> Counter[str]:
    low, high = GRAMS
    return Counter(text[at : at + size] for size in range(low, high + 1) for at in range(len(text) - size + 1))


def _tf_idf(rows: Rows, cut: Callable[[str], Counter[str]]) -> Scores:
    texts = {text for row in rows for text in row}
    counted = {text: cut(text) for text in texts}
    seen: Counter[str] = Counter()
    for pieces in counted.values():
        seen.update(pieces.keys())
    vectors = {text: _vector(pieces, seen, len(texts)) for text, pieces in counted.items()}
    return np.array([_cosine(vectors[one], vectors[other]) for one, other in rows])


def _vector(pieces: Counter[str], seen: Counter[str], total: int) -> Mapping[str, float]:
    vector = {
        piece: (1 + math.log(count)) * (1 + math.log((total + 1) / (seen[piece] + 1)))
        for piece, count in pieces.items()
    }
    length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
    return {piece: value / length for piece, value in vector.items()}


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if len(one) > len(other):
        one, other = other, one
    return sum(value * other.get(piece, 0.0) for piece, value in one.items())


def all_of_them() -> dict[str, Callable[[Rows], Scores]]:
    found: dict[str, Callable[[Rows], Scores]] = {
        "rapidfuzz token_sort": token_sort,
        "jamo TF-IDF": jamo,
        "wordllama": wordllama,
    }
    morphemes = kiwi()
    if morphemes is not None:
        found["Kiwi morphemes TF-IDF"] = morphemes
    return found
