"""The figures as Markdown, for a terminal and for `docs/knowledge.md`."""

from collections.abc import Iterable, Sequence
from typing import Any


def markdown(results: dict[str, Any]) -> str:
    parts: list[str] = []
    if "sets" in results:
        parts += [_unasked(results["sets"]), _at_precision(results["recall_at_precision"], "")]
        parts += [_at_precision(results["recall_at_both"], ", and ≤ 0.5 % of the made contradictions are deleted")]
        parts += [_contradictions(results["sets"]), _asked(results["sets"]), _first(results["sets"])]
        parts += [_across(results["across"]), _clusters(results["clusters"])]
    parts += [_placing(results["placing"]), _speed(results["speed"])]
    return "\n\n".join(parts)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _unasked(sets: dict[str, Any]) -> str:
    names = list(next(iter(sets.values()))["unasked"])
    rows = [[name, *(_precision(each["unasked"][name]) for each in sets.values())] for name in names]
    return _table("Deleted unasked: precision / recall (count)", ["detector", *sets], rows)


def _precision(figures: dict[str, Any]) -> str:
    if not figures["deleted"]:
        return "– (0)"
    return f"{figures['precision']:.3f} / {figures['recall']:.3f} ({figures['deleted']})"


def _at_precision(languages: dict[str, Any], also: str) -> str:
    rows = []
    for name in languages["ko"]:
        english, korean = languages["en"].get(name, [0.0]), languages["ko"][name]
        rows.append([name, *(f"{value:.3f}" for value in (*english, *korean))])
    head = ["detector, at its best one threshold a language", "STS-B (en)", "KorSTS (ko)", "Question pairs (ko)"]
    return _table(f"Recall where precision is ≥ 0.98 on every set of the language{also}", head, rows)


def _contradictions(sets: dict[str, Any]) -> str:
    names = list(next(iter(sets.values()))["unasked"])
    columns = [(name, kind) for name in sets for kind in ("labelled", "made")]
    head = ["detector", *(f"{name}, {kind} ({sets[name]['contradictions'][kind]['pairs']})" for name, kind in columns)]
    rows = [
        [name, *(_percent(sets[each]["contradictions"][kind].get(name)) for each, kind in columns)] for name in names
    ]
    return _table("Contradictions called duplicate", head, rows)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.2f} %"


def _asked(sets: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for each in sets.values() for name in each["asked"]))
    rows = [[name, *(_ranking(each["asked"].get(name)) for each in sets.values())] for name in names]
    return _table("What is asked: AP / best F1 on held-out rows", ["detector", *sets], rows)


def _ranking(figures: dict[str, float] | None) -> str:
    if figures is None:
        return "–"
    return f"{figures['ap']:.3f}" + (f" / {figures['f1']:.3f}" if "f1" in figures else "")


def _first(sets: dict[str, Any]) -> str:
    row = [f"{each['within_first_5']:.3f}" for each in sets.values()]
    return _table("True duplicates within the first five candidates", list(sets), [row])


def _across(figures: dict[str, Any]) -> str:
    row = [str(figures["pairs"]), str(figures["proposed"]), f"{figures['found']:.3f}"]
    head = ["sentences with a translation", "pairs proposed", "translations among them"]
    return _table("Across languages, without vectors: what a judge would see", head, [row])


def _clusters(figures: dict[str, Any]) -> str:
    rows = []
    for name, found in figures.items():
        share = found["wrong"] / found["deleted"] if found["deleted"] else 0.0
        letter = str(found.get("wrong_to_the_letter", "–"))
        rows.append([name, str(found["deleted"]), str(found["wrong"]), _percent(share), letter])
    head = ["detector", "deleted", "wrong", "share", "of the wrong, equal to the letter"]
    return _table("ParaKQC clusters: wrong deletions of all deletions", head, rows)


def _placing(figures: dict[str, Any]) -> str:
    rows = [[str(figures[key]) for key in ("cases", "right", "moved", "moved_right")]]
    return _table("Records in the wrong store", ["cases", "right", "moved", "moved to the right store"], rows)


def _speed(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            f"{row['items']:,}", "yes" if row["vectors"] else "no", f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['items_per_s']:,.0f}", f"{row['deletions']:,}", f"{row['questions']:,}", f"{row['peak_mib']:,.0f}",
        ]
        for row in rows
    ]  # fmt: skip
    head = ["memories", "vectors", "seconds", "CPU s", "items/s", "deletions", "questions", "peak MiB so far"]
    return _table("Speed", head, lines)
