"""Tasks on a screen: lists, one with all that is known of it, and why it stands where it stands."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dure.agents.wording import choice_text, excluded_text, waits_text
from dure.cli import output
from dure.lang import say

if TYPE_CHECKING:
    from dure.agents.model import Choice, Need, Task, Why
    from dure.errors import DureError
    from dure.queue.views import Page


def document(task: "Task") -> dict[str, Any]:
    """Answer a task as JSON has it: the same names as over HTTP."""
    plain = output.plain(task)
    del plain["is_new"]
    needs = plain["needs"]
    plain["needs"] = {("class" if name == "class_" else name): value for name, value in needs.items()}
    return dict(plain)


def choice_document(choice: "Choice") -> dict[str, Any]:
    """Answer a choice as JSON has it."""
    candidates = [
        {**output.plain(one), "text": None if one.reason is None else excluded_text(one.reason)}
        for one in choice.candidates
    ]
    reason = _reason_document(choice.reason, choice_text(choice))
    return {**output.plain(choice), "reason": reason, "candidates": candidates}


def why_document(why: "Why") -> dict[str, Any]:
    """Answer an explanation as JSON has it."""
    return {
        "task": document(why.task),
        "choices": [choice_document(one) for one in why.choices],
        "waits_for": None if why.waits_for is None else _reason_document(why.waits_for, waits_text(why.waits_for)),
    }


def print_page(page: "Page[Task]") -> None:
    """Print some tasks, one a line."""
    if output.wants_json():
        output.document({"items": [document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    headings = [say(f"tasks.head_{name}") for name in ("id", "state", "agent", "needs", "strategy", "title", "created")]
    rows = [
        [one.id, one.state, one.agent_id, needs_text(one.needs), one.strategy, one.title or "-", one.created_at]
        for one in page.items
    ]
    output.table(headings, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def print_one(why: "Why") -> None:
    """Print everything that is known of a task; what was never set is left out."""
    task = why.task
    if output.wants_json():
        output.document(document(task))
        return
    facts = {
        "id": task.id,
        "state": task.state,
        "waits": None if why.waits_for is None else waits_text(why.waits_for),
        "title": task.title,
        "handler": task.handler,
        "needs": needs_text(task.needs),
        "strategy": task.strategy,
        "sticky_key": task.sticky_key,
        "agent": task.agent_id,
        "why": choice_text(why.choices[-1]) if why.choices else None,
        "from": task.from_agent or task.created_by,
        "parent": task.parent_id,
        "root": None if task.root_id == task.id else task.root_id,
        "depth": task.depth or None,
        "trace": task.trace_id,
        "params": task.params,
        "result": task.result,
        "error": task.error and f"{task.error_class}: {task.error}",
        "priority": task.priority or None,
        "attempt": task.attempt or None,
        "retries": f"{task.retry_count}/{task.max_retries}",
        "crashes": task.crash_count or None,
        "timeout": None if task.timeout_s is None else say("agents.seconds", seconds=f"{task.timeout_s:g}"),
        "created": task.created_at,
        "run_at": task.run_at,
        "deadline": task.deadline_at,
        "started": task.started_at,
        "finished": task.finished_at,
        "cancelling": None if task.finished_at else task.cancel_requested_at,
        "tags": ", ".join(task.tags),
    }
    shown = {name: value for name, value in facts.items() if value not in (None, {}, "")}
    output.facts({say(f"tasks.fact_{name}"): value for name, value in shown.items()})


def print_why(why: "Why") -> None:
    """Print who was chosen, each time, from whom and why; and what a pending task waits for."""
    if output.wants_json():
        output.document(why_document(why))
        return
    facts = {"id": why.task.id, "state": why.task.state, "agent": why.task.agent_id}
    if why.waits_for is not None:
        facts["waits"] = waits_text(why.waits_for)
    output.facts({say(f"tasks.fact_{name}"): value for name, value in facts.items()})
    for choice in why.choices:
        output.line()
        _print_choice(choice)


def print_preview(choice: "Choice") -> None:
    """Print who would be chosen, from whom and why."""
    if output.wants_json():
        output.document(choice_document(choice))
        return
    _print_choice(choice)


def print_each(done: Sequence["Task"], errors: "Mapping[str, DureError]") -> None:
    """Print what became of each of several tasks."""
    if output.wants_json():
        problems = [{"id": at, "code": error.code, "detail": error.text()} for at, error in errors.items()]
        output.document({"items": [document(one) for one in done], "errors": problems, "next_cursor": None})
        return
    for one in done:
        output.line(f"{one.id}  {one.state}")
    for at, error in errors.items():
        output.note(f"{at}  {error.code}: {error.text()}")


def needs_text(need: "Need") -> str:
    """Answer what a task needs, in one line. Example: `needs_text(Need(capabilities=("search",))) == "search"`."""
    if need.agent is not None:
        return f"@{need.agent}"
    parts = [*need.capabilities]
    if need.class_ is not None:
        parts.insert(0, f"{need.class_}:")
    if need.tree is not None:
        parts.append(f"({need.tree}/…)")
    return " ".join(parts) or say("tasks.anyone")


def _print_choice(choice: "Choice") -> None:
    chosen = choice.chosen or say("tasks.whoever")
    at = "" if choice.at is None else output.cell(choice.at)
    output.line(say("tasks.chosen_at", at=at, strategy=choice.strategy, chosen=chosen).strip())
    output.line(choice_text(choice))
    if choice.candidates:
        names = ("agent", "state", "score", "in_hand", "waiting", "why_not")
        rows = [
            [
                one.agent_id,
                None if one.state is None else say(f"agents.state_{one.state}"),
                None if one.score is None else f"{one.score:.2f}",
                None if one.in_hand is None else f"{one.in_hand}/{one.capacity}",
                one.waiting,
                None if one.reason is None else excluded_text(one.reason),
            ]
            for one in choice.candidates
        ]
        output.table([say(f"tasks.head_{name}") for name in names], rows)


def _reason_document(stored: Mapping[str, Any], text: str) -> dict[str, Any]:
    params = {name: output.plain(value) for name, value in stored.items() if name != "code"}
    return {"code": stored["code"], "params": params, "text": text}
