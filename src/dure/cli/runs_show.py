"""A run on a screen: counts first, what guards object to, then each change with its reason, and what stays.

Deletes are red, updates yellow, creates green. On a narrow terminal each change stands under the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dure.cli import output
from dure.cli.painted import ELLIPSIS, excerpts, fitted, paint, visible, width
from dure.lang import say
from dure.runs.model import KINDS, Change, ChangeState, Run
from dure.runs.reading import ChangeFilter
from dure.runs.watch import standing
from dure.runs.wording import GUARD, guard_sentence, sentence, state_word

if TYPE_CHECKING:
    from dure.runs.reading import Approved
    from dure.runtime.parts import Runtime

CHANGES_SHOWN = 50
KEEPS_SHOWN = 10
WRONG_SHOWN = 20
COLUMNS_SHOWN = 6
"""Of a record that comes or goes; `diff` has all."""
WHAT_COLUMNS_MAX = 160
VALUE_COLUMNS = 40
VALUE_COLUMNS_MIN = 12
"""Of one value in a table; on a terminal a sixth of its width."""
STYLES = {"create": "green", "update": "yellow", "delete": "red", "move": "magenta", "keep": "dim"}
WRONG = frozenset({"conflict", "failed"})
WRONG_STYLE = "bold red"
GUARD_STYLES = {"warned": "yellow", "refused": "bold red"}
GUARD_MARKS = {"passed": "✓", "warned": "!", "refused": "✗"}


@dataclass(frozen=True, slots=True)
class Sight:
    """A run with as much of its plan as fits a screen."""

    run: Run
    approval: str
    approvals: Sequence["Approved"]
    changes: Sequence[Change]
    keeps: Sequence[Change]
    wrong: Sequence[Change]
    """What did not go as planned."""


async def look(runtime: "Runtime", tenant_id: str, run_id: str, *, limit: int = CHANGES_SHOWN) -> Sight:
    """Read a run, its first changes, and the first of what stays."""
    runs = runtime.runs
    run = await runs.get(tenant_id, run_id)
    found: list[Change] = []
    keeps: Sequence[Change] = ()
    if run.state != "planning":
        # A question is counted as one, whatever its kind.
        for kind in (kind for kind in KINDS if run.counts.get(kind) or run.counts.get("ask")):
            wanted = KEEPS_SHOWN if kind == "keep" else limit
            page = await runs.changes(tenant_id, run_id, ChangeFilter(kind=kind), limit=wanted)
            if kind == "keep":
                keeps = page.items
            else:
                found += page.items
    found.sort(key=_seq)
    return Sight(
        run,
        await approval_of(runtime, run),
        await runs.approvals(tenant_id, run_id),
        found[:limit],
        keeps,
        await _wrong(runtime, tenant_id, run),
    )


async def _wrong(runtime: "Runtime", tenant_id: str, run: Run) -> Sequence[Change]:
    found: list[Change] = []
    counts: dict[ChangeState, int] = {"conflict": run.conflicts, "failed": run.failed, "skipped": run.skipped}
    for state, count in counts.items():
        if count:
            page = await runtime.runs.changes(tenant_id, run.id, ChangeFilter(state=state), limit=WRONG_SHOWN)
            found += page.items
    return sorted(found, key=_seq)[:WRONG_SHOWN]


async def approval_of(runtime: "Runtime", run: Run) -> str:
    """Answer whose approval a run needs: `none`, `one` or `other`."""
    known = {one.operation: one.approval for one in await runtime.runs.operations()}
    return "none" if run.rollback_of is not None else known.get(run.operation, "none")


def as_document(sight: Sight) -> dict[str, Any]:
    """Answer all of it for a program."""
    return {
        **run_document(sight.run),
        "approval": sight.approval,
        "approvals": output.plain(sight.approvals),
        "changes": [change_document(change) for change in sorted([*sight.changes, *sight.keeps], key=_seq)],
        "wrong": [change_document(change) for change in sight.wrong],
    }


def run_document(run: Run) -> dict[str, Any]:
    """Answer a run for a program, with the sentences of its reason and its guards."""
    guards = [{**answer, "text": guard_sentence(answer)} for answer in run.guards]
    stores = [str(store["store"]) for store in run.stores]
    return {
        **output.plain(run),
        "stores": stores,
        "guards": guards,
        "reason": _said(run.reason),
        "notes": [_said(note) for note in run.notes],
    }


def change_document(change: Change) -> dict[str, Any]:
    """Answer a change for a program, with the sentences of its reasons."""
    return {**output.plain(change), "reason": _said(change.reason), "outcome": _said(change.outcome)}


def print_sight(sight: Sight) -> None:
    """Print a run as a person reads it."""
    print_head(sight.run)
    if sight.run.started_at is not None:
        _print_wrong(sight)
    if sight.changes:
        output.line()
        print_changes(sight.changes)
        _print_more(sight)
    if sight.keeps:
        output.line()
        kept = int(sight.run.counts.get("keep", len(sight.keeps)))
        output.line(say("cli.run_stays", count=kept))
        print_changes(sight.keeps, heading=False)
        if kept > len(sight.keeps):
            output.line(f"{ELLIPSIS} {say('cli.run_more_keeps', id=sight.run.id)}")
    _print_next(sight)


def print_outcome(sight: Sight) -> None:
    """Print what became of a plan that was shown before: its head, and what did not go as planned."""
    print_head(sight.run)
    _print_wrong(sight)
    _print_next(sight)


def print_head(run: Run) -> None:
    """Print what is known of a run before its changes: counts first."""
    title = f"{run.operation}  {state_word(standing(run))}"
    if run.rollback_of is not None:
        title += "  " + say("cli.run_rollback_of", id=run.rollback_of, mode=run.mode or "")
    paint(title, "bold")
    if run.counts or run.state == "empty":
        output.line(counts_line(run))
    # What a guard said is among the guards' lines.
    if run.reason and not str(run.reason.get("code")).startswith(GUARD):
        paint(visible(sentence(run.reason)), WRONG_STYLE if run.state in ("refused", "failed", "partial") else "")
    for line, style in guard_lines(run.guards):
        paint(line, style)
    for note in run.notes:
        output.line(visible(sentence(note)))
    facts = {
        "id": run.id,
        "plan_hash": run.plan_hash,
        "author": f"{run.author}  {output.cell(run.created_at)}",
        "note": run.note or None,
        "expires_at": run.expires_at if run.state in ("planned", "approved") else None,
        "finished_at": run.finished_at,
        "rolled_back": undone_word(run) or None,
    }
    output.facts({say(f"cli.fact_{name}"): value for name, value in facts.items() if value is not None})


def counts_line(run: Run) -> str:
    """Answer how many changes of which kind there are, and what became of them."""
    kinds = (*KINDS, "ask")
    planned = [f"{run.counts[kind]} {say(f'runs.kinds.{kind}')}" for kind in kinds if run.counts.get(kind)]
    text = ", ".join(planned) or say("cli.run_nothing")
    if run.started_at is None:
        return text
    names = {"applied": run.applied, "conflict": run.conflicts, "failed": run.failed, "skipped": run.skipped}
    done = [f"{count} {say(f'runs.change_states.{name}')}" for name, count in names.items() if count]
    left = [say("cli.run_to_do", count=run.to_do)] if run.to_do else []
    return f"{text}  →  {', '.join([*done, *left]) or '0'}"


def undone_word(run: Run) -> str:
    """Answer how much of a run was taken back; empty for nothing."""
    return "" if run.rolled_back == "no" else say(f"cli.run_undone_{run.rolled_back}")


def guard_lines(guards: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Answer a line for each guard that warned or refused, and one for all others."""
    passed = sum(answer["verdict"] == "passed" for answer in guards)
    for answer in guards:
        verdict = str(answer["verdict"])
        if verdict != "passed":
            yield f"{GUARD_MARKS[verdict]} {visible(guard_sentence(answer))}", GUARD_STYLES[verdict]
    if passed:
        yield f"{GUARD_MARKS['passed']} {say('cli.run_guards_passed', count=passed)}", "green"


