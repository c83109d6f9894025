"""Writes Markdown in one of two languages, by sentences of the catalogue."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dure.lang import say

NOTHING = "–"


class Page:
    """A text that grows by its parts. Example: `Page("ko").heading("money").line("nobody").text()`."""

    def __init__(self, lang: str | None) -> None:
        self.lang = lang
        self._parts: list[str] = []

    def say(self, key: str, **params: object) -> str:
        """Answer a sentence of reports."""
        return say(f"academy.report.{key}", self.lang, **params)

    def title(self, text: str) -> "Page":
        """Begin with what it is."""
        self._parts.append(f"# {inline(text)}")
        return self

    def heading(self, key: str, **params: object) -> "Page":
        """Begin a part."""
        self._parts.append(f"## {self.say(key, **params)}")
        return self

    def line(self, key: str, **params: object) -> "Page":
        """Add a sentence."""
        named = {name: inline(value) if isinstance(value, str) else value for name, value in params.items()}
        self._parts.append(self.say(key, **named))
        return self

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Page":
        """Add a table, its heads as keys; figures stand on the right. Without rows it says that there is nothing."""
        if not rows:
            return self.line("nothing")
        right = [any(_is_figure(row[at]) for row in rows) for at in range(len(heads))]
        lines = [
            [self.say(head) for head in heads],
            ["--:" if one else ":--" for one in right],
            *([self._cell(value) for value in row] for row in rows),
        ]
        self._parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        return self

    def won(self, amount: int) -> "Won":
        """Answer an amount of money, for a cell or a sentence."""
        return Won(self.say("won", amount=int(amount)))

    def percent(self, value: Any) -> "Percent":
        """Answer a share, for a cell or a sentence; None is nothing."""
        return Percent(NOTHING if value is None else f"{float(value):.1f}%")

    def text(self) -> str:
        """Answer all of it."""
        return "\n\n".join(self._parts) + "\n"

    def _cell(self, value: Any) -> str:
        match value:
            case None | "":
                return NOTHING
            case dt.date():
                return value.isoformat()
            case int() | Decimal():
                return f"{value:,}"
            case _:
                return inline(str(value))


class Won(str):
    """An amount, as it is read."""

    __slots__ = ()


class Percent(str):
    """A share, as it is read."""

    __slots__ = ()


def inline(text: str) -> str:
    """Answer a text that stays in its line and its cell, and marks nothing up. Example: `inline("a\\nb") == "a b"`."""
    plain = " ".join(text.split())
    for mark in "\\|*_`<>[]":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | Decimal | Won | Percent)
