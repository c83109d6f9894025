"""The fires of one schedule: its jitter, its start and its end; and rules in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dure.schedule.rules import Cron, Daily, Interval, Monthly, Once, Timing, Weekly, jitter
from dure.schedule.wording import describe

SEOUL = ZoneInfo("Asia/Seoul")
DAY = timedelta(days=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_jitter_is_stable_and_spread():
    ids = [f"00000000-0000-7000-8000-{number:012}" for number in range(500)]
    found = [jitter(schedule_id, 60) for schedule_id in ids]
    assert found == [jitter(schedule_id, 60) for schedule_id in ids]
    assert {shift.total_seconds() for shift in found} == set(range(60))
    # For ever: what one version answered, the next must answer too.
    assert [jitter("a", 60), jitter("b", 60), jitter("b", 3600)] == [timedelta(seconds=s) for s in (10, 46, 1546)]
    assert jitter("a", 0) == jitter("a", 1) == timedelta(0)


def test_timing_moves_every_fire_by_its_shift():
    shift = timedelta(seconds=37)
    timing = Timing(rule=Daily(("09:00",)), zone=SEOUL, shift=shift)
    nine = utc(2026, 1, 5)
    assert timing.following(nine) == nine + shift
    assert timing.following(nine + shift) == nine + DAY + shift
    assert timing.preceding(nine + shift) == nine + shift
    assert timing.preceding(nine) == nine - DAY + shift
    assert timing.count(nine, nine + shift) == 1
    assert timing.count(nine, nine + 10 * DAY) == 10
    assert timing.recent(nine, nine + 10 * DAY, 2) == [nine + 8 * DAY + shift, nine + 9 * DAY + shift]
    assert timing.upcoming(nine, 2) == [nine + shift, nine + DAY + shift]


def test_timing_begins_with_its_start_and_stops_before_its_end():
    nine = utc(2026, 1, 5)
    timing = Timing(rule=Daily(("09:00",)), zone=SEOUL, starts_at=nine, ends_at=nine + 3 * DAY)
    inside = [nine, nine + DAY, nine + 2 * DAY]
    assert timing.upcoming(nine - 9 * DAY, 10) == inside
    assert timing.recent(nine - 9 * DAY, nine + 9 * DAY, 10) == inside
    assert timing.recent(nine - 9 * DAY, nine + 9 * DAY, 2) == inside[1:]
    assert timing.count(nine - 9 * DAY, nine + 9 * DAY) == 3
    assert timing.count(nine + 5 * DAY, nine + 9 * DAY) == timing.count(nine - 9 * DAY, nine - DAY) == 0
    assert timing.following(inside[-1]) is None
    assert timing.preceding(nine + 9 * DAY) == inside[-1]
    assert timing.preceding(nine - timedelta(seconds=1)) is None


def test_start_and_end_are_of_the_fires_as_they_are_with_their_shift():
    nine, shift = utc(2026, 1, 5), timedelta(minutes=5)
    timing = Timing(rule=Daily(("09:00",)), zone=SEOUL, shift=shift, starts_at=nine + shift, ends_at=nine + DAY)
    assert timing.upcoming(nine - 9 * DAY, 3) == [nine + shift]
    late = Timing(rule=Daily(("09:00",)), zone=SEOUL, shift=shift, ends_at=nine + shift)
    assert late.following(nine) is None
    assert late.preceding(nine + DAY) == nine - DAY + shift


def test_an_interval_without_an_anchor_counts_from_the_start():
    start = utc(2026, 1, 5, 0, 7)
    timing = Timing(rule=Interval(600), zone=SEOUL, starts_at=start)
    assert timing.upcoming(start - DAY, 2) == [start, start + timedelta(minutes=10)]


@pytest.mark.parametrize(
    ("rule", "english", "korean"),
    [
        (Daily(("09:00",)), "daily at 09:00 (Asia/Seoul)", "매일 09:00 (Asia/Seoul)"),
        (Daily(("09:00", "18:00")), "daily at 09:00, 18:00 (Asia/Seoul)", "매일 09:00, 18:00 (Asia/Seoul)"),
        (
            Weekly(("sun", "wed"), ("09:00",)),
            "weekly on Sunday, Wednesday at 09:00 (Asia/Seoul)",
            "매주 일요일, 수요일 09:00 (Asia/Seoul)",
        ),
        (
            Monthly((1, -1), ("09:00",)),
            "monthly on day 1, the last day at 09:00 (Asia/Seoul)",
            "매월 1일, 말일 09:00 (Asia/Seoul)",
        ),
        (Interval(900), "every 15 minutes", "15분마다"),
        (Interval(5400), "every 1 hour 30 minutes", "1시간 30분마다"),
        (Interval(86_401), "every 1 day 1 second", "1일 1초마다"),
        (
            Once(utc(2026, 1, 1)),
            "once, at 2026-01-01 09:00 (Asia/Seoul)",
            "2026-01-01 09:00에 한 번 (Asia/Seoul)",
        ),
        (Cron("0 9 * * 1-5"), "cron 0 9 * * 1-5 (Asia/Seoul)", "cron 규칙 0 9 * * 1-5 (Asia/Seoul)"),
    ],
)
def test_a_rule_in_words(rule, english, korean):
    assert describe(rule, SEOUL, "en") == english
    assert describe(rule, SEOUL, "ko") == korean