def print_changes(changes: Sequence[Change], *, heading: bool = True) -> None:
    """Print changes as a table, or one under the other where there is no room for one."""
    names = ("seq", "change", "store", "key", "what", "why")
    headings = [say(f"cli.head_{name}") for name in names]
    rows = [_cells(change) for change in changes]
    styles = [_style(change) for change in changes]
    columns = width()
    if columns is not None and columns < output.RECORD_BELOW_COLUMNS:
        for row, style in zip(rows, styles, strict=True):
            _print_record(headings, row, style, columns)
        return
    first, *lines = output.lay_out([headings, *rows], columns)
    if heading:
        output.line(first)
    for line, style in zip(lines, styles, strict=True):
        paint(line if columns is None else fitted(line, columns), style)


def _print_record(headings: Sequence[str], row: Sequence[str], style: str, columns: int) -> None:
    paint(fitted(" ".join(row[:4]), columns), style)
    for heading, text in zip(headings[4:], row[4:], strict=True):
        if text:
            paint(fitted(f"  {heading} {text}", columns), style)


def _cells(change: Change) -> list[str]:
    kind = say(f"runs.kinds.{change.kind}")
    if change.ask:
        answered = {None: "?", True: "? ✓", False: "? ✗"}[change.accepted]
        kind = f"{kind} {answered}"
    if change.state not in ("planned", "asked", "kept"):
        kind = f"{kind}, {say(f'runs.change_states.{change.state}')}"
    why = "; ".join(filter(None, (sentence(change.outcome), sentence(change.reason))))
    key = "/".join(map(visible, change.key))
    return [
        str(change.seq),
        kind,
        change.store,
        key,
        fitted(_what(change), WHAT_COLUMNS_MAX),
        visible(why) if why else "",
    ]


