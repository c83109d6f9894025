"""Calendars that keep schedules from firing, and placeholders that a fire fills in."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dure import lang
from dure.errors import Invalid
from dure.schedule.calendars import (
    BLACKOUTS_MAX,
    DAYS_MAX,
    NAME_CHARS_MAX,
    Blocked,
    Calendar,
    DailyHours,
    Day,
    Period,
    calendar_from,
    calendar_to,
)
from dure.schedule.placeholders import DEPTH_MAX, check_placeholders, fill

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")

DOCUMENT = {
    "days": [{"date": "2026-12-25", "name": "Christmas"}, {"date": "2027-01-01"}],
    "weekdays": ["sat", "sun"],
    "blackouts": [
        {"from": "2026-11-02T12:00:00+09:00", "to": "2026-11-02T15:00:00+09:00", "name": "the move"},
        {"daily": ["22:00", "06:00"], "name": "night"},
        {"daily": ["12:00", "13:00"]},
    ],
}
CALENDAR = Calendar(
    days=(Day(date(2026, 12, 25), "Christmas"), Day(date(2027, 1, 1))),
    weekdays=("sat", "sun"),
    blackouts=(
        Period(datetime(2026, 11, 2, 3, tzinfo=UTC), datetime(2026, 11, 2, 6, tzinfo=UTC), "the move"),
        DailyHours("22:00", "06:00", "night"),
        DailyHours("12:00", "13:00"),
    ),
)


def test_a_document_becomes_a_calendar_and_back():
    assert calendar_from(DOCUMENT) == CALENDAR
    assert calendar_from(json.loads(json.dumps(calendar_to(CALENDAR)))) == CALENDAR


def test_an_empty_calendar_blocks_nothing():
    for document in ({}, {"days": [], "weekdays": [], "blackouts": []}, {"days": None, "weekdays": None}):
        assert calendar_from(document) == Calendar()
        assert calendar_from(document).blocks(datetime(2026, 12, 25, tzinfo=UTC), SEOUL) is None


@pytest.mark.parametrize(
    ("local", "kind", "entry", "name"),
    [
        ("2026-12-25T00:00:00", "day", "days[0]", "Christmas"),
        ("2026-12-25T23:59:59", "day", "days[0]", "Christmas"),
        ("2027-01-01T09:00:00", "day", "days[1]", "2027-01-01"),
        ("2026-11-07T09:00:00", "weekday", "weekdays[0]", "sat"),
        ("2026-11-08T23:59:59.999999", "weekday", "weekdays[1]", "sun"),
        ("2026-11-02T12:00:00", "period", "blackouts[0]", "the move"),
        ("2026-11-02T14:59:59.999999", "period", "blackouts[0]", "the move"),
        ("2026-11-03T22:00:00", "daily", "blackouts[1]", "night"),
        ("2026-11-03T00:00:00", "daily", "blackouts[1]", "night"),
        ("2026-11-03T05:59:59.999999", "daily", "blackouts[1]", "night"),
        ("2026-11-03T12:00:00", "daily", "blackouts[2]", "12:00 – 13:00"),
    ],
)
def test_what_is_blocked_says_by_which_entry(local, kind, entry, name):
    instant = datetime.fromisoformat(local).replace(tzinfo=SEOUL).astimezone(UTC)
    assert CALENDAR.blocks(instant, SEOUL) == Blocked(kind, entry, name)


@pytest.mark.parametrize(
    "local",
    [
        "2026-12-24T21:59:59",
        "2026-11-06T21:59:59",
        "2026-11-09T06:00:00",
        "2026-11-02T11:59:59.999999",
        "2026-11-02T15:00:00",
        "2026-11-03T06:00:00",
        "2026-11-03T21:59:59.999999",
        "2026-11-03T13:00:00",
    ],
)
def test_what_lies_just_outside_is_not_blocked(local):
    assert CALENDAR.blocks(datetime.fromisoformat(local).replace(tzinfo=SEOUL), SEOUL) is None


def test_days_and_hours_are_those_of_the_schedules_zone():
    instant = datetime(2026, 12, 24, 15, tzinfo=UTC)
    only_days = Calendar(days=CALENDAR.days)
    assert only_days.blocks(instant, SEOUL) is not None
    assert only_days.blocks(instant, NEW_YORK) is None
    night = Calendar(blackouts=(DailyHours("22:00", "06:00"),))
    assert night.blocks(instant, SEOUL) is not None
    assert night.blocks(instant, NEW_YORK) is None
    moved = Calendar(blackouts=CALENDAR.blackouts[:1])
    assert moved.blocks(datetime(2026, 11, 2, 4, tzinfo=UTC), NEW_YORK) == Blocked("period", "blackouts[0]", "the move")


def test_daily_hours_hold_in_both_hours_of_an_overlap():
    calendar = Calendar(blackouts=(DailyHours("01:00", "02:00"),))
    at = datetime(2026, 11, 1, 5, tzinfo=UTC)
    blocked = [calendar.blocks(at + timedelta(minutes=30 * n), NEW_YORK) is not None for n in range(5)]
    assert blocked == [True, True, True, True, False]


def test_a_period_without_a_name_is_shown_in_the_schedules_zone():
    period = Calendar(blackouts=(Period(datetime(2026, 11, 2, 3, tzinfo=UTC), datetime(2026, 11, 2, 6, tzinfo=UTC)),))
    blocked = period.blocks(datetime(2026, 11, 2, 3, tzinfo=UTC), SEOUL)
    assert blocked.name == "2026-11-02T12:00+09:00 – 2026-11-02T15:00+09:00"


def test_each_reason_has_its_sentence():
    for language in lang.LANGUAGES:
        for kind in ("day", "weekday", "period", "daily"):
            assert "Christmas" in lang.say(f"schedule.reasons.{kind}", language, name="Christmas")


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        (None, "calendar", "wrong_type"),
        ([], "calendar", "wrong_type"),
        ({"holidays": []}, "calendar.holidays", "unknown_field"),
        ({"days": "2026-12-25"}, "calendar.days", "wrong_type"),
        ({"days": {}}, "calendar.days", "wrong_type"),
        ({"days": ["2026-12-25"]}, "calendar.days[0]", "wrong_type"),
        ({"days": [{}]}, "calendar.days[0].date", "missing"),
        ({"days": [{"date": 20261225}]}, "calendar.days[0].date", "wrong_type"),
        ({"days": [{"date": "2026-12-25"}, {"date": "2026-02-30"}]}, "calendar.days[1].date", "wrong_format"),
        ({"days": [{"date": "2026-12-25T00:00:00"}]}, "calendar.days[0].date", "wrong_format"),
        ({"days": [{"date": "2026-12-25", "day": 1}]}, "calendar.days[0].day", "unknown_field"),
        ({"days": [{"date": "2026-12-25", "name": 7}]}, "calendar.days[0].name", "wrong_type"),
        ({"days": [{"date": "2026-12-25", "name": "a\x00"}]}, "calendar.days[0].name", "nul_byte"),
        ({"days": [{"date": "2026-12-25", "name": "x" * (NAME_CHARS_MAX + 1)}]}, "calendar.days[0].name", "too_long"),
        ({"days": [{"date": "2026-12-25"}] * 2}, "calendar.days", "duplicate"),
        ({"days": [{"date": "2026-12-25"}] * (DAYS_MAX + 1)}, "calendar.days", "too_many"),
        ({"weekdays": "sat"}, "calendar.weekdays", "wrong_type"),
        ({"weekdays": False}, "calendar.weekdays", "wrong_type"),
        ({"weekdays": ["Sat"]}, "calendar.weekdays", "not_one_of"),
        ({"weekdays": ["sat", "sat"]}, "calendar.weekdays", "duplicate"),
        ({"blackouts": [7]}, "calendar.blackouts[0]", "wrong_type"),
        ({"blackouts": [{}]}, "calendar.blackouts[0].from", "missing"),
        ({"blackouts": [{"from": "2026-11-02T12:00:00+09:00"}]}, "calendar.blackouts[0].to", "missing"),
        (
            {"blackouts": [{"from": "2026-11-02T12:00:00", "to": "2026-11-02T13:00:00+09:00"}]},
            "calendar.blackouts[0].from",
            "wrong_format",
        ),
        (
            {"blackouts": [{"from": "2026-11-02T12:00:00+09:00", "to": "2026-11-02T03:00:00Z"}]},
            "calendar.blackouts[0].to",
            "rule.not_after",
        ),
        ({"blackouts": [{"daily": ["22:00"]}]}, "calendar.blackouts[0].daily", "wrong_format"),
        ({"blackouts": [{"daily": ["22:00", "24:00"]}]}, "calendar.blackouts[0].daily", "wrong_format"),
        ({"blackouts": [{"daily": ["22:00", "22:00"]}]}, "calendar.blackouts[0].daily", "duplicate"),
        ({"blackouts": [{"daily": ["22:00", "23:00", "00:00"]}]}, "calendar.blackouts[0].daily", "too_many"),
        ({"blackouts": [{"daily": "22:00"}]}, "calendar.blackouts[0].daily", "wrong_type"),
        (
            {"blackouts": [{"daily": ["22:00", "06:00"], "from": "2026-11-02T12:00:00+09:00"}]},
            "calendar.blackouts[0].from",
            "unknown_field",
        ),
        (
            {"blackouts": [{"daily": ["22:00", "06:00"]}] * (BLACKOUTS_MAX + 1)},
            "calendar.blackouts",
            "too_many",
        ),
    ],
)
def test_what_is_wrong_with_a_calendar_is_refused_with_its_field(document, field, reason):
    with pytest.raises(Invalid) as refused:
        calendar_from(document)
    assert (refused.value.field, refused.value.reason) == (field, reason)
    for language in lang.LANGUAGES:
        assert reason not in refused.value.field_texts(language)[field]


# The 5th in Seoul, the 4th in New York.
FIRE = datetime(2026, 3, 4, 16, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{fire.at}", "2026-03-05T01:00:30+09:00"),
        ("{fire.date}", "2026-03-05"),
        ("{fire.date-1}", "2026-03-04"),
        ("{fire.date-5}", "2026-02-28"),
        ("{fire.date+7}", "2026-03-12"),
        ("{fire.date-0}", "2026-03-05"),
        ("{fire.date-36525}", "1926-03-05"),
        ("{schedule.name}", "nightly"),
        # Not the whole of the text, or no placeholder.
        ("on {fire.date}", "on {fire.date}"),
        ("{fire.date} ", "{fire.date} "),
        ("{fire.date}{fire.date}", "{fire.date}{fire.date}"),
        ("{user.name}", "{user.name}"),
        ("{fire}", "{fire}"),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_a_placeholder_is_filled_and_other_text_stays(text, filled):
    check_placeholders({"value": text})
    assert fill({"value": text}, FIRE, SEOUL, "nightly") == {"value": filled}


def test_placeholders_are_filled_at_any_depth_and_only_in_values():
    params = {"a": [{"b": ["{fire.date}", 1, None, True]}], "{fire.date}": {"c": "{schedule.name}"}, "n": 1.5}
    filled = {"a": [{"b": ["2026-03-04", 1, None, True]}], "{fire.date}": {"c": "{fire.at}"}, "n": 1.5}
    # A name that looks like a placeholder is text like any other: nothing is filled twice.
    assert fill(params, FIRE, NEW_YORK, "{fire.at}") == filled
    assert params["a"][0]["b"][0] == "{fire.date}"


@pytest.mark.parametrize(
    "text",
    [
        "{fire.day}",
        "{fire.date-}",
        "{fire.date-1d}",
        "{fire.date - 1}",
        "{fire.date-36526}",
        "{fire.date+9999999}",
        "{fire.date-١}",
        "{fire.at-1}",
        "{fire.}",
        "{schedule.id}",
        "{schedule.name+1}",
        "{fire.at.__class__}",
    ],
)
def test_an_unknown_placeholder_is_refused_where_it_stands(text):
    for params, field in (({"a": text}, "params.a"), ({"a": [0, {"b": text}]}, "params.a[1].b")):
        with pytest.raises(Invalid) as refused:
            check_placeholders(params)
        assert (refused.value.field, refused.value.reason) == (field, "not_one_of")
        assert "{fire.date-1}" in refused.value.text("ko")


def test_what_is_nested_without_end_is_refused():
    endless = {}
    endless["a"] = endless
    deep = "{fire.at}"
    for _ in range(DEPTH_MAX - 1):
        deep = [deep]
    check_placeholders(deep)
    for params in (endless, [deep], [[deep]]):
        with pytest.raises(Invalid) as refused:
            check_placeholders(params)
        assert refused.value.reason == "too_deep"
