"""Lines with a colour on a terminal, and values of records as a person may see them.

Colours are for terminals only and `NO_COLOR` turns them off. A value can hold anything, so what a terminal would take
for a command, or what would turn the order of letters around, is shown and never sent.
"""

import re
import shutil
import sys

from dure.cli import output

VALUE_CHARS_MAX = 2_000
"""Of one value on a screen; `--json` has all of it."""
CONTEXT_SHARE = 6
"""One letter for so many columns is left of what is equal before a difference."""
ELLIPSIS = "…"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPELLED = {"\n": "⏎", "\t": "⇥", "\r": "␍"}


def paint(text: str, style: str = "") -> None:
    """Print a line of data, in colour where that is possible. Example: `paint("3  delete", "red")`."""
    if not style or not sys.stdout.isatty():
        output.line(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text(text, style=style), soft_wrap=True)


def width() -> int | None:
    """Answer how many columns the terminal has; None where nothing need be cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def visible(text: str | None) -> str:
    """Answer a value without anything that a terminal would obey. Example: `visible("a\\nb") == "a⏎b"`."""
    if not text:
        return "∅" if text is None else '""'
    cut = text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + ELLIPSIS
    return _CONTROL.sub(lambda found: _SPELLED.get(found[0], f"\\x{ord(found[0]):02x}"), cut)


def excerpts(before: str | None, after: str | None, columns: int | None) -> tuple[str, str]:
    """Answer two values, cut to so many columns each where the part that differs can be seen.

    Example: `excerpts("aaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaac", 12) == ("…aab", "…aac")`.
    """
    if columns is None or before is None or after is None:
        return fitted(visible(before), columns), fitted(visible(after), columns)
    if max(len(before), len(after)) <= columns // 2:
        # Even if every letter took two columns.
        return visible(before), visible(after)
    same = _same(before, after)
    if output.columns(visible(before)) <= columns and output.columns(visible(after)) <= columns:
        return visible(before), visible(after)
    start = max(0, same - max(2, columns // CONTEXT_SHARE))
    lead = ELLIPSIS if start else ""
    return tuple(fitted(lead + visible(text[start:]), columns) for text in (before, after))  # type: ignore[return-value]


def fitted(text: str, columns: int | None) -> str:
    """Answer a text in at most so many columns. Example: `fitted("두레두레", 5) == "두레…"`."""
    if columns is None:
        return text
    taken, kept = 0, 0
    for letter in text[: columns + 1]:
        taken += output.columns(letter)
        if taken <= columns - 1:
            kept += 1
    return text if taken <= columns and len(text) <= columns else text[:kept] + ELLIPSIS


def _same(before: str, after: str) -> int:
    """Answer how many letters two texts begin with in common."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
