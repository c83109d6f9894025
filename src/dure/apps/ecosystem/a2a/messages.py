"""Between A2A's words and ours: what a task is told of a message, and what a client is told of a task. Pure.

A message becomes the parameters of a task:

    text      all text of the message, for agents that read nothing else
    message   the message as it came, with every part
    a2a       context_id, task_id and turn, history: the messages before it, accepted_output_modes

A result becomes artifacts: a text is text, all else is data. An agent that wants to say more puts it under `a2a`:
`state`, `message`, `artifacts`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from dure.apps.ecosystem.a2a.requests import CONTENTS, PARTS_MAX, Part, SendMessage
from dure.apps.ecosystem.a2a.states import RESTING, TERMINAL, TaskState, said, state_of
from dure.queue.model import State

HISTORY_BYTES_MAX = 65_536
"""Of the messages before, as a task is told of them; the oldest are left out first."""
ARTIFACTS_MAX = 1_000
JSON_TYPE = "application/json"
PART_NAMES = {*CONTENTS, "metadata", "filename", "mediaType"}
Plain = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a client and the task that it became; a task in A2A's sense is one turn or more."""

    task_id: str
    turn: int
    job_id: str
    tenant_id: str
    context_id: str
    card_agent: str | None
    """The agent whose card was used, None for the card of all."""
    taken_by: str | None
    actor: str
    message_id: str
    digest: str
    state: State
    error_class: str | None
    error: str | None
    params: Any
    result: Any
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_at: datetime | None
    """When the client gave up a task that waited for it."""

    @property
    def a2a_state(self) -> TaskState:
        """How it stands, in A2A's words."""
        if self.cancelled_at is not None:
            return "TASK_STATE_CANCELED"
        return state_of(self.state, self.error_class, self.result)

    @property
    def changed_at(self) -> datetime:
        """When it last changed its state."""
        return self.cancelled_at or self.finished_at or self.started_at or self.created_at

    @property
    def is_resting(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.a2a_state in RESTING

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens at all."""
        return self.a2a_state in TERMINAL

    @property
    def message(self) -> Plain:
        """The client's message."""
        given = self.params.get("message") if isinstance(self.params, dict) else None
        message = given if isinstance(given, dict) else {"messageId": self.message_id, "role": "ROLE_USER", "parts": []}
        return {**message, "taskId": self.task_id, "contextId": self.context_id}


def params_of(asked: SendMessage, context_id: str, before: Sequence[Turn]) -> Plain:
    """Answer the parameters of the task that a message becomes; `before` are the turns before it."""
    modes = asked.configuration.accepted_output_modes
    told: Plain = {"context_id": context_id, "turn": len(before) + 1}
    if modes:
        told["accepted_output_modes"] = modes
    if before:
        told["task_id"] = before[0].task_id
        told["previous"] = before[-1].job_id
        told["history"] = _newest([entry for turn in before for entry in history_of(turn)])
    return {"text": text_of(asked.message.parts), "message": asked.message.plain(), "a2a": told}


def text_of(parts: Sequence[Part]) -> str:
    """Answer all text of a message. Example: `text_of([Part(text="a"), Part(text="b")])` is two lines."""
    return "\n".join(part.text for part in parts if part.text is not None)


def task_of(turns: Sequence[Turn], *, history_length: int | None = None, include_artifacts: bool = True) -> Plain:
    """Answer a task as a client of A2A reads it."""
    last = turns[-1]
    task: Plain = {"id": last.task_id, "contextId": last.context_id, "status": status_of(last)}
    if include_artifacts and (found := [entry for turn in turns for entry in artifacts_of(turn)]):
        task["artifacts"] = found[-ARTIFACTS_MAX:]
    if history := trimmed([entry for turn in turns for entry in history_of(turn)], history_length):
        task["history"] = history
    if last.taken_by is not None:
        task["metadata"] = {"agent": last.taken_by}
    return task


def trimmed(history: list[Plain], length: int | None) -> list[Plain]:
    """Answer the newest messages, at most so many; None is all. Example: `trimmed([{}, {}], 1) == [{}]`."""
    return history if length is None else history[-length:] if length else []


def status_of(turn: Turn) -> Plain:
    """Answer how a task stands."""
    status: Plain = {"state": turn.a2a_state, "timestamp": stamp(turn.changed_at)}
    if (message := answer_of(turn)) is not None:
        status["message"] = message
    return status


def history_of(turn: Turn) -> list[Plain]:
    """Answer the messages of a turn: the client's, and the agent's if it said something."""
    answer = answer_of(turn)
    return [turn.message] if answer is None else [turn.message, answer]


def answer_of(turn: Turn) -> Plain | None:
    """Answer what the agent said at the end of a turn; why it failed, if it did."""
    message = said(turn.result).get("message") if turn.state == "completed" else None
    if turn.state in ("failed", "quarantined", "cancelled"):
        message = turn.error or turn.error_class
    parts = _parts(message)
    return None if not parts else agent_message(turn, f"{turn.job_id}-answer", parts)


def agent_message(turn: Turn, message_id: str, parts: list[Plain]) -> Plain:
    """Answer a message from the agent. Example: `agent_message(turn, "m1", [{"text": "on it"}])["role"]`."""
    return {
        "messageId": message_id,
        "role": "ROLE_AGENT",
        "parts": parts,
        "taskId": turn.task_id,
        "contextId": turn.context_id,
    }


def artifacts_of(turn: Turn) -> list[Plain]:
    """Answer what came out of a turn."""
    if turn.state != "completed" or turn.result is None:
        return []
    given = said(turn.result).get("artifacts")
    if isinstance(given, list):
        return [_artifact(turn, number, entry) for number, entry in enumerate(given[:ARTIFACTS_MAX])]
    result = turn.result
    if said(result):
        result = {name: value for name, value in result.items() if name != "a2a"}
        if not result:
            return []
    part = {"text": result} if isinstance(result, str) else {"data": result, "mediaType": JSON_TYPE}
    return [{"artifactId": f"{turn.job_id}-0", "name": "result", "parts": [part]}]


def update_of(turn: Turn, status: Plain) -> Plain:
    """Answer the event that tells of a status."""
    return {"statusUpdate": {"taskId": turn.task_id, "contextId": turn.context_id, "status": status}}


def artifact_event(turn: Turn, artifact: Plain) -> Plain:
    """Answer the event that tells of an artifact, which is always whole."""
    told = {"taskId": turn.task_id, "contextId": turn.context_id, "artifact": artifact, "lastChunk": True}
    return {"artifactUpdate": told}


def stamp(at: datetime) -> str:
    """Write a time as A2A wants it. Example: `stamp(datetime.now(UTC))` ends with Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _artifact(turn: Turn, number: int, given: Any) -> Plain:
    entry = given if isinstance(given, dict) else {}
    parts = _parts(entry.get("parts", entry.get("text", given if not entry else None))) or [_part(given)]
    artifact: Plain = {"artifactId": str(entry.get("artifactId") or f"{turn.job_id}-{number}"), "parts": parts}
    for name in ("name", "description"):
        if isinstance(entry.get(name), str):
            artifact[name] = entry[name]
    return artifact


def _parts(given: Any) -> list[Plain]:
    """Read what an agent said: a text, one part, a message, or a list of parts."""
    match given:
        case None | "" | []:
            return []
        case {"parts": list(parts)} | list(parts):
            return [_part(part) for part in parts[:PARTS_MAX]]
        case _:
            return [_part(given)]


def _part(given: Any) -> Plain:
    if isinstance(given, str):
        return {"text": given}
    if isinstance(given, dict) and given.keys() <= PART_NAMES:
        try:
            return Part.model_validate(given).model_dump(mode="json", by_alias=True, exclude_unset=True)
        except ValidationError:
            pass
    return {"data": given, "mediaType": JSON_TYPE}


def _newest(history: list[Plain]) -> list[Plain]:
    kept: list[Plain] = []
    room = HISTORY_BYTES_MAX
    for entry in reversed(history):
        room -= len(json.dumps(entry, ensure_ascii=False).encode())
        if room < 0:
            break
        kept.append(entry)
    return kept[::-1]
