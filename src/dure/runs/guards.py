"""Guards: limits that a plan is held against, before anyone is asked and again before anything is done.

They fail closed, and each answers with a reason and its figures. An override is for one plan, by its hash, never a
switch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["passed", "warned", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What an operation may do at most; None is no limit. Leaving are deletes and moves.

    Example: `Guards(leaving_max=5_000, leaving_share_max=None)`.
    """

    leaving_max: int | None = 200
    leaving_warn: int | None = 100
    leaving_share_max: float | None = 0.5
    leaving_share_warn: float | None = 0.3
    scope_may_empty: bool = False
    """Whether a scope may lose its last record."""
    changes_max: int = 10_000_000
    error_share_max: float = 0.2
    """While applying: more of it failing than this stops the run."""
    errors_min: int = 10
    """So many must have failed before the share counts."""

    def to_json(self) -> dict[str, Any]:
        """Answer the limits as the database keeps them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan would take from one scope, and what is in it."""

    name: str
    population: int
    leaving: int
    entering: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What guards look at."""

    changes: int
    leaving: int
    population: int | None
    """Of all scopes together; None when nobody counted."""
    counted: int | None = None
    """How many of those that leave are of that population; all of them when not said."""
    scopes: Sequence[Scope] = ()
    twice: Sequence[Mapping[str, Any]] = ()
    """Records with more than one change: their store and key."""
    outside_scope: Sequence[Mapping[str, Any]] = ()
    """Changes of records that do not belong to what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one guard says; `code` and `params` are a sentence of the catalogue's `[guards]`."""

    guard: str
    verdict: Verdict
    params: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Answer it as the database keeps it."""
        return {"guard": self.guard, "verdict": self.verdict, "params": dict(self.params)}


def evaluate(guards: Guards, figures: Figures) -> list[Answer]:
    """Hold a plan against its guards; one answer a guard, in a fixed order.

    Example: `any(answer.verdict == "refused" for answer in evaluate(Guards(), figures))`.
    """
    return [
        _at_most("changes", figures.changes, guards.changes_max, None),
        _at_most("leaving", figures.leaving, guards.leaving_max, guards.leaving_warn),
        _share(guards, figures),
        _emptied(guards, figures),
        _none("one_change_a_record", figures.twice),
        _none("inside_scope", figures.outside_scope),
    ]


def breaker(guards: Guards, failed: int, tried: int) -> Answer | None:
    """Answer why an application must stop, if it must: too much of it fails."""
    if failed >= guards.errors_min and tried and failed / tried > guards.error_share_max:
        share = _percent(guards.error_share_max)
        return Answer("errors", "refused", {"failed": failed, "tried": tried, "max_percent": share})
    return None


def _at_most(guard: str, count: int, most: int | None, warn: int | None) -> Answer:
    params = {"count": count, "max": most if most is not None else "-", "warn": warn if warn is not None else "-"}
    if most is not None and count > most:
        return Answer(guard, "refused", params)
    return Answer(guard, "warned" if warn is not None and count > warn else "passed", params)


def _share(guards: Guards, figures: Figures) -> Answer:
    most, warn = guards.leaving_share_max, guards.leaving_share_warn
    if most is None and warn is None:
        return Answer(
            "leaving_share", "passed", {"percent": "-", "count": figures.leaving, "population": "-", "max_percent": "-"}
        )
    if figures.population is None:
        # Nobody counted, so nobody can say that it is little: closed, unless nothing leaves.
        verdict: Verdict = "refused" if figures.leaving else "passed"
        return Answer("population_unknown", verdict, {"count": figures.leaving})
    leaving = figures.leaving if figures.counted is None else figures.counted
    share = leaving / figures.population if figures.population else float(leaving > 0)
    params = {
        "percent": _percent(share),
        "count": leaving,
        "population": figures.population,
        "max_percent": "-" if most is None else _percent(most),
    }
    if most is not None and share > most:
        return Answer("leaving_share", "refused", params)
    return Answer("leaving_share", "warned" if warn is not None and share > warn else "passed", params)


def _emptied(guards: Guards, figures: Figures) -> Answer:
    emptied = [
        scope.name for scope in figures.scopes if scope.leaving >= scope.population + scope.entering and scope.leaving
    ]
    refused = bool(emptied) and not guards.scope_may_empty
    return Answer("scope_emptied", "refused" if refused else "passed", {"count": len(emptied), "scopes": emptied[:10]})


def _none(guard: str, found: Sequence[Mapping[str, Any]]) -> Answer:
    return Answer(guard, "refused" if found else "passed", {"count": len(found), "first": list(found[:10])})


def _percent(share: float) -> float:
    return round(share * 100, 1)
