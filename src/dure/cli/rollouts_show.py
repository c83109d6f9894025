"""Rollouts on a screen, and as documents: how they stand, what their gates say, whose turn it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dure.agents.rollout_model import Rollout, RolloutAgent, RolloutEvent
from dure.agents.rollout_wording import event_text, reason_text, verdict_text
from dure.agents.rollouts import Happening
from dure.cli import output
from dure.cli.painted import visible
from dure.lang import say


def rollout_document(rollout: Rollout) -> dict[str, Any]:
    """Answer a rollout as a program reads it: the words of the HTTP interface."""
    hidden = {"looks", "judged_at", "progress_at"}
    plain = {name.rstrip("_"): value for name, value in output.plain(rollout).items() if name not in hidden}
    if rollout.reason is not None:
        plain["reason"] = {**plain["reason"], "text": reason_text(rollout.reason)}
    return plain


def agent_document(agent: RolloutAgent) -> dict[str, Any]:
    """Answer an agent of a rollout as a program reads it."""
    plain: dict[str, Any] = output.plain(agent)
    return plain


def print_rollouts(rollouts: Sequence[Rollout]) -> None:
    """Print rollouts, one a line."""
    names = ("class", "from", "to", "strategy", "step", "healthy", "began")
    head = [say("rollouts.fact_id"), *(say(f"rollouts.head_{name}") for name in names), say("cli.head_state")]
    rows = [
        [
            one.id,
            one.class_,
            one.from_version,
            one.to_version,
            say(f"rollouts.strategy_{one.strategy}"),
            f"{one.step + 1}/{len(one.steps)}",
            f"{one.progress['healthy']}/{one.progress['wanted']}",
            one.began_at,
            say(f"rollouts.state_{one.state}"),
        ]
        for one in rollouts
    ]
    output.table(head, rows)


def print_rollout(rollout: Rollout) -> None:
    """Print how a rollout stands."""
    step = say(
        "rollouts.step",
        step=rollout.step + 1,
        steps=len(rollout.steps),
        share_pct=f"{rollout.share_pct:g}",
        bake_s=f"{rollout.bake_s:g}",
    )
    facts: dict[str, Any] = {
        "id": rollout.id,
        "class": rollout.class_,
        "way": say("rollouts.way", from_version=rollout.from_version, to_version=rollout.to_version),
        "strategy": say(f"rollouts.strategy_{rollout.strategy}"),
        "state": say(f"rollouts.state_{rollout.state}"),
        "why": visible(reason_text(rollout.reason)),
        "step": step,
        "agents": say("rollouts.healthy", **rollout.progress),
        "began": rollout.began_at,
        "ended": rollout.finished_at,
        "unlearn": rollout.unlearn_job_id,
        "by": rollout.author,
    }
    output.facts({say(f"rollouts.fact_{name}"): value for name, value in facts.items() if value not in (None, "")})


def print_verdicts(rollout: Rollout) -> None:
    """Print what each gate said last."""
    if not rollout.verdicts:
        return
    output.line()
    rows = [[say(f"rollouts.answers.{one['answer']}"), verdict_text(one)] for one in rollout.verdicts.values()]
    output.table([say("rollouts.head_says"), say("rollouts.head_gate")], rows)


def print_agents(rollout: Rollout, agents: Sequence[RolloutAgent]) -> None:
    """Print the agents of the class in the order of their turns."""
    if not agents:
        return
    output.line()
    head = [say("rollouts.head_agent"), say("rollouts.head_version"), say("cli.head_state"), say("rollouts.head_turn")]
    output.table(head, [[one.agent_id, one.version, one.state, _turn(rollout, one)] for one in agents])


def print_happening(happening: Happening) -> None:
    """Print one line about what happened; as JSON one document a line."""
    if output.wants_json():
        output.document({"id": happening.id, "kind": happening.kind, **happening.data})
        return
    data = happening.data
    if happening.kind == "end":
        output.note(say(f"rollouts.state_{data['state']}"))
        return
    at = datetime.fromisoformat(data["at"])
    event = RolloutEvent(int(happening.id), at, data["actor"], data["kind"], data["detail"])
    output.line(f"{output.cell(event.at)}  {visible(event_text(event))}")


def _turn(rollout: Rollout, agent: RolloutAgent) -> str:
    if agent.hold is not None:
        return say("rollouts.turn_held", code=agent.hold["code"])
    if agent.version != rollout.to_version:
        asked = agent.target_version is not None
        return say("rollouts.turn_asked", version=agent.target_version) if asked else say("rollouts.turn_waits")
    return say("rollouts.turn_healthy" if agent.healthy_at is not None else "rollouts.turn_new")
