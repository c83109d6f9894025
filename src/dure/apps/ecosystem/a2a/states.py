"""The states of a task in A2A, one for each that a task has here, and two that an agent asks for.

pending                     SUBMITTED
processing                  WORKING
completed                   COMPLETED, or what the result says: INPUT_REQUIRED, AUTH_REQUIRED, REJECTED, FAILED
failed, quarantined         FAILED; REJECTED when the agent refused
cancelled                   CANCELED
"""

from collections.abc import Mapping
from typing import Any, Literal

from dure.queue.model import State

TaskState = Literal[
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_AUTH_REQUIRED",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_REJECTED",
]
TERMINAL: frozenset[TaskState] = frozenset(
    {"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"}
)
INTERRUPTED: frozenset[TaskState] = frozenset({"TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"})
RESTING = TERMINAL | INTERRUPTED
"""Nothing more happens by itself."""

REFUSALS = frozenset({"Refused", "Rejected"})
"""Classes of error by which an agent says that it will not do a task."""
ENDS: Mapping[State, TaskState] = {
    "pending": "TASK_STATE_SUBMITTED",
    "processing": "TASK_STATE_WORKING",
    "completed": "TASK_STATE_COMPLETED",
    "failed": "TASK_STATE_FAILED",
    "quarantined": "TASK_STATE_FAILED",
    "cancelled": "TASK_STATE_CANCELED",
}
SAID: Mapping[str, TaskState] = {
    "completed": "TASK_STATE_COMPLETED",
    "input_required": "TASK_STATE_INPUT_REQUIRED",
    "auth_required": "TASK_STATE_AUTH_REQUIRED",
    "rejected": "TASK_STATE_REJECTED",
    "failed": "TASK_STATE_FAILED",
}
"""What an agent may say under `{"a2a": {"state": …}}` in its result."""


def state_of(state: State, error_class: str | None, result: Any) -> TaskState:
    """Answer the state of a task in A2A's words.

    Example: `state_of("completed", None, {"a2a": {"state": "input_required"}}) == "TASK_STATE_INPUT_REQUIRED"`.
    """
    if state == "failed" and error_class in REFUSALS:
        return "TASK_STATE_REJECTED"
    if state == "completed":
        return SAID.get(str(said(result).get("state")), "TASK_STATE_COMPLETED")
    return ENDS[state]


def said(result: Any) -> Mapping[str, Any]:
    """Answer what a result says in A2A's words, nothing for a plain one.

    Example: `said({"a2a": {"state": "rejected"}})["state"] == "rejected"`.
    """
    found = result.get("a2a") if isinstance(result, dict) else None
    return found if isinstance(found, dict) else {}
