"""Weights of the measures of likeness, fitted on labelled pairs by `bench/knowledge/fit.py`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEXICAL = (
    "token_sort", "token_set", "letters", "grams", "stems", "missed", "rarest_missed", "length", "sequence",
    "differs_number", "differs_negation", "differs_opposite", "differs",
)  # fmt: skip
MEASURES = (*LEXICAL, "mean", "aligned", "least_aligned")


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression over the first measures."""

    weights: tuple[float, ...]
    bias: float

    def probability(self, measures: Sequence[float]) -> float:
        """Answer the probability that the pair says the same. Example: `model.probability(measures)`."""
        power = self.bias + sum(weight * value for weight, value in zip(self.weights, measures, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, power))))


MODELS: Mapping[tuple[str, bool], Model] = {
    ("en", False): Model((
        2.562, 1.428, -0.396, -0.063, 1.679, -1.788, -1.933, -1.193, 0.499, -1.027, -0.655, -2.193, -0.188,
    ), -1.911),
    ("en", True): Model((
        1.002, 0.760, -0.033, -0.434, 0.535, -0.549, -1.604, -1.171, 0.377, -1.107, -0.760, -1.629, -0.186,
        3.198, 1.682, 2.863,
    ), -4.225),
    ("ko", False): Model((
        1.563, -1.184, -0.059, 6.330, -0.840, -3.606, 1.595, -0.307, -1.005, -1.735, 0.278, -5.097, -0.290,
    ), -0.536),
    ("ko", True): Model((
        0.867, -0.907, -0.679, 5.953, -0.466, -2.401, 2.485, -0.567, -0.910, -1.660, 0.288, -4.788, -0.272,
        -2.448, 4.071, 2.869,
    ), -2.904),
}  # fmt: skip
"""By language, and whether the embedding is there."""
