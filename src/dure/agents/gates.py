"""Whether a new version may go on: compared with the old one in the same window, by reckoning alone.

A gate fails a version only on evidence. For a rate that is the probability that the new version's true rate is not
above the old one's by more than a margin, with beta distributions for both and a prior that takes the new version's
side: with no margin that is exactly Fisher's test, so it is below `risk` for a version that is as good no more often
than `risk`. For latency it is the chance of so many slow tasks beyond a bound on the old version's p95, both by the
binomial distribution. What may be asked again and again as tasks come in is asked at few looks: each time that the
samples have doubled, the n-th with a share of 1/(n(n+1)) of the risk, which add up to no more than all of it. A gate
passes when there are samples enough and what was seen of the new version is within its margin. Nothing is drawn at
random: the same counts give the same answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, lgamma, log, sqrt
from typing import Any, Literal

from dure.agents.histograms import Histogram, bound_ms
from dure.agents.likelihood import beta_cdf, binomial_above
from dure.errors import Invalid

GateName = Literal["lease_loss", "error_rate", "latency", "task_success"]
Answer = Literal["pass", "fail", "wait"]

NAMES: tuple[GateName, ...] = ("lease_loss", "error_rate", "latency", "task_success")
QUANTILE = 0.95
SAMPLES_MAX = 1_000_000
PROBABILITY = 0.95
"""How sure the gates together must be before a version is taken back."""
GRID = 256
SPREADS = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One comparison. `margin` is how much worse is still as good: of a rate in points (0.01 is one per cent of tasks),
    of latency as a share of the old p95. `samples_min` of either version come before any answer.

    Example: `Gate(name="task_success", margin=0.01, samples_min=30)`.
    """

    name: GateName
    margin: float
    samples_min: int


