"""The labelled pairs: read from a folder that is not part of the project, split by row between fitting and testing."""

import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "DURE_BENCH_KNOWLEDGE_DATA"
DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Pair:
    row: int
    one: str
    other: str
    duplicate: bool

    @property
    def held_out(self) -> bool:
        """Rows 0, 1, 4, 5, … fit; 2, 3, 6, 7, … test."""
        return self.row // 2 % 2 == 1


def folder(given: str | None = None) -> Path | None:
    path = Path(given or os.environ.get(VARIABLE) or DEFAULT)
    return path if path.is_dir() else None


def pairs(path: Path) -> list[Pair]:
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    cells = [line.split("\t") for line in lines if line.count("\t") == 2]
    return [Pair(row, one, other, label == "1") for row, (one, other, label) in enumerate(cells)]


def clusters(path: Path) -> list[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    cells = [line.split("\t") for line in lines if line.count("\t") == 1]
    return [(int(cluster), text) for cluster, text in cells]
