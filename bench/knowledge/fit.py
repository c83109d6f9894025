"""Fit the weights of `dure.apps.knowledge.finding.weights` on half of the labelled rows and print them.

`python -m bench.knowledge.fit [--data FOLDER]`. Newton's method on a ridge logistic regression, in numpy.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.knowledge import data
from bench.knowledge.scoring import Collection
from dure.apps.knowledge.finding.weights import LEXICAL

RIDGE = 10.0
STEPS = 30
PARAPHRASES = "ko_parakqc_clusters_0_499.tsv"


def logistic(
    rows: NDArray[np.float64], labels: NDArray[np.float64], shares: NDArray[np.float64], ridge: float = RIDGE
) -> tuple[NDArray[np.float64], float]:
    """Answer the weights and bias for measures as they are, fitted on standardised ones."""
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread < 1e-6] = 1.0
    design = np.column_stack([(rows - middle) / spread, np.ones(len(rows))])
    weights = np.zeros(design.shape[1])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 0.0
    for _ in range(STEPS):
        guess = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (shares * (guess - labels)) + penalty * weights
        curve = (design * (shares * guess * (1 - guess))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    plain = weights[:-1] / spread
    return plain, float(weights[-1] - plain @ middle)


def gather(sets: Sequence[tuple[Collection, float]], held_out: bool) -> tuple[NDArray[np.float64], ...]:
    """Join sets, each with its share of the whole however many rows it has."""
    rows, labels, shares = [], [], []
    for collection, share in sets:
        chosen = np.array([pair.held_out == held_out for pair in collection.pairs])
        rows.append(collection.measures[chosen])
        labels.append(collection.labels[chosen])
        shares.append(np.full(chosen.sum(), share / chosen.sum()))
    joined = np.concatenate(shares)
    return np.vstack(rows), np.concatenate(labels), joined * len(joined) / joined.sum()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.knowledge.fit")
    parser.add_argument("--data")
    folder = data.folder(parser.parse_args().data)
    if folder is None:
        print("The labelled data is not here.", file=sys.stderr)
        return 1
    english = [(Collection(data.pairs(folder / "en_stsb_dev.tsv")), 1.0)]
    korean = [
        (Collection(data.pairs(folder / "ko_korsts_dev.tsv")), 1.0),
        (Collection(data.pairs(folder / "ko_question_pair_train.tsv")), 0.3),
    ]
    for language, sets in (("en", english), ("ko", korean)):
        for embedded in (False, True):
            rows, labels, shares = gather(sets, held_out=False)
            width = rows.shape[1] if embedded else len(LEXICAL)
            weights, bias = logistic(rows[:, :width], labels, shares)
            numbers = textwrap.fill(", ".join(f"{weight:.3f}" for weight in weights), 100)
            lines = textwrap.indent(numbers, " " * 8)
            print(f'    ("{language}", {embedded}): Model((\n{lines},\n    ), {bias:.3f}),')
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
