"""Why a rollout stands as it stands, what its gates say, and what happened to it, as sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from dure.agents.rollout_model import RolloutEvent
from dure.lang import knows, say

SHOWN_MAX = 5
"""So many agents are named; the others are counted."""


def reason_text(reason: Mapping[str, Any] | None, lang: str | None = None) -> str:
    """Answer a stored reason as a sentence; one that is not known here by its code.

    Example: `reason_text({"code": "not_healthy", "params": {"there": 0, "wanted": 2}})`.
    """
    if reason is None:
        return ""
    code, params = str(reason["code"]), reason.get("params") or {}
    if "gate" in params:
        return _said(f"rollouts.reasons.{code}", lang, {"verdict": verdict_text(params, lang)}, code)
    return _said(f"rollouts.reasons.{code}", lang, params, str(params.get("text") or code))


def verdict_text(verdict: Mapping[str, Any], lang: str | None = None) -> str:
    """Answer what a gate said, with its numbers."""
    gate, code = str(verdict["gate"]), str(verdict["code"])
    numbers = dict(verdict.get("numbers") or {})
    for name in ("new_rate", "old_rate"):
        if name in numbers:
            numbers[name] = f"{numbers[name] * 100:.2f} %"
    for name in ("new_p95_ms", "old_p95_ms"):
        if name in numbers:
            numbers[name] = f"{numbers[name]:.1f}"
    kind = code if code == "few_samples" else "latency" if gate == "latency" else "rate"
    named = {**numbers, "gate": _said(f"rollouts.gates.{gate}", lang, {}, gate)}
    return _said(
        f"rollouts.verdicts.{kind}", lang, {"new_samples": 0, "old_samples": 0, "samples_min": "-", **named}, code
    )


def event_text(event: RolloutEvent, lang: str | None = None) -> str:
    """Answer what happened, as a sentence."""
    detail = dict(event.detail)
    match event.kind:
        case "gate":
            detail = {
                "answer": _said(f"rollouts.answers.{detail['answer']}", lang, {}, ""),
                "text": verdict_text(detail, lang),
            }
        case "failed" | "reverting":
            detail = {"text": reason_text(detail.get("reason"), lang)}
        case "asked" | "admitted" | "left":
            detail = {"agents": agents_text(detail.get("agents") or ())}
        case "step":
            detail = {"step": int(detail["step"]) + 1, "share_pct": f"{detail['share_pct']:g}"}
        case _:
            pass
    return _said(f"rollouts.events.{event.kind}", lang, detail, event.kind)


def agents_text(agents: Sequence[str]) -> str:
    """Answer some of many names. Example: `agents_text(["a", "b"]) == "a, b"`."""
    more = f" +{len(agents) - SHOWN_MAX}" if len(agents) > SHOWN_MAX else ""
    return ", ".join(agents[:SHOWN_MAX]) + more


def _said(key: str, lang: str | None, params: Mapping[str, Any], otherwise: str) -> str:
    if not knows(key):
        return otherwise
    try:
        return say(key, lang, **params)
    except KeyError:
        # An older row may lack what the sentence names.
        return otherwise
