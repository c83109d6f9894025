"""How well duplicates are found: what is deleted unasked, what is asked, what is wrong."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.knowledge import baselines
from bench.knowledge.data import Pair
from bench.knowledge.mutations import contradictions
from bench.knowledge.scoring import Collection, average_precision, best_f1
from dure.apps.knowledge.finding import crossing, grams, guards
from dure.apps.knowledge.finding.likeness import read
from dure.apps.knowledge.finding.model import Item, Options
from dure.apps.knowledge.finding.settling import settle
from dure.apps.knowledge.finding.skeleton import skeleton
from dure.apps.knowledge.finding.weights import MODELS

FIXED = 0.9
PRECISION_MIN = 0.98
CONTRADICTIONS_MAX = 0.005
OVERLAP = 0.8
TOP = 5
OURS = "Dure"

Figures = dict[str, Any]
Rows = Sequence[tuple[str, str]]


def deleted(rows: Rows) -> np.ndarray:
    """What Dure deletes unasked: each pair through the very code that a run uses."""
    options = Options()
    pairs = ([Item("1", "memories", one), Item("2", "memories", other)] for one, other in rows)
    return np.array([bool(settle(pair, options).matches) for pair in pairs])


def guarded(rows: Rows) -> np.ndarray:
    return np.array([guards.difference(skeleton(one), skeleton(other)) is None for one, other in rows])


def decisions(rows: Rows) -> dict[str, np.ndarray]:
    """What each detector would delete: baselines at 0.9, plain and with the guards that Dure has."""
    safe = guarded(rows)
    found = {OURS: deleted(rows)}
    for name, score in baselines.all_of_them().items():
        found[f"{name} ≥ {FIXED}"] = score(rows) >= FIXED
        found[f"{name} ≥ {FIXED}, guarded"] = (score(rows) >= FIXED) & safe
    return found


def unasked(pairs: Sequence[Pair]) -> Figures:
    """Precision and recall of deletions on all rows: nothing of it was fitted to any."""
    rows = [(pair.one, pair.other) for pair in pairs]
    labels = np.array([pair.duplicate for pair in pairs])
    table = {}
    for name, chosen in decisions(rows).items():
        table[name] = {
            "deleted": int(chosen.sum()),
            "precision": _share(labels[chosen].sum(), chosen.sum()),
            "recall": _share(labels[chosen].sum(), labels.sum()),
        }
    return table


def at_precision(sets: Sequence[Sequence[Pair]], contradictions_max: float) -> Figures:
    """For each baseline the one threshold, of all, that deletes most while it keeps both aims on every set.

    Fitted on the very rows that it is measured on: what a baseline could reach at best.
    """
    rows = [[(pair.one, pair.other) for pair in pairs] for pairs in sets]
    labels = [np.array([pair.duplicate for pair in pairs]) for pairs in sets]
    made = [contradictions(sorted({pair.one for pair in pairs})) for pairs in sets]
    ours = [_share(label[chosen].sum(), label.sum()) for label, chosen in zip(labels, map(deleted, rows), strict=True)]
    table = {OURS: ours}
    for name, score in baselines.all_of_them().items():
        scores = [_guarded_score(score, each) for each in rows]
        wrong = [_guarded_score(score, each) for each in made]
        table[f"{name}, guarded"] = _best(scores, labels, wrong, contradictions_max)
    return table


def _guarded_score(score: Callable[[Rows], np.ndarray], rows: Rows) -> np.ndarray:
    return np.where(guarded(rows), score(rows), -1.0)


def _best(
    scores: Sequence[np.ndarray], labels: Sequence[np.ndarray], wrong: Sequence[np.ndarray], contradictions_max: float
) -> list[float]:
    best = [0.0] * len(labels)
    for least in np.arange(0.5, 1.0001, 0.005):
        chosen = [each >= least for each in scores]
        precise = all(
            _share(y[c].sum(), c.sum()) >= PRECISION_MIN for y, c in zip(labels, chosen, strict=True) if c.any()
        )
        careful = all((each >= least).mean() <= contradictions_max for each in wrong)
        recall = [_share(y[c].sum(), y.sum()) for y, c in zip(labels, chosen, strict=True)]
        if precise and careful and sum(recall) > sum(best):
            best = recall
    return best


def contradicted(pairs: Sequence[Pair]) -> Figures:
    """Pairs that people call different, share most words, and differ in a guard; and sentences changed by one word."""
    different = [(pair.one, pair.other) for pair in pairs if not pair.duplicate]
    alike = baselines.token_sort(different) >= OVERLAP
    labelled = [row for row, near in zip(different, alike, strict=True) if near]
    labelled = [row for row, same in zip(labelled, guarded(labelled), strict=True) if not same]
    made = contradictions(sorted({pair.one for pair in pairs}))
    return {
        "labelled": {"pairs": len(labelled), **_called(labelled)},
        "made": {"pairs": len(made), **_called(made)},
    }


def _called(rows: Rows) -> dict[str, float]:
    if not rows:
        return {}
    return {name: float(chosen.mean()) for name, chosen in decisions(rows).items()}


def asked(collection: Collection) -> Figures:
    """AP and best F1 on the rows that no weight has seen, beside the baselines on the same rows."""
    held = np.array([pair.held_out for pair in collection.pairs])
    rows = [(pair.one, pair.other) for pair in collection.pairs]
    labels = collection.labels[held]
    language = "ko" if collection.texts[0].korean else "en"
    scores = {"constant": np.zeros(len(rows))}
    for embedded in (False, True):
        model = MODELS[language, embedded]
        width = len(model.weights)
        if width <= collection.measures.shape[1]:
            name = f"{OURS}, with wordllama" if embedded else f"{OURS}, without wordllama"
            scores[name] = np.array([model.probability(row[:width]) for row in collection.measures.tolist()])
    scores.update({name: score(rows) for name, score in baselines.all_of_them().items()})
    return {
        name: {"ap": average_precision(labels, score[held]), "f1": best_f1(labels, score[held])}
        for name, score in scores.items()
        if name != "constant"
    } | {"base": {"ap": float(labels.mean())}}


def within_first(collection: Collection) -> float:
    """The share of true duplicates, not equal to the letter, that are among each other's first five candidates."""
    texts = collection.texts
    found: set[tuple[int, int]] = set()
    # Candidates are looked for among earlier texts, so both orders are tried.
    for order in (range(len(texts)), range(len(texts) - 1, -1, -1)):
        place = list(order)
        index = grams.index([texts[at].plain for at in place], [texts[at].pairs for at in place])
        for later, earlier in grams.candidates(index, TOP):
            found |= {
                (min(place[a], place[b]), max(place[a], place[b]))
                for a, b in zip(later.tolist(), earlier.tolist(), strict=True)
            }
    true = {
        (min(a, b), max(a, b))
        for a, b, label in zip(collection.one.tolist(), collection.other.tolist(), collection.labels, strict=True)
        if label and a != b
    }
    return _share(len(true & found), len(true))


