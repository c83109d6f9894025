"""What users' records say, added up: sums and averages, which advice follows from and which are stored beside it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Food:
    """What somebody ate. Sums are of all days that have a record; None where no record says."""

    meals: int
    days: int
    calories: float | None = None
    protein_g: float | None = None
    carbs_g: float | None = None
    fat_g: float | None = None
    sodium_mg: float | None = None
    breakfasts: int | None = None
    """Days with a meal in the morning; None where records have no hour."""
    late_meals: int | None = None


@dataclass(frozen=True, slots=True)
class Exercise:
    """How much somebody moved."""

    sessions: int
    days: int
    minutes: float | None = None
    vigorous_minutes: float = 0.0
    light_minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class Sleep:
    """How somebody slept."""

    nights: int
    hours: float | None = None
    shortest_hours: float | None = None
    bedtime_spread_minutes: float | None = None
    bedtime_minutes: float | None = None
    """After noon, on average: 720 is midnight."""


@dataclass(slots=True)
class Facts:
    """What the records of one user say; None for a kind of which there are none."""

    food: Food | None = None
    exercise: Exercise | None = None
    sleep: Sleep | None = None
    others: dict[str, int] = field(default_factory=dict)
    """How many records of other kinds there are."""

    def to_json(self) -> dict[str, Any]:
        """Answer them as they are stored, without what is not known."""
        known = {"food": self.food, "exercise": self.exercise, "sleep": self.sleep}
        told: dict[str, Any] = {name: _known(asdict(one)) for name, one in known.items() if one is not None}
        return {**told, **{name: {"records": count} for name, count in self.others.items()}}


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
