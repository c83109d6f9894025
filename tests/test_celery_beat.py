"""Schedules of django-celery-beat: what each becomes, what is refused and why, and that nothing is made twice."""

import asyncio
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import djangos
from dure import Schedules
from dure.contrib.celery.beat import BeatImport
from dure.contrib.celery.turning import Refused, celery_fires, turned
from dure.db.pool import Database
from dure.errors import NotFound
from dure.schedule.model import NewSchedule
from dure.schedule.rules import following, rule_from
from dure.settings import Settings

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")


def row(**given):
    plain = {
        "id": 1, "name": "one", "task": "shop.pay", "args": "[]", "kwargs": "{}", "enabled": True, "one_off": False,
        "start_time": None, "expires": None, "expire_seconds": None, "last_run_at": None,
        "date_changed": datetime(2026, 1, 1, tzinfo=UTC), "queue": None, "routing_key": None, "priority": None,
        "headers": "{}", "minute": None, "hour": None, "day_of_month": None, "month_of_year": None, "day_of_week": None,
        "timezone": None, "every": None, "period": None, "event": None, "clocked_time": None,
    }  # fmt: skip
    return plain | given


def crontab(minute="0", hour="9", day_of_month="*", month_of_year="*", day_of_week="*", timezone="Asia/Seoul", **given):
    fields = {"minute": minute, "hour": hour, "day_of_month": day_of_month, "month_of_year": month_of_year}
    return row(**fields, day_of_week=day_of_week, timezone=timezone, **given)


def rule(found):
    return turned(found, NOW, {}, 3).wanted.rule


def refusal(found):
    with pytest.raises(Refused) as caught:
        turned(found, NOW, {}, 3)
    return caught.value.code


@pytest.mark.parametrize(
    ("fields", "expr"),
    [
        ({}, "0 9 * * *"),
        ({"minute": "*/15"}, "0-45/15 9 * * *"),
        ({"day_of_week": "mon-fri"}, "0 9 * * 1-5"),
        ({"day_of_week": "fri-mon"}, "0 9 * * 0-1,5-6"),
        ({"day_of_week": "sunday,3"}, "0 9 * * 0,3"),
        ({"day_of_week": "7"}, "0 9 * * 0"),
        ({"day_of_month": "*/2"}, "0 9 1-31/2 * *"),
        ({"month_of_year": "jan,jul", "day_of_month": "1"}, "0 9 1 1,7 *"),
        ({"hour": "*/1", "minute": "0-59"}, "* * * * *"),
        ({"day_of_month": "1-31", "day_of_week": "sun"}, "0 9 * * 0"),
    ],
)
def test_a_crontab_becomes_a_cron_rule(fields, expr):
    assert rule(crontab(**fields)) == {"kind": "cron", "expr": expr}


def test_it_keeps_zone_arguments_and_limits():
    start, end = NOW + timedelta(days=2), NOW + timedelta(days=9)
    given = crontab(
        args="[1]", kwargs='{"b": "나"}', enabled=False, start_time=start, expires=end, queue="mail", priority=3
    )
    found = turned(given, NOW, {"shop.pay": "old.pay"}, 3)
    wanted = found.wanted
    assert (wanted.zone, wanted.handler, wanted.paused) == ("Asia/Seoul", "old.pay", True)
    assert wanted.params == {"args": [1], "kwargs": {"b": "나"}}
    assert (wanted.starts_at, wanted.ends_at) == (start, end)
    assert found.notes == ("queue", "priority")
    assert found.fires[0].astimezone(SEOUL) == datetime(2026, 3, 7, 9, tzinfo=SEOUL)


