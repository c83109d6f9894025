"""`python -m bench.patterns`: how well and how fast a sentence finds its intent.

The sentences are in `bench/data/intents_en.tsv` and `intents_ko.tsv`, written apart from the examples of the intents;
half of each intent's are for fitting (dev) and half for this measure (test). Of noise the right answer is none.

    python -m bench.patterns                      # accuracy on test, and the time a sentence takes
    python -m bench.patterns --errors             # what was not found, of dev
    python -m bench.patterns --fit                # weights and threshold anew, from dev alone
    python -m bench.patterns --clusters FILE      # paraphrases of another domain, with columns cluster and text
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.glossary import GLOSSARY
from dure.intents.patterns.matching import Matcher, Pattern, Tuning

DATA = Path(__file__).parent / "data"
NOISE = "-"
CONFIDENCE = 0.8
FALSE_SHARE_MAX = 0.05
"""Of noise, so much may find an intent while the threshold is fitted."""
SIZES = (1_000, 10_000)


@dataclass(frozen=True)
class Asked:
    lang: str
    split: str
    key: str
    sentence: str


@dataclass(frozen=True)
class Score:
    asked: int
    first: int
    third: int
    noise: int
    false: int

    def line(self, name: str) -> str:
        def share(part: int, whole: int) -> str:
            return f"{part / whole:.1%} ({part}/{whole})" if whole else "none"

        first, third = share(self.first, self.asked), share(self.third, self.asked)
        return f"| {name} | {first} | {third} | {share(self.false, self.noise)} |"


def sentences() -> list[Asked]:
    found = []
    for lang in ("en", "ko"):
        with (DATA / f"intents_{lang}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                found.append(Asked(lang, row["split"], row["intent_key"], row["sentence"]))
    return found


def patterns() -> list[Pattern]:
    return [
        Pattern(f"{key}/{number}", text, key, CONFIDENCE)
        for key, one in sorted(CATALOGUE.items())
        for number, text in enumerate(
            itertools.chain.from_iterable((*texts, one.title[lang]) for lang, texts in sorted(one.examples.items()))
        )
    ]


def score(matcher: Matcher, asked: Sequence[Asked]) -> Score:
    first = third = false = 0
    for one in asked:
        keys = [match.pattern.intent_key for match in matcher.match(one.sentence)]
        if one.key == NOISE:
            false += bool(keys)
        else:
            first += keys[:1] == [one.key]
            third += one.key in keys
    noise = sum(one.key == NOISE for one in asked)
    return Score(len(asked) - noise, first, third, noise, false)


def fit(asked: Sequence[Asked]) -> Tuning:
    """Answer the weights with the most first answers right, among those with few enough false ones."""
    built = Matcher(patterns(), GLOSSARY)
    best, found = -1.0, Tuning()
    grid = itertools.product((0.8, 1.1, 1.4), (0.2, 0.3, 0.4), (0.3, 0.45, 0.6), (0.1, 0.2), (0.2, 0.3))
    for unknown, sentence_only, pattern_only, time_only, letters in grid:
        tuning = Tuning(unknown, sentence_only, pattern_only, time_only, letters, 0.0)
        threshold, worth = _threshold(built.tuned(tuning), asked)
        if worth > best:
            best, found = worth, replace(tuning, threshold=threshold)
            print(f"{worth:.3f} {found}", flush=True)
    return found


def _threshold(matcher: Matcher, asked: Sequence[Asked]) -> tuple[float, float]:
    """Answer the lowest threshold that keeps noise out, and how many sentences are then answered rightly."""
    noise = sorted((matcher.likest(one.sentence) for one in asked if one.key == NOISE), reverse=True)
    threshold = round(noise[int(len(noise) * FALSE_SHARE_MAX)] + 0.005, 2)
    right = wanted = 0.0
    for one in asked:
        if one.key != NOISE:
            wanted += 1
            matches = [match for match in matcher.match(one.sentence) if match.likeness >= threshold]
            keys = [match.pattern.intent_key for match in matches]
            right += 1.0 if keys[:1] == [one.key] else 0.3 if one.key in keys else 0.0
    return threshold, right / wanted


def errors(matcher: Matcher, asked: Sequence[Asked]) -> Iterator[str]:
    for one in asked:
        matches = matcher.match(one.sentence)
        keys = [match.pattern.intent_key for match in matches]
        if (one.key == NOISE and keys) or (one.key != NOISE and keys[:1] != [one.key]):
            told = ", ".join(
                f"{match.pattern.intent_key} {match.likeness:.2f} {match.pattern.pattern}" for match in matches
            )
            read = " ".join(f"{part.text}={part.concept}" for part in matcher.read(one.sentence).parts)
            yield f"{one.key:40} {one.sentence}  [{read}]  {told or matcher.likest(one.sentence)}"


def speed(count: int) -> str:
    """Answer how long a sentence takes beside so many patterns, made of real ones with a word more."""
    real = patterns()
    made = [
        Pattern(
            str(number), f"{one.pattern} {number // len(real) or ''}", f"{one.intent_key}{number // len(real)}", 0.8
        )
        for number, one in zip(range(count), itertools.cycle(real), strict=False)
    ]
    begun = time.perf_counter()
    matcher = Matcher(made, GLOSSARY)
    built_s = time.perf_counter() - begun
    asked = [one.sentence for one in sentences()][:200]
    took_ms = []
    for sentence in asked:
        begun = time.perf_counter()
        matcher.match(sentence)
        took_ms.append((time.perf_counter() - begun) * 1_000)
    took_ms.sort()
    return f"| {count:,} | {built_s:.2f} | {took_ms[len(took_ms) // 2]:.2f} | {took_ms[int(len(took_ms) * 0.95)]:.2f} |"


def clusters(path: Path) -> str:
    """Answer how often a paraphrase finds its cluster, when one other of the cluster is the only pattern of it."""
    by_cluster: dict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            by_cluster[row["cluster"]].append(row["text"])
    chosen = random.Random(7)
    asked, known = [], []
    for name, texts in sorted(by_cluster.items()):
        if len(texts) > 1:
            pattern, question = chosen.sample(texts, 2)
            known.append(Pattern(name, pattern, f"cluster.{name}", CONFIDENCE))
            asked.append(Asked("ko", "test", f"cluster.{name}", question))
    matcher = Matcher(known, {})
    ranked = score(matcher.tuned(Tuning(threshold=0.0)), asked)
    name = f"{len(known)} clusters, one pattern each, no glossary"
    return "\n".join([score(matcher, asked).line(name), ranked.line(f"{name}, no threshold")])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.patterns", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="fit weights and threshold on dev")
    parser.add_argument("--errors", action="store_true", help="show what is wrong of dev")
    parser.add_argument("--clusters", type=Path, help="a table of paraphrases, with the columns cluster and text")
    arguments = parser.parse_args()
    asked = sentences()
    dev = [one for one in asked if one.split == "dev"]
    matcher = Matcher(patterns(), GLOSSARY)
    if arguments.fit:
        print(fit(dev))
        return 0
    if arguments.errors:
        print("\n".join(errors(matcher, dev)))
        return 0
    keys = {one.key for one in asked} - {NOISE}
    print(f"{len(patterns())} patterns of {len(CATALOGUE)} intents; sentences for {len(keys)} of them\n")
    print("| | first answer right | among three | noise that found something |\n|---|---|---|---|")
    for split, lang in itertools.product(("test", "dev"), ("en", "ko")):
        chosen = [one for one in asked if (one.split, one.lang) == (split, lang)]
        print(score(matcher, chosen).line(f"{split}, {lang}"))
    if arguments.clusters is not None:
        print(clusters(arguments.clusters) if arguments.clusters.exists() else f"| {arguments.clusters} is not there |")
    print("\n| patterns | s to build | ms a sentence, p50 | p95 |\n|---|---|---|---|")
    for size in SIZES:
        print(speed(size), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