DEFAULTS: Mapping[GateName, Gate] = {
    "lease_loss": Gate(name="lease_loss", margin=0.02, samples_min=3),
    "error_rate": Gate(name="error_rate", margin=0.01, samples_min=30),
    "latency": Gate(name="latency", margin=0.25, samples_min=50),
    "task_success": Gate(name="task_success", margin=0.01, samples_min=30),
}


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a rollout, and how sure they must be, all together, to take a version back that may be as good."""

    gates: tuple[Gate, ...] = tuple(DEFAULTS.values())
    probability: float = PROBABILITY

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Gates":
        """Read gates; what is not named is as by default, and null turns a gate off."""
        probability = _number(given.get("probability", PROBABILITY), "gates.probability", 0.5, 0.9999)
        unknown = sorted(set(given) - {*NAMES, "probability"})
        if unknown:
            raise Invalid(field=f"gates.{unknown[0]}", reason="unknown_field")
        kept = [_gate(name, given.get(name, {})) for name in NAMES if given.get(name, {}) is not None]
        return cls(tuple(kept), probability)

    def to_json(self) -> dict[str, Any]:
        """Answer all that holds, defaults too: a later default changes no rollout that runs."""
        there = {gate.name: {"margin": gate.margin, "samples_min": gate.samples_min} for gate in self.gates}
        return {"probability": self.probability, **{name: there.get(name) for name in NAMES}}

    def risk(self, steps: int) -> float:
        """Answer the chance that one gate may have, in one step, to fail a version that is as good."""
        return (1 - self.probability) / max(1, len(self.gates) * steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one version did in a window. `agent_minutes` are minutes in which an agent was seen; `minutes_lost` those of
    them in which it lost its lease.
    """

    tasks_ok: int = 0
    tasks_failed: int = 0
    errors: int = 0
    agent_minutes: int = 0
    minutes_lost: int = 0
    latency: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says, why, and the numbers behind it. `looked` tells that this was one of its few looks."""

    gate: GateName
    answer: Answer
    code: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    looked: bool = False

    def to_json(self) -> dict[str, Any]:
        """Answer it as it is stored."""
        return {"gate": self.gate, "answer": self.answer, "code": self.code, "numbers": dict(self.numbers)}


@dataclass(frozen=True, slots=True)
class Looks:
    """How often a gate has looked in this step, and at how many samples of the new version last."""

    count: int = 0
    samples: int = 0


def judge(gate: Gate, new: Counts, old: Counts, looks: Looks, risk: float) -> Verdict:
    """Answer whether a version passes one gate, fails it, or has to wait.

    Example: `judge(DEFAULTS["task_success"], new, old, Looks(), risk=0.01).answer`.
    """
    seen = samples(gate.name, new), samples(gate.name, old)
    sizes: dict[str, Any] = {"new_samples": seen[0], "old_samples": seen[1], "samples_min": gate.samples_min}
    if min(seen) < gate.samples_min:
        return Verdict(gate=gate.name, answer="wait", code="few_samples", numbers=sizes)
    looked = seen[0] >= max(gate.samples_min, 2 * looks.samples)
    share = risk / ((looks.count + 1) * (looks.count + 2)) if looked else 0.0
    compare = _latency if gate.name == "latency" else _rates
    worse, within, numbers = compare(gate, new, old, share)
    numbers = {**sizes, **numbers, "margin": gate.margin, "look": looks.count + looked, "risk": share}
    if worse:
        return Verdict(gate=gate.name, answer="fail", code="worse", numbers=numbers, looked=looked)
    if not within:
        return Verdict(gate=gate.name, answer="wait", code="undecided", numbers=numbers, looked=looked)
    return Verdict(gate=gate.name, answer="pass", code="as_good", numbers=numbers, looked=looked)


def samples(name: GateName, counts: Counts) -> int:
    """Answer how many samples of a version a gate has to go by."""
    return counts.latency.count if name == "latency" else _hits_of(name, counts)[1]


def probability_within(new: tuple[int, int], old: tuple[int, int], margin: float, *, fair: bool = True) -> float:
    """Answer the probability that the new true rate is at most the old one and a margin, from (hits, of) of both.

    Unfair, it takes the new one's side as far as a prior can; then with no margin it is Fisher's exact test.
    Example: `probability_within((4, 100), (2, 100), 0.01)`.
    """
    (hits, of), (old_hits, old_of) = new, old
    if fair:
        return _within(hits + 1, of - hits + 1, old_hits + 1, old_of - old_hits + 1, margin)
    if hits == 0 or old_hits == old_of:
        return 1.0
    return _within(hits, of - hits + 1, old_hits + 1, old_of - old_hits, margin)


def _rates(gate: Gate, new: Counts, old: Counts, share: float) -> tuple[bool, bool, dict[str, Any]]:
    ours, theirs = _hits_of(gate.name, new), _hits_of(gate.name, old)
    rates = ours[0] / ours[1], theirs[0] / theirs[1]
    as_good = probability_within(ours, theirs, gate.margin, fair=False)
    numbers = {
        "new_rate": rates[0],
        "old_rate": rates[1],
        "probability": probability_within(ours, theirs, gate.margin),
        "as_good": as_good,
    }
    return as_good < share, rates[0] <= rates[1] + gate.margin, numbers


def _latency(gate: Gate, new: Counts, old: Counts, share: float) -> tuple[bool, bool, dict[str, Any]]:
    ours, theirs = new.latency.quantile(QUANTILE), old.latency.quantile(QUANTILE)
    assert ours is not None
    assert theirs is not None
    bound = _upper_bound_ms(old.latency, share / 2)
    slow, as_good = 0, 1.0
    if bound is not None:
        slow = new.latency.above(bound * (1 + gate.margin))
        as_good = binomial_above(slow, new.latency.count, 1 - QUANTILE)
    numbers = {
        "new_p95_ms": ours,
        "old_p95_ms": theirs,
        "old_p95_at_most_ms": bound,
        "new_slower": slow,
        "as_good": as_good,
    }
    return as_good < share / 2, ours <= theirs * (1 + gate.margin), numbers


def _upper_bound_ms(latency: Histogram, risk: float) -> float | None:
    """Answer what the true p95 exceeds only with a chance of `risk`: the latency of so high a rank that fewer than that
    many of all are seldom below the p95. None when even the highest is not high enough.
    """
    count = latency.count
    low, high = latency.rank(QUANTILE), count + 1
    # The smallest rank for which it is true; it is true of all behind it.
    while low < high:
        rank = (low + high) // 2
        if binomial_above(rank, count, QUANTILE) <= risk:
            high = rank
        else:
            low = rank + 1
    bucket = latency.bucket_of(low) if low <= count else None
    return None if bucket is None else bound_ms(bucket)


def _hits_of(name: GateName, counts: Counts) -> tuple[int, int]:
    """Answer the bad ones, of how many."""
    tasks = counts.tasks_ok + counts.tasks_failed
    match name:
        case "task_success":
            return counts.tasks_failed, tasks
        case "error_rate":
            return counts.errors, tasks + counts.errors
        case _:
            return counts.minutes_lost, counts.agent_minutes


def _within(a: float, b: float, old_a: float, old_b: float, margin: float) -> float:
    """Answer P(X <= Y + margin) for X of Beta(a, b) and Y of Beta(old_a, old_b): by Simpson's rule over Y."""
    mean = old_a / (old_a + old_b)
    spread = SPREADS * sqrt(mean * (1 - mean) / (old_a + old_b + 1)) + SPREADS / (old_a + old_b)
    low, high = max(0.0, mean - spread), min(1.0, mean + spread)
    scale = lgamma(old_a + old_b) - lgamma(old_a) - lgamma(old_b)
    width = (high - low) / GRID
    total = weight = 0.0
    for n in range(GRID + 1):
        at = low + n * width
        part = (1 if n in (0, GRID) else 4 if n % 2 else 2) * _density(at, old_a, old_b, scale)
        weight += part
        total += part * beta_cdf(min(1.0, at + margin), a, b)
    return min(1.0, total / weight)


def _density(at: float, a: float, b: float, scale: float) -> float:
    if at <= 0.0 or at >= 1.0:
        one_sided = (at <= 0.0 and a == 1) or (at >= 1.0 and b == 1)
        return exp(scale) if one_sided else 0.0
    return exp(scale + (a - 1) * log(at) + (b - 1) * log(1 - at))


def _gate(name: GateName, given: Any) -> Gate:
    if not isinstance(given, Mapping):
        raise Invalid(field=f"gates.{name}", reason="wrong_type", expected='{"margin": 0.01, "samples_min": 30}')
    unknown = sorted(set(given) - {"margin", "samples_min"})
    if unknown:
        raise Invalid(field=f"gates.{name}.{unknown[0]}", reason="unknown_field")
    usual = DEFAULTS[name]
    most = 10.0 if name == "latency" else 1.0
    margin = _number(given.get("margin", usual.margin), f"gates.{name}.margin", 0.0, most)
    wanted = given.get("samples_min", usual.samples_min)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= SAMPLES_MAX:
        raise Invalid(field=f"gates.{name}.samples_min", reason="out_of_range", min=1, max=SAMPLES_MAX)
    return Gate(name=name, margin=margin, samples_min=wanted)


def _number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Invalid(field=name, reason="out_of_range", min=low, max=high)
    return float(value)
