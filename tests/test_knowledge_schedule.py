"""The older program's interval, `BATCH_DEDUP_*`, is a schedule that follows the environment."""

import pytest

from dure.apps.knowledge.schedules import ACTOR, NAME, ensure
from dure.db.pool import Database
from dure.errors import Invalid, NotFound
from dure.runtime.equipment import equip
from dure.schedule.service import Schedules
from queueing import settings

TENANT = "default"


@pytest.fixture
def schedules(database: Database, monkeypatch: pytest.MonkeyPatch) -> Schedules:
    for name in ("BATCH_DEDUP_ENABLED", "BATCH_DEDUP_INTERVAL_SECONDS", "BATCH_DEDUP_DRY_RUN", "DURE_TENANT"):
        monkeypatch.delenv(name, raising=False)
    return Schedules(database, settings(), ["knowledge.deduplicate"])


async def test_without_the_variables_there_is_none(schedules: Schedules) -> None:
    await ensure(schedules)
    with pytest.raises(NotFound):
        await schedules.get(TENANT, NAME)


async def test_a_starting_worker_makes_it_and_follows_it(
    schedules: Schedules, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_DEDUP_ENABLED", "true")
    await equip(database, settings())
    made = await schedules.get(TENANT, NAME)
    assert (made.rule["every_s"], made.mode, made.overlap) == (3600, "plan", "skip")
    monkeypatch.setenv("BATCH_DEDUP_INTERVAL_SECONDS", "600")
    monkeypatch.setenv("BATCH_DEDUP_DRY_RUN", "false")
    await ensure(schedules)
    changed = await schedules.get(TENANT, NAME)
    assert (changed.id, changed.rule["every_s"], changed.mode) == (made.id, 600, "apply")
    await ensure(schedules)
    assert (await schedules.get(TENANT, NAME)).revision == changed.revision


async def test_disabled_pauses_it_and_a_person_s_pause_stays(
    schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_DEDUP_ENABLED", "false")
    await ensure(schedules)
    with pytest.raises(NotFound):
        await schedules.get(TENANT, NAME)
    for enabled, paused_by in (("true", None), ("false", ACTOR), ("true", None)):
        monkeypatch.setenv("BATCH_DEDUP_ENABLED", enabled)
        await ensure(schedules)
        assert (await schedules.get(TENANT, NAME)).paused_by == paused_by
    await schedules.pause(TENANT, NAME, actor="kim")
    await ensure(schedules)
    assert (await schedules.get(TENANT, NAME)).paused_by == "kim"


async def test_an_interval_that_is_none_is_said(schedules: Schedules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_DEDUP_INTERVAL_SECONDS", "soon")
    with pytest.raises(Invalid) as caught:
        await ensure(schedules)
    assert "BATCH_DEDUP_INTERVAL_SECONDS" in caught.value.fields
