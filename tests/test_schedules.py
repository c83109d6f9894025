"""Schedules on a real database: each fire once, each that made no job with its reason, and edits that hold at once."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from dure.db.pool import Database
from dure.errors import Conflict, Invalid, NotFound, UnknownHandler
from dure.schedule.ticker import Ticker
from queueing import TENANT, one, rows, settings, until
from scheduling import ACTOR, Plan, planned
from sqlside import Clock


@pytest.fixture
async def plan(database: Database, clock: Clock) -> Plan:
    return await planned(database, clock)


async def test_a_fire_makes_its_job_and_the_next_time_at_once(plan: Plan) -> None:
    made = await plan.create(params={"n": 1}, options={"priority": 5, "tags": ["nightly"]})
    assert f"{made.next_fire_at:%H:%M:%S}" == "12:01:00"
    assert await plan.tick(after_s=59) == 0
    assert await plan.tick(after_s=1) == 1
    (fire,) = await plan.fires()
    assert (fire.outcome, fire.cause, fire.count, fire.reason) == ("made", "due", 1, None)
    after = await plan.schedules.get(TENANT, "one")
    assert (after.last_fire_at, after.last_job_id) == (fire.fire_at, fire.job_id)
    assert f"{after.next_fire_at:%H:%M}" == "12:02"
    found = await rows(plan.database, "select params, priority, tags from dure.job where id = %s", [fire.job_id])
    assert found == [({"n": 1}, 5, ["nightly"])]


async def test_nine_in_seoul_is_midnight_utc(plan: Plan) -> None:
    daily = await plan.create("d", rule={"kind": "daily", "at": ["09:00"]}, zone="Asia/Seoul")
    weekly = await plan.create("w", rule={"kind": "weekly", "days": ["sun"], "at": ["09:00"]}, zone="Asia/Seoul")
    monthly = await plan.create("m", rule={"kind": "monthly", "days": [1], "at": ["09:00"]}, zone="Asia/Seoul")
    assert daily.next_fire_at == datetime(2026, 3, 3, tzinfo=UTC)
    assert weekly.next_fire_at == datetime(2026, 3, 8, tzinfo=UTC)
    assert monthly.next_fire_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert [f"{at:%m-%d}" for at in await plan.schedules.next(TENANT, "m", count=3)] == ["04-01", "05-01", "06-01"]


async def test_two_tickers_make_one_job(plan: Plan) -> None:
    for n in range(150):
        await plan.create(f"s{n}")
    tickers = [Ticker(plan.database, settings()) for _ in range(4)]
    for _ in range(3):
        plan.clock.advance(60)
        made = await asyncio.gather(*(ticker.tick() for ticker in tickers))
        assert sum(made) == 150
        await plan.end_jobs()
    assert await one(plan.database, "select count(*) from dure.job") == 450


async def test_a_ticker_that_dies_in_the_middle_has_done_nothing(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    await plan.create()
    plan.clock.advance(60)

    async def dies(*_args: object, **_given: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("dure.schedule.ticker.advance", dies)
        with pytest.raises(asyncio.CancelledError):
            await plan.ticker.tick()
    assert await one(plan.database, "select (select count(*) from dure.job) + (select count(*) from dure.fire)") == 0
    assert await plan.tick() == 1


async def test_a_time_set_back_by_hand_fires_nothing_twice(plan: Plan) -> None:
    await plan.create()
    assert await plan.tick(after_s=60) == 1
    await rows(plan.database, "update dure.schedule set next_fire_at = next_fire_at - interval '1 min'")
    assert await plan.tick() == 0
    assert await plan.outcomes() == [("12:01", "made", 1)]


@pytest.mark.parametrize(
    ("policy", "made", "missed"),
    [("latest", ["13:00"], 59), ("none", ["13:00"], 59), ("all", ["12:57", "12:58", "12:59", "13:00"], 56)],
)
async def test_downtime_is_followed_to_the_number(plan: Plan, policy: str, made: list[str], missed: int) -> None:
    await plan.create(catch_up=policy, catch_up_max=4, overlap="allow")
    assert await plan.tick(after_s=3600) == len(made)
    (first, *rest) = await plan.fires()
    assert (first.outcome, first.count, f"{first.fire_at:%H:%M}") == ("missed", missed, "12:01")
    assert first.text("en")
    assert [f"{fire.fire_at:%H:%M}" for fire in rest] == made


async def test_none_makes_no_late_job(plan: Plan) -> None:
    await plan.create(rule={"kind": "daily", "at": ["12:30"]}, catch_up="none")
    assert await plan.tick(after_s=3600) == 0
    assert await plan.outcomes() == [("12:30", "missed", 1)]


async def test_what_is_caught_up_on_stands_in_line(plan: Plan) -> None:
    await plan.create(catch_up="all", catch_up_max=3)
    assert await plan.tick(after_s=600) == 1
    assert [(when, what) for when, what, _ in await plan.outcomes()][1:] == [
        ("12:08", "made"), ("12:09", "waiting"), ("12:10", "waiting"),
    ]  # fmt: skip
    assert await plan.tick() == 0
    for _ in range(2):
        await plan.end_jobs()
        assert await plan.tick() == 1
    assert {what for _, what, _ in (await plan.outcomes())[1:]} == {"made"}


async def test_overlap_is_skipped_queued_or_allowed(plan: Plan) -> None:
    for overlap in ("skip", "queue", "allow"):
        await plan.create(overlap, overlap=overlap)
    for _ in range(3):
        await plan.tick(after_s=60)
    assert [what for _, what, _ in await plan.outcomes("skip")] == ["made", "skipped", "skipped"]
    assert [what for _, what, _ in await plan.outcomes("queue")] == ["made", "waiting", "waiting"]
    assert [what for _, what, _ in await plan.outcomes("allow")] == ["made", "made", "made"]
    assert "still" in (await plan.fires("skip"))[1].text("en")
    await plan.end_jobs()
    await plan.tick()
    assert [what for _, what, _ in await plan.outcomes("queue")] == ["made", "made", "waiting"]
    await plan.schedules.delete(TENANT, "queue", actor=ACTOR)
    assert await one(plan.database, "select count(*) from dure.fire where outcome = 'waiting'") == 0


async def test_a_calendar_leaves_out_days_and_hours(plan: Plan) -> None:
    days = {
        "days": [{"date": "2026-03-03", "name": "founding day"}],
        "blackouts": [{"daily": ["22:00", "06:00"], "name": "night"}],
    }
    await plan.calendars.put(TENANT, "off", days, actor=ACTOR)
    await plan.create(rule={"kind": "cron", "expr": "0 */6 * * *"}, calendar="off", overlap="allow")
    for hour in range(1, 9):
        await plan.tick(to=datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(hours=6 * hour))
    assert [what for _, what, _ in await plan.outcomes()] == [
        "made",
        "skipped",
        "skipped",
        "skipped",
        "skipped",
        "skipped",
        "made",
        "made",
    ]
    assert "founding day" in (await plan.fires())[2].text("en")
    with pytest.raises(Conflict):
        await plan.calendars.delete(TENANT, "off", actor=ACTOR)
    with pytest.raises(NotFound):
        await plan.create("two", calendar="none")
    await plan.schedules.delete(TENANT, "one", actor=ACTOR)
    await plan.calendars.delete(TENANT, "off", actor=ACTOR)
    assert await plan.calendars.list(TENANT) == []


async def test_catching_up_goes_back_over_a_blackout(plan: Plan) -> None:
    night = {"blackouts": [{"from": "2026-03-02T12:30:00Z", "to": "2026-03-02T13:30:00Z", "name": "a move"}]}
    await plan.calendars.put(TENANT, "off", night, actor=ACTOR)
    await plan.create(calendar="off")
    assert await plan.tick(to="2026-03-02 13:00:00+00") == 1
    assert await plan.outcomes() == [("12:01", "missed", 28), ("12:29", "made", 1), ("12:30", "skipped", 31)]


async def test_paused_and_snoozed_fires_are_noted_not_made(plan: Plan) -> None:
    await plan.create("p")
    await plan.create("z")
    await plan.schedules.pause(TENANT, "p", actor=ACTOR)
    snoozed = await plan.schedules.snooze(TENANT, "z", until=plan.clock.later(300), actor=ACTOR)
    assert snoozed.state == "snoozed"
    assert await plan.tick(after_s=240) == 0
    assert (await plan.schedules.pause(TENANT, "p", actor="lee")).paused_by == ACTOR
    resumed = await plan.schedules.resume(TENANT, "p", actor=ACTOR)
    assert (resumed.state, f"{resumed.next_fire_at:%H:%M}") == ("active", "12:05")
    assert await plan.outcomes("p") == [("12:01", "skipped", 4)]
    assert await plan.tick(after_s=60) == 1
    assert (await plan.schedules.get(TENANT, "z")).state == "active"
    assert await plan.outcomes("z") == [("12:01", "skipped", 5)]
    assert await plan.tick(after_s=60) == 1
    assert await plan.outcomes("z") == [("12:01", "skipped", 5), ("12:06", "made", 1)]


async def test_run_now_also_while_paused_and_beside_the_next_fire(plan: Plan) -> None:
    made = await plan.create(params={"day": "{fire.date}", "by": "{schedule.name}"})
    await plan.schedules.pause(TENANT, "one", actor=ACTOR)
    fire = await plan.schedules.run(TENANT, "one", actor="lee", params={"extra": True})
    assert (fire.cause, fire.outcome, fire.actor) == ("manual", "made", "lee")
    assert await plan.params() == [{"day": "2026-03-02", "by": "one", "extra": True}]
    assert (await plan.schedules.get(TENANT, "one")).next_fire_at == made.next_fire_at


async def test_an_edit_holds_at_once(plan: Plan) -> None:
    made = await plan.create()
    plan.clock.advance(150)
    edited = await plan.schedules.edit(TENANT, "one", {"rule": {"kind": "daily", "at": ["18:00"]}}, actor=ACTOR)
    assert (edited.id, edited.revision) == (made.id, made.revision + 1)
    assert f"{edited.next_fire_at:%H:%M}" == "18:00"
    assert await plan.outcomes() == [("12:01", "skipped", 2)]
    kept = await plan.schedules.edit(TENANT, "one", {"params": {"n": 2}}, actor=ACTOR, revision=edited.revision)
    assert kept.next_fire_at == edited.next_fire_at
    with pytest.raises(Conflict):
        await plan.schedules.edit(TENANT, "one", {"params": {}}, actor=ACTOR, revision=edited.revision)
    await plan.create("two")
    with pytest.raises(Conflict):
        await plan.schedules.edit(TENANT, "two", {"name": "one"}, actor=ACTOR)
    with pytest.raises(Invalid) as caught:
        await plan.schedules.edit(TENANT, "one", {"state": "over"}, actor=ACTOR)
    assert list(caught.value.fields) == ["state"]


async def test_a_deleted_schedule_keeps_its_history_and_frees_its_name(plan: Plan) -> None:
    made = await plan.create()
    await plan.tick(after_s=60)
    await plan.schedules.delete(TENANT, "one", actor=ACTOR)
    assert await plan.tick(after_s=60) == 0
    assert (await plan.schedules.list(TENANT)).items == ()
    again = await plan.create()
    assert again.id != made.id
    assert len((await plan.schedules.history(TENANT, made.id)).items) == 1
    with pytest.raises(NotFound):
        await plan.schedules.get("other", "one")


async def test_a_broken_row_disables_itself_and_hurts_no_other(plan: Plan) -> None:
    for name in ("a", "broken", "gone", "nowhere", "z"):
        await plan.create(name)
    await rows(
        plan.database,
        """update dure.schedule set rule = '{"kind": "cron", "expr": "61 * * * *"}' where name = 'broken'""",
    )
    await rows(plan.database, "update dure.schedule set handler = 't.gone' where name = 'gone'")
    await rows(plan.database, "update dure.schedule set zone = 'Asia/Nowhere' where name = 'nowhere'")
    assert await plan.tick(after_s=60) == 2
    for name in ("broken", "gone", "nowhere"):
        found = await plan.schedules.get(TENANT, name)
        assert found.state == "disabled"
        assert found.disabled_reason
    assert await one(plan.database, "select count(*) from dure.event where verb = 'schedule.disable'") == 3
    mended = await plan.schedules.edit(TENANT, "broken", {"rule": {"kind": "cron", "expr": "* * * * *"}}, actor=ACTOR)
    assert mended.state == "active"
    await plan.end_jobs()
    assert await plan.tick(after_s=60) == 3


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rule": {"kind": "daily", "at": ["24:00"]}}, "rule.at"),
        ({"rule": {"kind": "daily", "at": ["09:60"]}}, "rule.at"),
        ({"rule": {"kind": "hourly"}}, "rule.kind"),
        ({"rule": {"kind": "cron", "expr": "0 0 31 2 *"}}, "rule.expr"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"name": ""}, "name"),
        ({"name": "window:1"}, "name"),
        ({"catch_up": "some"}, "catch_up"),
        ({"catch_up_max": 0}, "catch_up_max"),
        ({"overlap": "never"}, "overlap"),
        ({"jitter_s": -1}, "jitter_s"),
        ({"options": {"deadline_at": "now"}}, "options.deadline_at"),
        ({"options": {"priority": "high"}}, "options.priority"),
        ({"handler": None, "operation": "x.y", "options": {"queue": "slow"}}, "options.queue"),
        ({"params": {"d": "{fire.day}"}}, "params.d"),
        ({"handler": None}, "handler"),
        ({"operation": "x.y"}, "handler"),
        ({"mode": "apply"}, "mode"),
        ({"ends_at": datetime(2026, 1, 1, tzinfo=UTC)}, "rule"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(plan: Plan, given: dict, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await plan.create(**{"name": "one", **given})
    assert next(iter(caught.value.fields)).startswith(field)
    assert await one(plan.database, "select count(*) from dure.schedule") == 0


async def test_unknown_targets_and_taken_names_are_refused(plan: Plan) -> None:
    with pytest.raises(UnknownHandler):
        await plan.create(handler="t.none")
    with pytest.raises(NotFound):
        await plan.create(handler=None, operation="t.none")
    await plan.create()
    with pytest.raises(Conflict):
        await plan.create()


async def test_once_and_bounded_schedules_are_over_at_last(plan: Plan) -> None:
    await plan.create("once", rule={"kind": "once", "at": "2026-03-02T21:30:00+09:00"})
    await plan.create("short", starts_at=plan.clock.later(60), ends_at=plan.clock.later(180))
    for _ in range(40):
        await plan.tick(after_s=60)
        await plan.end_jobs()
    assert await plan.outcomes("once") == [("12:30", "made", 1)]
    assert await plan.outcomes("short") == [("12:01", "made", 1), ("12:02", "made", 1)]
    assert (await plan.schedules.get(TENANT, "once")).state == "over"
    assert await plan.schedules.next(TENANT, "short") == []


async def test_jitter_is_the_schedules_own_and_stays(plan: Plan) -> None:
    apart = [await plan.create(f"s{n}", jitter_s=60, params={"at": "{fire.at}"}) for n in range(5)]
    offsets = {(one.next_fire_at.second, one.next_fire_at.microsecond) for one in apart}
    assert len(offsets) > 1
    for _ in range(2):
        await plan.tick(after_s=60)
        await plan.end_jobs()
    for one_of in apart:
        fires = await plan.fires(one_of.name)
        assert {fire.fire_at - fires[0].fire_at for fire in fires} <= {timedelta(0), timedelta(minutes=1)}
    assert {params["at"][-9:] for params in await plan.params()} == {":00+00:00"}


async def test_check_finds_what_the_rules_say_otherwise(plan: Plan) -> None:
    await plan.create("same")
    moved = await plan.create("moved", rule={"kind": "daily", "at": ["09:00"]}, zone="Asia/Seoul")
    await rows(
        plan.database, "update dure.schedule set next_fire_at = next_fire_at + interval '1 hour' where name = 'moved'"
    )
    (found,) = await plan.schedules.check(TENANT)
    assert (found.schedule.name, found.expected_at) == ("moved", moved.next_fire_at)
    assert len(await plan.schedules.check(TENANT, repair=True)) == 1
    assert await plan.schedules.check(TENANT) == []


async def test_pages(plan: Plan) -> None:
    for n in range(5):
        await plan.create(f"s{n}", overlap="allow")
    page = await plan.schedules.list(TENANT, limit=3)
    rest = await plan.schedules.list(TENANT, limit=3, cursor=page.next_cursor)
    assert [one.name for one in [*page.items, *rest.items]] == ["s4", "s3", "s2", "s1", "s0"]
    for _ in range(5):
        await plan.tick(after_s=60)
    first = await plan.schedules.history(TENANT, "s1", limit=2)
    second = await plan.schedules.history(TENANT, "s1", limit=9, cursor=first.next_cursor)
    assert [f"{fire.fire_at:%M}" for fire in [*first.items, *second.items]] == ["05", "04", "03", "02", "01"]
    assert second.next_cursor is None


async def test_the_running_ticker_fires_on_time_and_stops(database: Database, clock: Clock) -> None:
    plan = await planned(database, clock)
    await plan.create(rule={"kind": "interval", "every_s": 1})
    await rows(database, "update dure.clock set fake_now = null")
    await rows(database, "update dure.schedule set next_fire_at = dure.now() + interval '0.2 s'")
    await plan.ticker.start()
    await plan.ticker.start()
    try:
        await until(lambda: one(database, "select count(*) from dure.job"))
    finally:
        await plan.ticker.stop()
        await plan.ticker.stop()
    assert not plan.ticker.alive


async def test_reasons_are_spoken_in_both_languages() -> None:
    from dure.schedule.model import reason_text, why

    for code in ("snoozed", "paused", "disabled", "edited", "deleted", "overlap", "overlap_waits"):
        assert reason_text(why(code), "en") != reason_text(why(code), "ko") != code
    assert "7" in reason_text(why("line_full", max=7), "ko")
    assert json.dumps(why("missed", policy="latest"))


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
async def test_neither_the_zone_nor_the_clock_of_the_machine_matters(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    wrong_by_s = 86_400
    real_s, real_ns = time.time, time.time_ns
    monkeypatch.setenv("TZ", zone)
    monkeypatch.setattr(time, "time", lambda: real_s() + wrong_by_s)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + wrong_by_s * 10**9)
    time.tzset()
    try:
        made = await plan.create(rule={"kind": "daily", "at": ["09:00"]}, zone="Asia/Seoul")
        window = await plan.windows.start(TENANT, "inbox", handler="t.work", actor=ACTOR)
        assert made.next_fire_at == datetime(2026, 3, 3, tzinfo=UTC)
        assert (window.started_at, window.ends_at) == (plan.clock.now(), plan.clock.later(900))
        monkeypatch.undo()
        # A machine whose clock is right comes later, and still its window is the last.
        await plan.tick(after_s=900)
        last = await plan.windows.start(TENANT, "inbox", handler="t.work", actor=ACTOR)
        assert (await plan.windows.get(TENANT, "inbox")).id == last.id
        assert await plan.tick(to=made.next_fire_at) == 1
    finally:
        monkeypatch.undo()
        time.tzset()
