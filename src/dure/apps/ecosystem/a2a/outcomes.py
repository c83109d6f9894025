"""Between a task of ours and one at another's server: what is sent, and what its end means here. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dure.apps.ecosystem.a2a.messages import JSON_TYPE, Plain
from dure.queue.retry import ERROR_CHARS_MAX

How = Literal["completed", "failed"]
_SAID = {
    "TASK_STATE_COMPLETED": "completed",
    "TASK_STATE_INPUT_REQUIRED": "input_required",
    "TASK_STATE_AUTH_REQUIRED": "auth_required",
}
_FAILED = {
    "TASK_STATE_FAILED": "RemoteFailed",
    "TASK_STATE_CANCELED": "RemoteCancelled",
    "TASK_STATE_REJECTED": "Rejected",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended at the other server: with a result, or with a class of error and a sentence."""

    how: How
    result: Any = None
    error_class: str = ""
    error: str = ""


def message_of(task_id: str, params: Mapping[str, Any], goes_on: tuple[str, str | None] | None) -> Plain:
    """Answer the message by which a task of ours is asked for; its id is the same on every attempt.

    `goes_on` is the other server's task and context that this one continues.
    Example: `message_of(task_id, {"text": "hi"}, None)`.
    """
    message: Plain = {"messageId": task_id, "role": "ROLE_USER", "parts": _parts(params)}
    if goes_on is not None:
        message["taskId"] = goes_on[0]
        if goes_on[1]:
            message["contextId"] = goes_on[1]
    return message


def outcome_of(task: Plain) -> Outcome | None:
    """Answer how a task ended, None while it goes on."""
    status = task["status"]
    state = status["state"]
    said = status.get("message")
    message = said if isinstance(said, dict) else None
    if state in _FAILED:
        return Outcome("failed", error_class=_FAILED[state], error=_text(_parts_in(message))[:ERROR_CHARS_MAX] or state)
    if state not in _SAID:
        return None
    artifacts = [one for one in _list(task.get("artifacts")) if isinstance(one, dict)]
    told: Plain = {"state": _SAID[state], "artifacts": artifacts}
    if message is not None:
        told["message"] = {"parts": _parts_in(message)}
    text = _text([part for one in artifacts for part in _parts_in(one)]) or _text(_parts_in(message))
    return Outcome("completed", {"text": text, "a2a": told})


def direct_outcome(message: Plain) -> Outcome:
    """Answer what a message means that came in place of a task: it is the result."""
    parts = _parts_in(message)
    told = {"state": "completed", "artifacts": [{"name": "answer", "parts": parts}]}
    return Outcome("completed", {"text": _text(parts), "a2a": told})


def _parts(params: Mapping[str, Any]) -> list[Plain]:
    """Answer what to send: the parts of a message that came by A2A, a text that is all there is, else all as data."""
    parts = _parts_in(params.get("message"))
    if parts:
        return parts
    if params.keys() == {"text"} and isinstance(params["text"], str):
        return [{"text": params["text"]}]
    return [{"data": dict(params), "mediaType": JSON_TYPE}]


def _parts_in(holder: Any) -> list[Plain]:
    return [part for part in _list(holder.get("parts")) if isinstance(part, dict)] if isinstance(holder, dict) else []


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(parts: Sequence[Plain]) -> str:
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