def _what(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    columns = width()
    room = VALUE_COLUMNS if columns is None else max(columns // 6, VALUE_COLUMNS_MIN)
    if change.kind == "move" and change.to_key is not None:
        return "→ " + "/".join(map(visible, change.to_key))
    if change.kind == "update":
        parts = []
        for name in after:
            if before.get(name) != after[name]:
                old, new = excerpts(before.get(name), after[name], room)
                parts.append(f"{name}: {old} → {new}")
        return "; ".join(parts)
    if change.kind == "keep":
        return ""
    shown = list(_beside_key(change.key, after or before))
    return ", ".join(f"{name} {fitted(visible(value), room)}" for name, value in shown[:COLUMNS_SHOWN])


def _beside_key(key: Sequence[str], image: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Answer the columns that say more than the key, which stands beside them."""
    parts = list(key)
    for name, value in image.items():
        if value in parts:
            parts.remove(value)
        elif value is not None:
            yield name, value


def _style(change: Change) -> str:
    if change.state in WRONG:
        return WRONG_STYLE
    return f"{STYLES[change.kind]} italic" if change.state == "asked" else STYLES[change.kind]


def _print_wrong(sight: Sight) -> None:
    if sight.wrong:
        output.line()
        output.line(say("cli.run_wrong"))
        print_changes(sight.wrong, heading=False)


def _print_next(sight: Sight) -> None:
    for line in _next_steps(sight):
        output.line()
        output.line(line)


def _print_more(sight: Sight) -> None:
    shown = len(sight.changes)
    total = sum(int(count) for kind, count in sight.run.counts.items() if kind != "keep")
    if total > shown:
        output.line(f"{ELLIPSIS} {say('cli.run_more', count=total - shown, id=sight.run.id)}")


def _next_steps(sight: Sight) -> Iterator[str]:
    """Say what can be done with a plan that waits."""
    run = sight.run
    if run.state == "planned" and run.counts.get("ask"):
        yield say("cli.run_next_answer", id=run.id)
    if run.state == "refused" and run.plan_hash is not None and run.rollback_of is None:
        yield say("cli.run_next_override", id=run.id)
    elif run.state == "planned" and sight.approval != "none":
        yield say(f"cli.run_next_approve_{sight.approval}", id=run.id)
    elif run.state in ("planned", "approved"):
        yield say("cli.run_next_apply", id=run.id)
    elif run.applied and run.rolled_back != "wholly":
        yield say("cli.run_next_rollback", id=run.id)


def _said(reason: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if reason is None else {**reason, "text": sentence(reason)}


def _seq(change: Change) -> int:
    return change.seq