def across(english: Sequence[Pair], korean: Sequence[Pair]) -> Figures:
    """Which sentences and their translations are proposed to a judge by shared words alone, without any vector."""
    rows = {one.one: other.one for one, other in zip(english, korean, strict=True)}
    rows = {one: other for one, other in rows.items() if list(rows.values()).count(other) == 1}
    texts = [read(text, skeleton(text)) for text in (*rows, *rows.values())]
    proposed = set(crossing.candidates(texts, TOP))
    found = sum((len(rows) + place, place) in proposed for place in range(len(rows)))
    return {"pairs": len(rows), "proposed": len(proposed), "found": _share(found, len(rows))}


def clustered(texts: Sequence[tuple[int, str]]) -> Figures:
    """Wrong deletions of all deletions among paraphrase clusters, each group a star around its first."""
    items = [Item(f"{place:05}", "memories", text) for place, (_, text) in enumerate(texts)]
    cluster = {item.id: number for item, (number, _) in zip(items, texts, strict=True)}
    matches = settle(items, Options()).matches
    wrong = sum(cluster[match.item.id] != cluster[match.kept.id] for match in matches)
    to_the_letter = sum(cluster[m.item.id] != cluster[m.kept.id] and m.certainty == "exact" for m in matches)
    figures: Figures = {OURS: {"deleted": len(matches), "wrong": wrong, "wrong_to_the_letter": to_the_letter}}
    for least in (0.9, 0.95):
        figures[f"rapidfuzz token_sort ≥ {least}, guarded"] = _star(
            [text for _, text in texts], [c for c, _ in texts], least
        )
    return figures


def _star(texts: Sequence[str], cluster: Sequence[int], least: float) -> dict[str, int]:
    from rapidfuzz import fuzz, process

    kept: list[int] = []
    deleted_count = wrong = 0
    skeletons = [skeleton(text) for text in texts]
    for place, text in enumerate(texts):
        near = process.extract(
            text, [texts[at] for at in kept], scorer=fuzz.token_sort_ratio, score_cutoff=least * 100, limit=3
        )
        match = next(
            (kept[at] for _, _, at in near if guards.difference(skeletons[place], skeletons[kept[at]]) is None), None
        )
        if match is None:
            kept.append(place)
            continue
        deleted_count += 1
        wrong += cluster[match] != cluster[place]
    return {"deleted": deleted_count, "wrong": wrong}


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else 0.0
