"""What is probable: pairs of survivors that share words, vectors, or concepts across languages; each with its score."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dure.apps.knowledge.finding import crossing, embedding, grams, guards, vectors
from dure.apps.knowledge.finding.likeness import Likeness, Text, read
from dure.apps.knowledge.finding.model import TEXT_CHARS_MAX, Item, Options
from dure.apps.knowledge.finding.settling import Settled, comparable

GRAMS_COSINE_MIN = 0.12
"""Texts that share less than this of their pieces are not worth scoring."""
_SAMPLE = 2_000
_STEEPNESS, _MIDDLE = 16.0, 0.72
_ACROSS_SCALE = 0.3
_DIFFERS_SCALE = 0.3


@dataclass(frozen=True, slots=True)
class Proposal:
    """A later survivor that may say what an earlier one says: their places, how probable, and on what they differ."""

    later: int
    earlier: int
    score: float
    reason: str
    across: bool = False


def propose(settled: Settled, options: Options, judged: bool) -> list[Proposal]:
    """Search and score, as far down as a person is asked, or a judge. The best first, then in the order of worth.

    Example: `propose(settle(items, options), options, judged=False)`.
    """
    if len(settled.survivors) < 2:
        return []
    texts = [
        read(item.text[:TEXT_CHARS_MAX], said) for item, said in zip(settled.survivors, settled.skeletons, strict=True)
    ]
    least = min(options.ask_at, options.judge_at) if judged else options.ask_at
    across = _across(texts, options) if judged else ()
    proposals = {(found.later, found.earlier): found for found in across}
    likeness = Likeness(texts, embedding.load())
    by_vector = _by_vector(settled.survivors, options)
    pieces = grams.index([text.plain for text in texts], [text.pairs for text in texts])
    for later, earlier in _blocks(pieces, by_vector, options):
        cosines = grams.cosines(pieces, later, earlier)
        for one, other, cosine in zip(later.tolist(), earlier.tolist(), cosines.tolist(), strict=True):
            score = _score(likeness, texts[one], texts[other], cosine, by_vector.get((one, other)), least)
            if score >= least:
                proposals[one, other] = _proposal(one, other, score, texts)
    fair = (found for found in proposals.values() if _fair(settled, found))
    return sorted(fair, key=lambda found: (-found.score, found.later, found.earlier))


def _fair(settled: Settled, found: Proposal) -> bool:
    return comparable(settled.survivors[found.later], settled.survivors[found.earlier])


def _blocks(
    pieces: grams.Grams, by_vector: dict[tuple[int, int], float], options: Options
) -> Iterator[tuple[grams.Ints, grams.Ints]]:
    for later, earlier in grams.candidates(pieces, options.candidates_max):
        alike = grams.cosines(pieces, later, earlier) >= GRAMS_COSINE_MIN
        yield later[alike], earlier[alike]
    if by_vector:
        pairs = np.array(sorted(by_vector), dtype=np.int64)
        yield pairs[:, 0], pairs[:, 1]


def _by_vector(items: Sequence[Item], options: Options) -> dict[tuple[int, int], float]:
    """Answer, for pairs whose stored vectors are near, how near they are beyond what any two of them are."""
    places, rows = vectors.matrix([item.vector for item in items])
    if len(rows) < 2:
        return {}
    later, earlier, cosines = vectors.nearest(rows, options.candidates_max, options.vector_cosine_min)
    usual = _usual(rows)
    return {
        (int(places[one]), int(places[other])): max(0.0, (float(cosine) - usual) / max(1e-6, 1 - usual))
        for one, other, cosine in zip(later, earlier, cosines, strict=True)
    }


def _usual(rows: grams.Floats) -> float:
    """Some models give any two texts a cosine of 0.7: what counts is the distance from there to 1."""
    if len(rows) < 50:
        return 0.2
    source = np.random.default_rng(vectors.SEED)
    one, other = source.integers(0, len(rows), (2, _SAMPLE))
    return float(np.median(vectors.pair_cosines(rows, one[one != other], other[one != other])))


def _score(likeness: Likeness, one: Text, other: Text, cosine: float, near: float | None, least: float) -> float:
    score = likeness.score(one, other, cosine, least) if one.korean == other.korean else 0.0
    if near is None:
        return score
    by_vector = 1 / (1 + math.exp(-_STEEPNESS * (near - _MIDDLE)))
    # Vectors hardly see a number or a negation, so there they count for less. Across languages only numbers compare.
    unseen = ("differs_number", "differs_negation", "differs_opposite")[: 3 if one.korean == other.korean else 1]
    if guards.difference(one.skeleton, other.skeleton) in unseen:
        by_vector *= _DIFFERS_SCALE
    return max(score, by_vector)


def _proposal(one: int, other: int, score: float, texts: Sequence[Text]) -> Proposal:
    if texts[one].korean != texts[other].korean:
        return Proposal(one, other, score, "probable_across", across=True)
    return Proposal(one, other, score, guards.difference(texts[one].skeleton, texts[other].skeleton) or "probable")


def _across(texts: Sequence[Text], options: Options) -> Iterator[Proposal]:
    """Pairs for a judge alone: the score stays below what a person is asked about."""
    for one, other in crossing.candidates(texts, options.candidates_max):
        first, second = crossing.concepts(texts[one]), crossing.concepts(texts[other])
        score = _ACROSS_SCALE * len(first & second) / max(1, min(len(first), len(second)))
        yield Proposal(one, other, min(score, options.ask_at / 2), "probable_across", across=True)
