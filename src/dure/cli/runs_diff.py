"""Changes field by field: what a record was, and what it is to be."""

from collections.abc import Mapping, Sequence
from typing import Any

from dure.cli import output
from dure.cli.painted import excerpts, paint, visible, width
from dure.cli.runs_show import STYLES, WRONG, WRONG_STYLE
from dure.lang import say
from dure.runs.model import Change
from dure.runs.wording import sentence

INDENT = "  "
VALUE_COLUMNS_MIN = 20
NAME_COLUMNS_MAX = 30


def diff_document(change: Change) -> dict[str, Any]:
    """Answer a change for a program: of an update only the columns that differ."""
    return {
        "run_id": change.run_id,
        "seq": change.seq,
        "store": change.store,
        "kind": change.kind,
        "state": change.state,
        "key": list(change.key),
        "to_key": output.plain(change.to_key),
        "columns": [{"column": name, "before": old, "after": new} for name, old, new in differences(change)],
    }


def print_diff(change: Change) -> None:
    """Print one change: its columns one under the other, with what goes and what comes."""
    kind = say(f"runs.kinds.{change.kind}") + (" ?" if change.ask else "")
    key = "/".join(map(visible, change.key))
    if change.to_key is not None:
        key += " → " + "/".join(map(visible, change.to_key))
    style = WRONG_STYLE if change.state in WRONG else f"bold {STYLES[change.kind]}"
    state = say(f"runs.change_states.{change.state}")
    paint(f"{change.seq}  {kind}  {change.store}  {key}  ({state})", style)
    for reason in (change.reason, change.outcome):
        if reason:
            paint(INDENT + visible(sentence(reason)))
    _print_columns(change, differences(change))


def differences(change: Change) -> list[tuple[str, str | None, str | None]]:
    """Answer the columns that a change concerns, each with its value before and after."""
    before, after = change.before or {}, change.after or {}
    if change.kind == "update":
        return [(name, before.get(name), after[name]) for name in after if before.get(name) != after[name]]
    if change.kind == "create":
        return [(name, None, value) for name, value in after.items() if value is not None]
    if change.kind == "keep":
        return []
    return [(name, value, None) for name, value in before.items() if value is not None]


def _print_columns(change: Change, rows: Sequence[tuple[str, str | None, str | None]]) -> None:
    terminal = width()
    names = min(max((output.columns(name) for name, _, _ in rows), default=0), NAME_COLUMNS_MAX)
    room = None if terminal is None else max(terminal - len(INDENT) - names - 4, VALUE_COLUMNS_MIN)
    for name, before, after in rows:
        old, new = excerpts(before, after, room)
        padded = name + " " * max(names - output.columns(name), 0)
        lines = {"update": [("-", old, "red"), ("+", new, "green")], "create": [("+", new, "green")]}
        for mark, text, style in lines.get(change.kind, [("-", old, "red")]):
            paint(f"{INDENT}{padded}  {mark} {text}", style)
            padded = " " * names
    if change.kind == "update":
        unchanged = len(_all(change.after)) - len(rows)
        if unchanged:
            paint(INDENT + say("cli.run_unchanged", count=unchanged), "dim")


def _all(image: Mapping[str, str | None] | None) -> Mapping[str, str | None]:
    return image or {}
