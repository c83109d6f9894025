"""Rules that turn what records say into advice: the same records, user and date always give the same.

Each rule looks at sums and averages, and answers with a weight: what matters most comes first. The limits are those of
public recommendations for healthy adults, and none of this is a diagnosis. Sentences are in the catalogue, below
`[interventions.advice]`.

KDRI 2020: Dietary Reference Intakes for Koreans. WHO 2020: guidelines on physical activity. AASM 2015: consensus of the
American Academy of Sleep Medicine and the Sleep Research Society on how long adults should sleep.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from dure.apps.interventions.facts import Exercise, Facts, Food, Sleep

VERSION = "rules-1"
PIECES_MAX = 3

ENERGY_HIGH_KCAL = 3_000
"""A day; above what KDRI 2020 estimates for any group of adults (2,600 at most) by more than a tenth."""
ENERGY_LOW_KCAL = 1_200
"""A day; with less it is hard to get all that is needed."""
PROTEIN_PERCENT_MIN = 7
CARBS_PERCENT_MAX = 65
FAT_PERCENT_MAX = 30
"""Of energy: KDRI 2020 has protein at 7 to 20 %, carbohydrate at 55 to 65 %, fat at 15 to 30 %."""
SODIUM_HIGH_MG = 2_300
"""A day; KDRI 2020, to lower the risk of chronic disease."""
MACROS_KCAL_MIN = 300.0
"""A day; with less written down, shares of it say nothing."""
KCAL_PER_G: Mapping[str, int] = {"protein_g": 4, "carbs_g": 4, "fat_g": 9}
MORNING_FROM, MORNING_UNTIL = 4, 11
LATE_FROM, LATE_UNTIL = 21, 4
"""Hours of the day: from the first until before the second."""
LATE_MEALS_A_DAY = 0.4
BREAKFAST_SHARE_MIN = 0.5
"""Of the days that have records."""

ACTIVE_MINUTES_A_WEEK = 150
"""WHO 2020: of moderate effort; a vigorous minute counts twice, a light one not."""
ACTIVE_MINUTES_A_DAY = 30
"""The same on five days of seven."""
VIGOROUS_FACTOR = 2
VIGOROUS_HIGH_MINUTES_A_DAY = 75
"""In one day as much as WHO 2020 has for a week: the next day may be light."""
LIGHT_MINUTES_MIN = 20
SPREAD_DAYS_MIN = 3
"""Days of a week on which to move."""

SLEEP_HOURS_MIN = 7.0
"""AASM 2015: adults should sleep seven hours or more."""
SLEEP_HOURS_SHORT = 6.0
SLEEP_HOURS_MAX = 9.5
BEDTIME_SPREAD_MAX_MINUTES = 60.0
NIGHTS_FOR_SPREAD_MIN = 3
BEDTIME_LATE_MINUTES = 13 * 60.0
"""After noon: one o'clock at night."""

