"""Measures of a labelled set, and the figures that say how good a ranking is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.knowledge.data import Pair
from dure.apps.knowledge.finding import embedding, grams
from dure.apps.knowledge.finding.likeness import Likeness, read
from dure.apps.knowledge.finding.skeleton import skeleton


class Collection:
    """A set of labelled pairs, all its texts being the collection in which rare words weigh more."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = list(pairs)
        texts = sorted({text for pair in pairs for text in (pair.one, pair.other)})
        place = {text: number for number, text in enumerate(texts)}
        self.texts = [read(text, skeleton(text)) for text in texts]
        self.grams = grams.index([text.plain for text in self.texts], [text.pairs for text in self.texts])
        self.one = np.array([place[pair.one] for pair in pairs])
        self.other = np.array([place[pair.other] for pair in pairs])
        self.labels = np.array([float(pair.duplicate) for pair in pairs])
        self.likeness = Likeness(self.texts, embedding.load())
        cosines = grams.cosines(self.grams, self.one, self.other)
        self.measures: NDArray[np.float64] = np.array(
            [
                self.likeness.measures(self.texts[one], self.texts[other], float(cosine))
                for one, other, cosine in zip(self.one, self.other, cosines, strict=True)
            ]
        )


def average_precision(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Average precision; ties count as the mean over their orders would, by breaking them by row."""
    order = np.argsort(-scores, kind="stable")
    hits = labels[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / max(1.0, hits.sum()))


def best_f1(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    return float((2 * hits / (np.arange(1, len(hits) + 1) + labels.sum())).max())
