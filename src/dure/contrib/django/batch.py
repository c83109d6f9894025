"""The interventions app from a Django project: its schedule made, and how it stands."""

from typing import TYPE_CHECKING, Any

from dure.contrib.django import services
from dure.contrib.django.conf import conf
from dure.contrib.django.words import language

if TYPE_CHECKING:
    from dure.apps.interventions.service import Interventions
    from dure.runtime.parts import Runtime
    from dure.schedule.model import Schedule

ACTOR = "init_batch_schedule"


def get_schedule_status(limit: int = 10) -> dict[str, Any]:
    """Answer the batch's schedules, its last runs, and whether one is going on.

    Example: `get_schedule_status()["running"]`.
    """
    return services.call(lambda dure: _app(dure).status(conf().tenant, limit=limit, lang=language()))


def init_schedule(*, force: bool = False) -> "tuple[Schedule, bool]":
    """Make the daily schedule unless it is there; with `force` make it anew. Answers it, and whether it was made.

    Example: `schedule, made = init_schedule()`.
    """
    return services.call(lambda dure: _app(dure).init_schedule(conf().tenant, actor=ACTOR, force=force))


def _app(dure: "Runtime") -> "Interventions":
    # Only a project that uses the app pays for it.
    from dure.apps.interventions.service import Interventions

    return Interventions(dure.database, dure.runs, dure.schedules)