def test_other_kinds():
    last = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
    assert rule(row(every=10, period="minutes", last_run_at=last)) == {
        "kind": "interval", "every_s": 600, "anchor": last.isoformat(),
    }  # fmt: skip
    assert rule(row(every=2, period="days"))["every_s"] == 172_800
    assert rule(row(every=3_000_000, period="microseconds"))["every_s"] == 3
    at = NOW + timedelta(hours=1)
    assert rule(row(clocked_time=at, one_off=True)) == {"kind": "once", "at": at.isoformat()}
    assert rule(crontab(one_off=True)) == {"kind": "once", "at": "2026-03-05T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (row(event="sunrise"), "solar"),
        (row(), "no_rule"),
        (row(clocked_time=NOW - timedelta(1), one_off=True), "past"),
        (crontab(expires=NOW - timedelta(1)), "expired"),
        (crontab(expires=NOW + timedelta(minutes=1)), "never_fires"),
        (crontab(one_off=True, last_run_at=NOW), "has_run"),
        (crontab(day_of_month="1", day_of_week="mon"), "both_days"),
        (crontab(minute="61"), "not_read"),
        (crontab(day_of_week="noday"), "not_read"),
        (row(every=5, period="microseconds"), "too_often"),
        (crontab(args="{"), "not_json"),
        (crontab(kwargs="[]"), "not_json"),
        (crontab(task="celery.backend_cleanup"), "own_task"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(given, code):
    assert refusal(given) == code


def lists(low, high):
    one = st.integers(low, high)
    spans = st.tuples(one, one).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(spans, st.integers(1, 9)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    parts = st.one_of(one.map(str), spans, steps, st.integers(1, 12).map(lambda step: f"*/{step}"))
    return st.one_of(st.just("*"), st.lists(parts, min_size=1, max_size=3).map(",".join))


@settings(max_examples=150, deadline=None)
@given(
    lists(0, 59), lists(0, 23), lists(1, 28), lists(1, 12), lists(0, 6), st.booleans(),
    st.sampled_from(["UTC", "Asia/Seoul", "Asia/Kolkata"]), st.integers(0, 10**7),
)  # fmt: skip
def test_both_fire_at_the_same_times(minute, hour, day, month, weekday, by_day, zone, later_s):
    now = NOW + timedelta(seconds=later_s)
    days = {"day_of_month": day} if by_day else {"day_of_week": weekday}
    one = crontab(minute, hour, month_of_year=month, timezone=zone, **days)
    ours, at = [], now
    found = rule_from(turned(one, now, {}, 1).wanted.rule)
    for _ in range(20):
        at = following(found, ZoneInfo(zone), at)
        ours.append(at)
    assert list(islice(celery_fires(one, now), 20)) == ours


@pytest.fixture(scope="module")
def migrated(shared_url):
    with djangos.on(shared_url):
        djangos.migrated()
    with psycopg.connect(shared_url, autocommit=True) as one:
        one.execute(TABLES)
    return shared_url


@pytest.fixture
def beat_url(migrated):
    with psycopg.connect(migrated, autocommit=True) as one:
        one.execute("delete from django_celery_beat_periodictask; delete from dure.schedule")
        one.execute(ROWS)
    with djangos.on(migrated):
        yield migrated


# As the migrations of django-celery-beat 2.9 leave them; a test below compares with the real ones.
TABLES = """
create table django_celery_beat_crontabschedule (id serial primary key, minute text, hour text, day_of_week text,
    day_of_month text, month_of_year text, timezone text);
create table django_celery_beat_intervalschedule (id serial primary key, every integer, period text);
create table django_celery_beat_solarschedule (id serial primary key, event text, latitude numeric, longitude numeric);
create table django_celery_beat_clockedschedule (id serial primary key, clocked_time timestamptz);
create table django_celery_beat_periodictask (id serial primary key, name text unique, task text,
    args text default '[]',
    kwargs text default '{}', queue text, exchange text, routing_key text, expires timestamptz,
    enabled boolean default true, last_run_at timestamptz, total_run_count integer default 0,
    date_changed timestamptz default now(), description text default '', crontab_id integer, interval_id integer,
    solar_id integer, one_off boolean default false, start_time timestamptz, priority integer,
    headers text default '{}', clocked_id integer, expire_seconds integer);
"""
ROWS = """
insert into django_celery_beat_crontabschedule values (1, '0', '9', '*', '*', '*', 'Asia/Seoul') on conflict do nothing;
insert into django_celery_beat_intervalschedule values (1, 10, 'minutes') on conflict do nothing;
insert into django_celery_beat_solarschedule values (1, 'sunset', 37.5, 127.0) on conflict do nothing;
insert into django_celery_beat_clockedschedule values (1, '2150-01-01 00:00+00') on conflict do nothing;
insert into django_celery_beat_periodictask
    (name, task, crontab_id, interval_id, solar_id, clocked_id, one_off, enabled) values
    ('매일 아침', 'shop.pay', 1, null, null, null, false, true),
    ('often', 'shop.pay', null, 1, null, null, false, false),
    ('dusk', 'shop.pay', null, null, 1, null, false, true), ('once', 'shop.pay', null, null, null, 1, true, true),
    ('unknown', 'no.such', 1, null, null, null, false, true);
"""
HANDLERS = {"shop.pay": "shop.pay"}


def imported(url, *, make=False):
    async def work():
        async with Database(url) as database:
            beat = BeatImport(database, Settings(database_url=url), "shop", handlers=HANDLERS)
            items = await (beat.apply(actor="kim") if make else beat.preview())
            page = await Schedules(database, Settings(database_url=url)).list("shop")
            return {item.name: item for item in items}, {one.name: one for one in page.items}

    return asyncio.run(work())


def test_a_preview_shows_all_and_changes_nothing(beat_url):
    items, schedules = imported(beat_url)
    outcomes = {"매일 아침": "new", "often": "new", "once": "new", "dusk": "refused", "unknown": "refused"}
    assert {name: item.outcome for name, item in items.items()} == outcomes
    assert schedules == {}
    morning = items["매일 아침"]
    assert len(morning.ours) == 3
    assert morning.ours == morning.theirs
    assert "sun" in items["dusk"].why()
    assert "celery.no.such" in items["unknown"].why()
    assert "태양" in items["dusk"].why("ko")


def test_applying_makes_them_once(beat_url):
    items, schedules = imported(beat_url, make=True)
    assert set(schedules) == {"매일 아침", "often", "once"}
    assert schedules["often"].paused_at is not None
    assert schedules["매일 아침"].next_fire_at == items["매일 아침"].theirs[0]
    assert (schedules["once"].author, schedules["once"].overlap) == ("kim", "allow")
    again, after = imported(beat_url, make=True)
    assert after == schedules
    assert [again[name].outcome for name in schedules] == ["same"] * 3


def test_a_name_that_is_taken_is_left_alone(beat_url):
    async def make():
        async with Database(beat_url) as database:
            mine = NewSchedule(name="매일 아침", rule={"kind": "daily", "at": ["01:00"]}, handler="shop.pay")
            return await Schedules(database, Settings(database_url=beat_url)).create("shop", mine, actor="lee")

    mine = asyncio.run(make())
    items, schedules = imported(beat_url, make=True)
    assert items["매일 아침"].outcome == "taken"
    assert schedules["매일 아침"] == mine


def test_the_command_shows_then_makes(beat_url):
    from django.core.management import CommandError, call_command

    def say(*words):
        out = io.StringIO()
        call_command("import_celery_beat", "--handler", "shop.pay=shop.pay", *words, stdout=out)
        return out.getvalue()

    shown = say()
    assert "Nothing was changed" in shown
    assert "T09:00+09:00" in shown
    assert imported(beat_url)[1] == {}
    assert "Made: 3." in say("--apply")
    assert "Made: 0. Here already: 3." in say("--apply")
    with pytest.raises(CommandError, match="TASK=HANDLER"):
        call_command("import_celery_beat", "--handler", "x")


def test_without_its_tables_it_says_so(url):
    with pytest.raises(NotFound, match="django_celery_beat"):
        imported(url)


def test_the_real_tables_have_the_columns_that_are_read(url):
    pytest.importorskip("django_celery_beat")
    # In a process of its own: the settings of this one do not have that application.
    place = str(Path(__file__).parent)
    environment = {**os.environ, "DJANGO_TEST_URL": url, "PYTHONPATH": place, "DJANGO_TEST_BEAT": "1"}

    def manage(*words):
        command = [sys.executable, "-m", "django", *words, "--settings", "django_project"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "--verbosity", "0")
    with psycopg.connect(url, autocommit=True) as one:
        one.execute(
            "insert into django_celery_beat_crontabschedule"
            " (minute, hour, day_of_week, day_of_month, month_of_year, timezone)"
            " values ('0', '9', '*', '*', '*', 'Asia/Seoul')"
        )
        one.execute(
            "insert into django_celery_beat_periodictask (name, task, args, kwargs, enabled, total_run_count,"
            " date_changed, description, crontab_id, one_off, headers)"
            " select 'real', 'shop.pay', '[]', '{}', true, 0, now(), '', id, false, '{}'"
            " from django_celery_beat_crontabschedule"
        )
    assert "real (shop.pay): becomes a schedule" in manage("import_celery_beat", "--handler", "shop.pay=shop.pay")
