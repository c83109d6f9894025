"""`python -m bench.knowledge [--data FOLDER] [--json FILE] [--sizes 1000,10000,100000]`: how well and how fast."""

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from bench.knowledge import data, quality
from bench.knowledge.memories import items
from bench.knowledge.scoring import Collection
from bench.knowledge.tables import markdown
from dure.apps.knowledge.finding import find
from dure.apps.knowledge.finding.placing import place

PAIR_SETS = {
    "STS-B (en)": "en_stsb_dev.tsv",
    "KorSTS (ko)": "ko_korsts_dev.tsv",
    "Question pairs (ko)": "ko_question_pair_train.tsv",
}
CLUSTERS = "ko_parakqc_clusters_0_499.tsv"
PLACING = Path(__file__).with_name("placing.tsv")


def measured(folder: Path) -> dict[str, Any]:
    sets = {name: data.pairs(folder / file) for name, file in PAIR_SETS.items()}
    found: dict[str, Any] = {"sets": {}}
    for name, pairs in sets.items():
        print(f"{name}: {len(pairs)} pairs", file=sys.stderr)
        collection = Collection(pairs)
        found["sets"][name] = {
            "pairs": len(pairs),
            "unasked": quality.unasked(pairs),
            "contradictions": quality.contradicted(pairs),
            "asked": quality.asked(collection),
            "within_first_5": quality.within_first(collection),
        }
    english, *korean = sets.values()
    for name, contradictions_max in (("recall_at_precision", 1.0), ("recall_at_both", quality.CONTRADICTIONS_MAX)):
        found[name] = {
            "en": quality.at_precision([english], contradictions_max),
            "ko": quality.at_precision(korean, contradictions_max),
        }
    found["across"] = quality.across(english, korean[0])
    found["clusters"] = quality.clustered(data.clusters(folder / CLUSTERS))
    return found


def placed() -> dict[str, Any]:
    rows = [line.split("\t") for line in PLACING.read_text(encoding="utf-8").splitlines()[1:]]
    answers = [(target, place(text.replace("\\n", "\n"), store)) for store, target, text in rows]  # type: ignore[arg-type]
    right = sum((answer.target if answer else "-") == target for target, answer in answers)
    moved = [(target, answer) for target, answer in answers if answer]
    return {
        "cases": len(rows),
        "right": right,
        "moved": len(moved),
        "moved_right": sum(answer.target == target for target, answer in moved),
    }


async def timed(sizes: list[int]) -> list[dict[str, Any]]:
    # One coroutine for all sizes: `asyncio.run` makes a text of what it returns, which would be timed too.
    return [await _timed(size, vectors) for size in sizes for vectors in (False, True)]


async def _timed(size: int, vectors: bool) -> dict[str, Any]:
    made = items(size, vectors)
    print(f"{size} memories{', with vectors' if vectors else ''}", file=sys.stderr)
    start, work = time.perf_counter(), time.process_time()
    found = await find(made)
    took_s = time.perf_counter() - start
    return {
        "items": size,
        "vectors": vectors,
        "seconds": took_s,
        "cpu_seconds": time.process_time() - work,
        "items_per_s": size / took_s,
        "deletions": len(found.deletions),
        "questions": len(found.questions),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.knowledge")
    parser.add_argument(
        "--data", help=f"the folder with the labelled pairs; else ${data.VARIABLE}, else {data.DEFAULT}"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--sizes", default="1000,10000,100000", help="how many memories to time, '' for none")
    chosen = parser.parse_args()
    results: dict[str, Any] = {"placing": placed()}
    folder = data.folder(chosen.data)
    if folder is None:
        print(
            f"No labelled data at {chosen.data or data.DEFAULT}: only speed and placing are measured.", file=sys.stderr
        )
    else:
        results |= measured(folder)
    results["speed"] = asyncio.run(timed([int(size) for size in chosen.sizes.split(",") if size]))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(markdown(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
