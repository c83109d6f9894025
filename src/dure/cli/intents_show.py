"""Intents on a screen: the catalogue, one intent, what a sentence may ask for, requests and what came of them."""

import inspect
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dure.cli import output
from dure.cli.painted import visible
from dure.intents.offering import Offer
from dure.lang import default, say

if TYPE_CHECKING:
    from dure.errors import DureError
    from dure.intents.declaring import Intent
    from dure.intents.patterns import Candidate
    from dure.intents.rows import Request
    from dure.intents.switching import Switch
    from dure.queue.views import Page

EXIT_BY_STATE = {"partial": 3, "waiting": 5, "rejected": 6, "cancelled": 6, "failed": 1, "quarantined": 1}
EXIT_BY_ERROR = {"Refused": 4, "CapReached": 4, "ApprovalNeeded": 5}
EXIT_BY_RUN = {"partial": 3, "planned": 5, "rejected": 6, "expired": 6}
NAMED = ("failed", "conflicts", "skipped")
NAMED_SHOWN = 20


def offer_document(offer: Offer) -> dict[str, Any]:
    """Answer an intent as JSON has it: the same names as over HTTP."""
    declared, verdict = offer.declaration, offer.verdict
    return {
        "key": declared.key,
        "category": declared.category,
        "title": _said(declared.title) or declared.key,
        "effect": declared.effect,
        "risk": declared.risk,
        "reads": list(declared.reads),
        "writes": list(declared.writes),
        "sends": list(declared.sends),
        "examples": list(_said(declared.examples) or ()),
        "policy": {
            "allowed": offer.allowed,
            "code": offer.code,
            "text": offer.text(),
            "policy": verdict.policy,
            "approval": verdict.approval,
            "cap_per_day": verdict.cap_per_day,
            "cap_left": offer.cap_left,
        },
    }


def request_document(request: "Request") -> dict[str, Any]:
    """Answer a request as JSON has it."""
    plain = output.plain(request)
    del plain["job_state"], plain["is_new"]
    return {**plain, "state": request.state, "created": request.is_new}


def print_offers(offers: Sequence[Offer]) -> None:
    """Print the catalogue: a list for a program, a table for a person."""
    if output.wants_json():
        output.document([offer_document(one) for one in offers])
        return
    rows = [
        [
            one.declaration.key,
            _said(one.declaration.title),
            say(f"intents.effect_{one.declaration.effect}"),
            say(f"intents.risk_{one.declaration.risk}"),
            _may(one),
            one.cap_left,
        ]
        for one in offers
    ]
    output.table(_headings("key", "title", "effect", "risk", "allowed", "left"), rows)


def print_intent(offer: Offer, found: "Intent") -> None:
    """Print an intent with what it takes."""
    declared, schema = offer.declaration, found.params.model_json_schema()
    description = inspect.getdoc(found.make) or ""
    if output.wants_json():
        more = {
            "form": found.form, "description": description, "params_schema": schema,
            "max_retries": declared.max_retries, "timeout_s": declared.timeout_s,
        }  # fmt: skip
        output.document({**offer_document(offer), **more})
        return
    _facts(
        {
            "key": declared.key,
            "title": _said(declared.title),
            "description": description,
            "effect": say(f"intents.effect_{declared.effect}"),
            "risk": say(f"intents.risk_{declared.risk}"),
            "reads": ", ".join(declared.reads),
            "writes": ", ".join(declared.writes),
            "sends": ", ".join(declared.sends),
            "examples": "\n".join(_said(declared.examples) or ()),
            "verdict": offer.text(),
            "policy": offer.verdict.policy,
            "cap": None if offer.cap_left is None else f"{offer.cap_left}/{offer.verdict.cap_per_day}",
            "params": "\n".join(_fields(schema)),
        }
    )


