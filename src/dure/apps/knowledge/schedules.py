"""The interval of the older program, `BATCH_DEDUP_*`, as a schedule.

Where one of those variables is set, a starting worker sees to it that the schedule is as they say; a person may pause
it all the same. Where none is set there is no such schedule: its stores need not be there.
"""

import os
from contextlib import suppress
from typing import Any

from dure import NewSchedule, Schedule, Schedules
from dure.apps.knowledge.config import KnowledgeSettings, load
from dure.errors import Conflict, NotFound

NAME = "knowledge.deduplicate"
OPERATION = "knowledge.deduplicate"
PREFIX = "BATCH_DEDUP_"
ACTOR = "BATCH_DEDUP_ENABLED"


async def ensure(schedules: Schedules) -> None:
    """Make, change, pause or resume the schedule as the environment says. Example: `await ensure(schedules)`."""
    if not any(name.startswith(PREFIX) and value for name, value in os.environ.items()):
        return
    settings = load()
    try:
        found = await schedules.get(settings.tenant, NAME)
    except NotFound:
        if settings.batch_enabled:
            # Another worker that starts at this moment may be faster.
            with suppress(Conflict):
                await schedules.create(settings.tenant, _wanted(settings), actor=ACTOR)
        return
    await _follow(schedules, found, settings)


async def _follow(schedules: Schedules, found: Schedule, settings: KnowledgeSettings) -> None:
    wanted = _wanted(settings)
    changes: dict[str, Any] = {}
    if found.rule.get("every_s") != wanted.rule["every_s"]:
        changes["rule"] = wanted.rule
    if found.mode != wanted.mode:
        changes["mode"] = wanted.mode
    if changes:
        await schedules.edit(settings.tenant, found.id, changes, actor=ACTOR)
    if not settings.batch_enabled:
        await schedules.pause(settings.tenant, found.id, actor=ACTOR)
    elif found.paused_by == ACTOR:
        await schedules.resume(settings.tenant, found.id, actor=ACTOR)


def _wanted(settings: KnowledgeSettings) -> NewSchedule:
    return NewSchedule(
        name=NAME,
        rule={"kind": "interval", "every_s": int(settings.batch_interval_s)},
        operation=OPERATION,
        mode="plan" if settings.batch_dry_run else "apply",
    )
