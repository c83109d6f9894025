"""What a command prints: data on stdout, for people as lines and tables, for programs as one JSON document.

Everything else (progress, remarks) goes to stderr, so that a pipe only ever sees data.
"""

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

GAP = "  "
CELL_COLUMNS_MIN = 8
RECORD_BELOW_COLUMNS = 60
"""On a narrower terminal a table's rows are shown one under the other."""

_JSON: ContextVar[bool] = ContextVar("dure.cli.json", default=False)


@contextmanager
def as_json(wanted: bool) -> Iterator[None]:
    """Print JSON for the length of the block, or not."""
    token = _JSON.set(wanted)
    try:
        yield
    finally:
        _JSON.reset(token)


def wants_json() -> bool:
    """Answer whether this command was asked for JSON."""
    return _JSON.get()


def document(value: Any) -> None:
    """Print one JSON document. Example: `document({"items": [], "next_cursor": None})`."""
    line(json.dumps(plain(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def line(text: str = "") -> None:
    """Print one line of data."""
    print(text, flush=True)  # noqa: T201


def note(text: str) -> None:
    """Tell the person something that is no data."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; on a terminal it fits the width, in a pipe nothing is cut."""
    cells = [[cell(value) for value in row] for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width is not None and width < RECORD_BELOW_COLUMNS:
        for row in cells:
            facts(dict(zip(headings, row, strict=True)))
            line()
        return
    for text in lay_out([list(headings), *cells], width):
        line(text)


def lay_out(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Answer the lines of a table; with a width, the widest columns give way.

    Example: `lay_out([["a", "b"], ["1", "2"]], None) == ["a  b", "1  2"]`.
    """
    widths = [max(columns(row[at]) for row in rows) for at in range(len(rows[0]))]
    while width is not None and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= CELL_COLUMNS_MIN:
            break
        widths[widest] -= 1
    return [GAP.join(_fit(text, wanted) for text, wanted in zip(row, widths, strict=True)).rstrip() for row in rows]


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    shown = {name: cell(value) for name, value in pairs.items()}
    wanted = max((columns(name) for name in shown), default=0)
    for name, text in shown.items():
        first, *others = text.splitlines() or [""]
        line(f"{_fit(name, wanted)}{GAP}{first}".rstrip())
        for other in others:
            line(f"{' ' * wanted}{GAP}{other}")


def cell(value: Any) -> str:
    """Answer a value as a person reads it. Example: `cell(None) == "-"`."""
    match value:
        case None:
            return "-"
        case str():
            return value
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case bool() | dict() | list() | tuple():
            return json.dumps(plain(value), ensure_ascii=False)
        case _:
            return str(value)


def plain(value: Any) -> Any:
    """Answer a value that JSON knows; times get their offset, dataclasses become objects."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
        case _:
            return str(value)


def columns(text: str) -> int:
    """Answer how many columns a text takes; Hangul takes two a syllable. Example: `columns("큐") == 2`."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _fit(text: str, wanted: int) -> str:
    text = text.replace("\n", " ")
    if columns(text) > wanted:
        while columns(text) > wanted - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (wanted - columns(text))