def print_candidates(candidates: "Sequence[Candidate]") -> None:
    """Print what a sentence may ask for, and how one would ask for the first."""
    if output.wants_json():
        output.document({"candidates": [output.plain(one) for one in candidates]})
        return
    if not candidates:
        output.note(say("intents.nothing_found"))
        return
    rows = [
        [
            one.intent_key,
            f"{one.confidence:.0%}",
            visible(one.reason),
            _short(one.params),
            ", ".join(one.missing) or "-",
        ]
        for one in candidates
    ]
    output.table(_headings("key", "confidence", "reason", "params", "missing"), rows)
    first = candidates[0]
    words = ["dure", "intents", "submit", first.intent_key]
    if first.params:
        words += ["--params", _short(first.params)]
    output.note(say("intents.ask_next", command=shlex.join(words)))


def print_made(request: "Request") -> None:
    """Print the id of a request that was made, or was there."""
    if output.wants_json():
        output.document(request_document(request))
        return
    output.line(request.id)
    if not request.is_new:
        output.note(say("intents.exists_already"))
    if request.state == "waiting":
        output.note(say("intents.approve_next", id=request.id))


def print_requests(page: "Page[Request]") -> None:
    """Print some requests, one a line."""
    if output.wants_json():
        items = [request_document(one) for one in page.items]
        output.document({"items": items, "next_cursor": page.next_cursor})
        return
    rows = [
        [one.id, _state(one.state), one.key, one.actor, one.created_at, visible(one.error) if one.error else None]
        for one in page.items
    ]
    output.table(_headings("id", "state", "key", "actor", "created", "error"), rows)
    _say_more(page)


def print_request(request: "Request") -> None:
    """Print how a request stands and what came of it."""
    if output.wants_json():
        output.document(request_document(request))
        return
    report = _report_of(request)
    given = {name: value for name, value in request.params.items() if value is not None}
    _facts(
        {
            "id": request.id,
            "key": request.key,
            "state": _state(request.state),
            "params": _short(given) if given else None,
            "actor": request.actor,
            "decided": request.decided_by,
            "note": request.note,
            "job": request.job_id,
            "run": request.run_id,
            "retry_of": request.retry_of,
            "created": request.created_at,
            "finished": request.finished_at,
            "error": visible(f"{request.error_class}: {request.error}") if request.error else None,
            "report": None if report is None else visible(str(report["title"])),
        }
    )
    _print_result(request, report)
    match request.state:
        case "waiting":
            output.note(say("intents.approve_next", id=request.id))
        case "partial" | "failed":
            output.note(say("intents.retry_next", id=request.id))
        case "completed" if _can_be_undone(request):
            output.note(say("intents.undo_next", id=request.run_id))


def _can_be_undone(request: "Request") -> bool:
    """Whether a run of it changed anything: one that found nothing to do has no way back."""
    result = request.result
    return request.run_id is not None and isinstance(result, dict) and result.get("state") in ("applied", "partial")


def print_targets(page: "Page[dict[str, Any]]") -> None:
    """Print whom a request was for, and what became of each."""
    if output.wants_json():
        output.document({"items": page.items, "next_cursor": page.next_cursor})
        return
    rows = []
    for one in page.items:
        known = one["result"] if isinstance(one["result"], Mapping) else {}
        ended_badly = one["state"] in ("failed", "quarantined", "cancelled")
        outcome = known.get("outcome", "done") if one["state"] == "completed" else "failed" if ended_badly else "open"
        reason = known.get("reason") or one["error"]
        rows.append([one["target"]["id"], say(f"intents.outcome_{outcome}"), visible(reason) if reason else None])
    output.table(_headings("target", "outcome", "reason"), rows)
    _say_more(page)


def print_each(done: "Sequence[Request]", errors: "Mapping[str, DureError]") -> None:
    """Print what became of several requests."""
    if output.wants_json():
        problems = [{"id": at, "code": error.code, "detail": error.text()} for at, error in errors.items()]
        items = [request_document(one) for one in done]
        output.document({"items": items, "errors": problems, "next_cursor": None})
        return
    for one in done:
        output.line(f"{one.id}  {_state(one.state)}")
    for at, error in errors.items():
        output.note(f"{at}  {error.code}: {error.text()}")


def print_switch(stands: "Switch") -> None:
    """Print how the queue of intents stands."""
    if output.wants_json():
        output.document(stands)
        return
    tick = say("intents.tick_on" if stands.ticking else "intents.tick_off")
    output.line(say("intents.switch_on" if stands.running else "intents.switch_off", tick=tick))