TIPS: Mapping[str, int] = {"diet": 4, "exercise": 4, "sleep": 3}
"""How many general tips there are of each topic."""
INSTEAD_OF: Mapping[str, str] = {"exercise_tired": "sleep_short", "diet_fuel": "diet_energy_low"}
"""What one kind of record would say, where two together say more."""
HIGH, MIDDLE, LOW, PRAISE, TIP = 80, 60, 40, 20, 10
EXCESS_MAX = 15


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice: which rule gives it, how much it matters, and the figures that its sentence names."""

    rule: str
    topic: str
    weight: int
    figures: Mapping[str, Any] = field(default_factory=dict)


def advise(facts: Facts, days: int, seed: str) -> list[Advice]:
    """Answer the two or three pieces of advice that matter most, each topic before a second one of any.

    Example: `advise(facts, 1, "17:2026-08-01")[0].rule`.
    """
    found: list[Advice] = []
    if facts.food is not None:
        found += [*_diet(facts.food), *_tips("diet", seed)]
    if facts.exercise is not None:
        found += [*_exercise(facts.exercise, days), *_tips("exercise", seed)]
    if facts.sleep is not None:
        found += [*_sleep(facts.sleep), *_tips("sleep", seed)]
    together = list(_together(facts, days))
    said = {INSTEAD_OF[one.rule] for one in together}
    return _chosen([*together, *(one for one in found if one.rule not in said)])


def _chosen(found: list[Advice]) -> list[Advice]:
    ranked = sorted(found, key=lambda one: -one.weight)
    topics: set[str] = set()
    first = [one for one in ranked if one.topic not in topics and not topics.add(one.topic)]  # type: ignore[func-returns-value]
    rest = [one for one in ranked if one not in first and one.weight != PRAISE]
    return sorted([*first, *rest][:PIECES_MAX], key=lambda one: -one.weight)


def _diet(food: Food) -> Iterator[Advice]:
    found = [*_energy(food), *_shares(food), *_sodium(food), *_hours(food)]
    yield from found or [Advice("diet_balanced", "diet", PRAISE, {"meals": food.meals})]


def _energy(food: Food) -> Iterator[Advice]:
    if food.calories is None:
        return
    kcal = food.calories / food.days
    if kcal > ENERGY_HIGH_KCAL:
        yield Advice("diet_energy_high", "diet", HIGH + _excess(kcal, ENERGY_HIGH_KCAL), {"kcal": round(kcal)})
    elif 0 < kcal < ENERGY_LOW_KCAL:
        yield Advice("diet_energy_low", "diet", HIGH + _excess(ENERGY_LOW_KCAL, kcal), {"kcal": round(kcal)})


def _shares(food: Food) -> Iterator[Advice]:
    grams = {"protein_g": food.protein_g, "carbs_g": food.carbs_g, "fat_g": food.fat_g}
    known = {name: amount * KCAL_PER_G[name] for name, amount in grams.items() if amount is not None}
    total = sum(known.values())
    if len(known) < len(grams) or total < MACROS_KCAL_MIN * food.days:
        return
    percent = {name: round(kcal / total * 100) for name, kcal in known.items()}
    if percent["protein_g"] < PROTEIN_PERCENT_MIN:
        yield Advice("diet_protein_low", "diet", MIDDLE, {"percent": percent["protein_g"]})
    if percent["fat_g"] > FAT_PERCENT_MAX:
        weight = LOW + _excess(percent["fat_g"], FAT_PERCENT_MAX)
        yield Advice("diet_fat_high", "diet", weight, {"percent": percent["fat_g"]})
    if percent["carbs_g"] > CARBS_PERCENT_MAX:
        weight = LOW + _excess(percent["carbs_g"], CARBS_PERCENT_MAX)
        yield Advice("diet_carbs_high", "diet", weight, {"percent": percent["carbs_g"]})


def _sodium(food: Food) -> Iterator[Advice]:
    if food.sodium_mg is not None and (sodium := food.sodium_mg / food.days) > SODIUM_HIGH_MG:
        yield Advice("diet_sodium_high", "diet", MIDDLE + _excess(sodium, SODIUM_HIGH_MG), {"mg": round(sodium)})


def _hours(food: Food) -> Iterator[Advice]:
    if food.late_meals and food.late_meals / food.days >= LATE_MEALS_A_DAY:
        yield Advice("diet_late", "diet", MIDDLE, {"count": food.late_meals})
    if food.breakfasts is not None and food.breakfasts / food.days < BREAKFAST_SHARE_MIN:
        yield Advice("diet_breakfast", "diet", LOW - 1, {"days": food.days - food.breakfasts})


def _exercise(exercise: Exercise, days: int) -> Iterator[Advice]:
    if exercise.minutes is None:
        return
    wanted = _wanted_minutes(days)
    active = _active_minutes(exercise)
    figures = {"minutes": round(active), "wanted": wanted}
    if exercise.vigorous_minutes / exercise.days >= VIGOROUS_HIGH_MINUTES_A_DAY:
        minutes = round(exercise.vigorous_minutes / exercise.days)
        yield Advice("exercise_recover", "exercise", MIDDLE, {"minutes": minutes})
    if active >= wanted:
        yield Advice("exercise_enough", "exercise", PRAISE, figures)
    elif exercise.light_minutes >= max(LIGHT_MINUTES_MIN, active):
        yield Advice("exercise_light", "exercise", MIDDLE, {"minutes": round(exercise.light_minutes)})
    else:
        yield Advice("exercise_more", "exercise", MIDDLE + _excess(wanted, max(active, 1.0)), figures)
    if days > 1 and exercise.days < SPREAD_DAYS_MIN:
        yield Advice("exercise_spread", "exercise", LOW, {"days": exercise.days})


def _sleep(sleep: Sleep) -> Iterator[Advice]:
    found = [*_sleep_length(sleep), *_bedtime(sleep)]
    if not found and sleep.hours is not None:
        found = [Advice("sleep_enough", "sleep", PRAISE, {"hours": sleep.hours})]
    yield from found


def _sleep_length(sleep: Sleep) -> Iterator[Advice]:
    if sleep.hours is None:
        return
    if sleep.hours < SLEEP_HOURS_SHORT:
        yield Advice("sleep_short", "sleep", HIGH + _excess(SLEEP_HOURS_SHORT, sleep.hours), {"hours": sleep.hours})
    elif sleep.hours < SLEEP_HOURS_MIN:
        yield Advice("sleep_short", "sleep", MIDDLE, {"hours": sleep.hours})
    elif sleep.hours > SLEEP_HOURS_MAX:
        yield Advice("sleep_long", "sleep", LOW, {"hours": sleep.hours})


def _bedtime(sleep: Sleep) -> Iterator[Advice]:
    spread = sleep.bedtime_spread_minutes
    if spread is not None and sleep.nights >= NIGHTS_FOR_SPREAD_MIN and spread > BEDTIME_SPREAD_MAX_MINUTES:
        weight = LOW + _excess(spread, BEDTIME_SPREAD_MAX_MINUTES)
        yield Advice("sleep_irregular", "sleep", weight, {"minutes": round(spread)})
    if sleep.bedtime_minutes is not None and sleep.bedtime_minutes > BEDTIME_LATE_MINUTES:
        yield Advice("sleep_late", "sleep", LOW, {"time": _clock(sleep.bedtime_minutes)})


def _together(facts: Facts, days: int) -> Iterator[Advice]:
    """Answer what only two kinds of record together say."""
    food, exercise, sleep = facts.food, facts.exercise, facts.sleep
    active = 0.0 if exercise is None else _active_minutes(exercise)
    moved = active >= _wanted_minutes(days)
    slept = None if sleep is None else sleep.hours
    if exercise is not None and exercise.vigorous_minutes and slept is not None and slept < SLEEP_HOURS_SHORT:
        yield Advice("exercise_tired", "sleep", HIGH + 1, {"hours": slept})
    if moved and food is not None and food.calories is not None and food.calories / food.days < ENERGY_LOW_KCAL:
        yield Advice("diet_fuel", "diet", HIGH + EXCESS_MAX + 1, {"kcal": round(food.calories / food.days)})


def _tips(topic: str, seed: str) -> Iterator[Advice]:
    # Not `hash`, which another process answers differently.
    first = crc32(f"{topic}:{seed}".encode())
    for number in (first, first + 1):
        yield Advice(f"{topic}_tip_{number % TIPS[topic] + 1}", topic, TIP)


def _wanted_minutes(days: int) -> int:
    return ACTIVE_MINUTES_A_DAY if days == 1 else round(ACTIVE_MINUTES_A_WEEK * days / 7)


def _active_minutes(exercise: Exercise) -> float:
    moderate = (exercise.minutes or 0.0) - exercise.vigorous_minutes - exercise.light_minutes
    return moderate + VIGOROUS_FACTOR * exercise.vigorous_minutes


def _excess(amount: float, limit: float) -> int:
    """How far beyond a limit, as a part of a weight: half as much again is the most that counts."""
    return min(EXCESS_MAX, int((amount / limit - 1) * 2 * EXCESS_MAX)) if limit > 0 else EXCESS_MAX


def _clock(minutes_after_noon: float) -> str:
    minutes = (round(minutes_after_noon) + 12 * 60) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"
