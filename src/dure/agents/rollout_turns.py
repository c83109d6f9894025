"""Whose turn it is in a rollout, from its step and from how the agents of the class stand. Pure.

An agent whose turn has come is chosen. An old one that is chosen is asked to become the new version; it comes back
under its own id, or another one comes in its place. A new one that is not chosen waits, registered but without work. So
a version that does not come up costs no more than `max_parallel` agents: the next ones are not asked before those
before them are healthy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from dure.agents.rollout_model import Rollout

LIVE = frozenset({"alive", "suspect"})
LOST = frozenset({"dead", "reaped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent of the class. `age_s` is since it registered; `busy` that it has work in hand."""

    agent_id: str
    version: str
    state: str
    age_s: float
    chosen: bool = False
    was_healthy: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is to be done now. `settled` tells that the step has all its agents, and that they are healthy."""

    ask: tuple[str, ...] = ()
    admit: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    """Chosen ones that are no part of it any more: they were retired or drained, or another came in their place."""
    healthy: tuple[str, ...] = ()
    """Those that are so for the first time."""
    wanted: int
    chosen: int
    there: int
    """Chosen ones that are healthy."""
    settled: bool


def next_turn(rollout: Rollout, fleet: Sequence[Member]) -> Turn:
    """Answer whose turn it is. The order of `fleet` is the order in which turns come."""
    live = [one for one in fleet if one.state in LIVE]
    spare = [one for one in live if _is_new(rollout, one) and not one.chosen]
    # After a switch the old ones stand by, in case the way leads back.
    old = [one for one in live if not _is_new(rollout, one) and not one.chosen and rollout.switched_at is None]
    chosen = [one for one in fleet if one.chosen]
    left = [one for one in chosen if one.state not in LIVE | LOST]
    lost = [one for one in chosen if one.state in LOST]
    # Whoever is lost may have come back under another id.
    in_place = list(zip(lost, spare, strict=False))
    gone = {one.agent_id for one in (*left, *(old_one for old_one, _ in in_place))}
    spare = spare[len(in_place) :]
    healthy = [one for one in chosen if one.agent_id not in gone and is_healthy(rollout, one)]
    count = len(chosen) - len(gone) + len(in_place)
    whole = count + len(old) + (len(spare) if rollout.share_pct >= 100 else 0)
    wanted = max(1, ceil(rollout.share_pct * whole / 100))
    between = count - len(healthy)
    room = max(0, min(wanted - count, rollout.max_parallel - between))
    admit, ask = spare[:room], old[: max(0, room - len(spare))]
    return Turn(
        ask=_ids(ask),
        admit=_ids([*(new for _, new in in_place), *admit]),
        leave=tuple(sorted(gone)),
        healthy=_ids([one for one in healthy if not one.was_healthy]),
        wanted=wanted,
        chosen=count + len(admit) + len(ask),
        there=len(healthy),
        settled=len(healthy) >= wanted and between == 0 and not ask and not admit,
    )


def warm_up(rollout: Rollout, fleet: Sequence[Member]) -> Turn:
    """Answer, for blue-green before the switch, whether new ones are there in number, and healthy without work."""
    live = [one for one in fleet if one.state in LIVE]
    old = [one for one in live if not _is_new(rollout, one)]
    new = [one for one in live if _is_new(rollout, one)]
    warm = [one for one in new if is_healthy(rollout, one)]
    wanted = max(1, ceil(rollout.share_pct * len(old) / 100))
    return Turn(admit=_ids(new), wanted=wanted, chosen=len(new), there=len(warm), settled=len(warm) >= wanted)


def progress_of(turn: Turn) -> dict[str, int]:
    """Answer how far a step is, as it is stored and shown."""
    return {"wanted": turn.wanted, "chosen": turn.chosen, "healthy": turn.there}


def is_healthy(rollout: Rollout, one: Member) -> bool:
    """Answer whether an agent has been the new version, and alive, for long enough."""
    return _is_new(rollout, one) and one.state in LIVE and one.age_s >= rollout.min_healthy_s


def versions(rollout: Rollout, fleet: Sequence[Member]) -> tuple[list[str], list[str]]:
    """Answer the ids of those with a session: of the new version, and of any other."""
    live = [one for one in fleet if one.state in LIVE or one.state == "draining"]
    new = [one.agent_id for one in live if _is_new(rollout, one)]
    return new, [one.agent_id for one in live if not _is_new(rollout, one)]


def _is_new(rollout: Rollout, one: Member) -> bool:
    return one.version == rollout.to_version


def _ids(members: Sequence[Member]) -> tuple[str, ...]:
    return tuple(one.agent_id for one in members)
