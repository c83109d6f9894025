"""The values of rollouts: one that is wanted, one as it stands, its steps, what happened to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from dure.agents.gates import Gates
from dure.errors import Invalid

Strategy = Literal["rolling", "canary", "blue_green"]
RolloutState = Literal["running", "paused", "ready", "promoted", "reverting", "reverted", "failed"]
InFlight = Literal["drain", "fence"]
EventKind = Literal[
    "started", "asked", "admitted", "left", "settled", "unsettled", "gate", "step", "switched", "ready",
    "paused", "resumed", "failed", "reverting", "reverted", "promoted",
]  # fmt: skip

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
STATES: tuple[RolloutState, ...] = get_args(RolloutState)
IN_FLIGHT: tuple[InFlight, ...] = get_args(InFlight)
OVER: frozenset[RolloutState] = frozenset({"promoted", "reverted", "failed"})
STEPS_MAX = 20
BAKE_S_MAX = 604_800.0
HEALTHY_S_MAX = 86_400.0
DEADLINE_S_MAX = 604_800.0
PARALLEL_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """A share of the class's agents that have the new version, and how long that is looked at."""

    share_pct: float
    bake_s: float

    def to_json(self) -> dict[str, float]:
        """Answer it as it is stored."""
        return {"share_pct": self.share_pct, "bake_s": self.bake_s}


USUAL: Mapping[Strategy, tuple[Step, ...]] = {
    "rolling": (Step(100, 60),),
    "canary": (Step(10, 300), Step(50, 300), Step(100, 300)),
    "blue_green": (Step(100, 300),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRollout:
    """A rollout that is wanted, from the current release of a class to another.

    Example: `NewRollout(class_="executor", to_version="1.9.0", strategy="canary")`.
    """

    class_: str
    to_version: str
    strategy: str = "canary"
    steps: Sequence[Mapping[str, Any]] | None = None
    """Each with `share_pct` and `bake_s`; rolling and blue-green have one."""
    max_parallel: int | None = None
    """So many agents may be between the versions at a time: one of a rolling rollout, else as many as the step has."""
    min_healthy_s: float = 30.0
    progress_deadline_s: float = 600.0
    auto_promote: bool = True
    auto_revert: bool = True
    in_flight: str = "drain"
    gates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A rollout as it stands; the field names are the columns'."""

    id: str
    tenant_id: str
    class_: str
    from_version: str
    to_version: str
    strategy: Strategy
    steps: Sequence[Mapping[str, float]]
    max_parallel: int
    min_healthy_s: float
    progress_deadline_s: float
    auto_promote: bool
    auto_revert: bool
    in_flight: InFlight
    gates: Mapping[str, Any]
    state: RolloutState
    reason: Mapping[str, Any] | None
    step: int
    began_at: datetime
    step_began_at: datetime
    switched_at: datetime | None
    settled_at: datetime | None
    progress_at: datetime
    progress: Mapping[str, int]
    """How many agents the step wants, how many are chosen, and how many of them are healthy."""
    judged_at: datetime | None
    paused_at: datetime | None
    finished_at: datetime | None
    looks: Mapping[str, Sequence[int]]
    verdicts: Mapping[str, Mapping[str, Any]]
    unlearn_job_id: str | None
    author: str
    revision: int

    @property
    def share_pct(self) -> float:
        """Answer the share of agents that the present step asks for."""
        return self.steps[self.step]["share_pct"]

    @property
    def bake_s(self) -> float:
        """Answer how long the present step is looked at once its agents are healthy."""
        return self.steps[self.step]["bake_s"]

    @property
    def is_last_step(self) -> bool:
        """Answer whether no step follows."""
        return self.step == len(self.steps) - 1


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """Something that happened to a rollout: who did what, when; of a gate its decision with the numbers."""

    id: int
    at: datetime
    actor: str
    kind: EventKind
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RolloutAgent:
    """An agent of the class as a rollout sees it."""

    agent_id: str
    version: str
    state: str
    chosen: bool
    healthy_at: datetime | None
    hold: Mapping[str, Any] | None
    target_version: str | None


def checked(wanted: NewRollout) -> dict[str, Any]:
    """Answer the columns of a rollout that is wanted; `Invalid` names the field at fault."""
    strategy = _one_of(wanted.strategy, STRATEGIES, "strategy")
    steps = USUAL[strategy] if wanted.steps is None else _steps(wanted.steps, strategy)
    usual = 1 if strategy == "rolling" else PARALLEL_MAX
    parallel = usual if wanted.max_parallel is None else wanted.max_parallel
    if isinstance(parallel, bool) or not isinstance(parallel, int) or not 1 <= parallel <= PARALLEL_MAX:
        raise Invalid(field="max_parallel", reason="out_of_range", min=1, max=PARALLEL_MAX)
    return {
        "strategy": strategy,
        "steps": [step.to_json() for step in steps],
        "max_parallel": parallel,
        "min_healthy_s": _between(wanted.min_healthy_s, 0, HEALTHY_S_MAX, "min_healthy_s"),
        "progress_deadline_s": _between(wanted.progress_deadline_s, 1, DEADLINE_S_MAX, "progress_deadline_s"),
        "auto_promote": wanted.auto_promote,
        "auto_revert": wanted.auto_revert,
        "in_flight": _one_of(wanted.in_flight, IN_FLIGHT, "in_flight"),
        "gates": Gates.from_json(wanted.gates).to_json(),
    }


def _steps(given: Sequence[Mapping[str, Any]], strategy: Strategy) -> tuple[Step, ...]:
    most = STEPS_MAX if strategy == "canary" else 1
    if not 1 <= len(given) <= most:
        raise Invalid(field="steps", reason="out_of_range", min=1, max=most)
    steps: list[Step] = []
    for at, one in enumerate(given):
        name = f"steps.{at}"
        if not isinstance(one, Mapping) or set(one) - {"share_pct", "bake_s"}:
            raise Invalid(field=name, reason="wrong_format", expected='{"share_pct": 10, "bake_s": 300}')
        share = _between(one.get("share_pct", 100), 0.01, 100, f"{name}.share_pct")
        if steps and share <= steps[-1].share_pct:
            raise Invalid(field=f"{name}.share_pct", reason="releases.not_growing")
        steps.append(Step(share, _between(one.get("bake_s", 300), 0, BAKE_S_MAX, f"{name}.bake_s")))
    return tuple(steps)


def _between(value: Any, low: float, high: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Invalid(field=name, reason="out_of_range", min=low, max=high)
    return float(value)


def _one_of(value: str, known: tuple[Any, ...], name: str) -> Any:
    if value not in known:
        raise Invalid(field=name, reason="not_one_of", expected=", ".join(known))
    return value