def write_report(request: "Request", path: str) -> None:
    """Write the report that a request made into a file; `Invalid` when it made none."""
    from dure.errors import Conflict, Invalid

    report = _report_of(request)
    if report is None:
        raise Conflict("no_report", say("intents.no_report", id=request.id))
    try:
        Path(path).write_text(str(report["body"]), encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path}: {error.strerror}", field="--out", reason="unreadable") from error
    if output.wants_json():
        output.document({"id": request.id, "path": path, "title": report["title"], "format": report["format"]})
    else:
        output.line(say("intents.written", path=path))


def exit_code(request: "Request") -> int:
    """Answer the exit code that says how a request stands. Example: `exit_code(request) == 0`."""
    if request.state == "failed" and request.error_class in EXIT_BY_ERROR:
        return EXIT_BY_ERROR[request.error_class]
    if request.state == "completed" and request.run_id is not None and isinstance(request.result, Mapping):
        return EXIT_BY_RUN.get(str(request.result.get("state")), 0)
    return EXIT_BY_STATE.get(request.state, 0)


def _print_result(request: "Request", report: Mapping[str, Any] | None) -> None:
    result = request.result
    if report is not None:
        output.line()
        output.line(str(report["body"]))
    elif isinstance(result, Mapping) and isinstance(result.get("items"), Mapping):
        output.line()
        output.line(say("intents.counted", **{name: result.get(name, 0) for name in ("done", *NAMED)}))
        for name in NAMED:
            for item in result["items"].get(name, ())[:NAMED_SHOWN]:
                word = say(f"intents.outcome_{name.removesuffix('s')}")
                output.line(f"  {word}  {item['target']}  {visible(item['reason'])}")
    elif result is not None:
        output.line()
        _print_answer(result)


def _print_answer(answer: Any) -> None:
    """Print an answer: what stands alone by its name, a list of things as a table."""
    if not isinstance(answer, Mapping):
        output.line(json.dumps(output.plain(answer), ensure_ascii=False, indent=2))
        return
    tables = {name: value for name, value in answer.items() if _is_table(value)}
    output.facts({name: value for name, value in answer.items() if name not in tables})
    for name, rows in tables.items():
        output.line()
        output.line(f"{name}: {len(rows)}")
        columns = list(dict.fromkeys(column for row in rows for column in row))
        output.table(columns, [[row.get(column) for column in columns] for row in rows])


def _is_table(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _report_of(request: "Request") -> Mapping[str, Any] | None:
    report = request.result.get("report") if isinstance(request.result, Mapping) else None
    return report if isinstance(report, Mapping) and "body" in report and "title" in report else None


def _may(offer: Offer) -> str:
    return say("intents.may_approval" if offer.allowed and offer.verdict.approval else f"intents.may_{offer.code}")


def _state(state: str) -> str:
    return say(f"intents.state_{state}")


def _said(texts: Mapping[str, Any]) -> Any:
    """Answer what is there in the language of this process, or else in the other."""
    return texts.get(default()) or next(iter(texts.values()), None)


def _fields(schema: Mapping[str, Any]) -> list[str]:
    """Answer a line for each parameter: its name, its type, and whether it must be given."""
    required = schema.get("required", ())
    lines = []
    for name, known in schema.get("properties", {}).items():
        kinds = [str(one.get("format") or one.get("type") or "…") for one in known.get("anyOf", [known])]
        kind = " | ".join(one for one in kinds if one != "null")
        default_value = known.get("default")
        more = say("intents.required") if name in required else "" if default_value is None else f"= {default_value}"
        lines.append(f"{name}: {kind}  {more}")
    return lines


def _short(params: Mapping[str, Any]) -> str:
    return json.dumps(output.plain(dict(params)), ensure_ascii=False)


def _headings(*names: str) -> list[str]:
    return [say(f"intents.head_{name}") for name in names]


def _facts(known: Mapping[str, Any]) -> None:
    # What was never set says nothing to a person; JSON has it all.
    output.facts({say(f"intents.fact_{name}"): value for name, value in known.items() if value not in (None, "", [])})


def _say_more(page: "Page[Any]") -> None:
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))
