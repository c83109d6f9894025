"""Rules: what is refused and with which field, clocks that change, the speed of counting."""

import json
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dure.errors import Invalid
from dure.schedule.kinds import CRON_CHARS_MAX, EVERY_S_MAX, TIMES_MAX
from dure.schedule.rules import (
    Cron,
    Daily,
    Interval,
    Monthly,
    Once,
    Weekly,
    check,
    count,
    following,
    preceding,
    recent,
    rule_from,
    rule_to,
    zone_of,
)

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def fires(rule, zone, after, most):
    found = []
    while len(found) < most and (after := following(rule, zone, after)) is not None:
        found.append(after)
    return found


def local(rule, zone, after, most):
    return [fire.astimezone(zone).strftime("%m-%d %H:%M %z") for fire in fires(rule, zone, after, most)]


def read_or_refused(document):
    """The rule, or the field that is refused."""
    try:
        return rule_from(document)
    except Invalid as refused:
        return refused.field


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"kind": "cron", "expr": " 30  9 * * 1-5 "}, Cron("30 9 * * 1-5")),
        ({"kind": "cron", "expr": "@hourly"}, Cron("0 * * * *")),
        ({"kind": "cron", "expr": "@Daily"}, Cron("0 0 * * *")),
        ({"kind": "cron", "expr": "@weekly"}, Cron("0 0 * * 0")),
        ({"kind": "cron", "expr": "@monthly"}, Cron("0 0 1 * *")),
        ({"kind": "cron", "expr": "@yearly"}, Cron("0 0 1 1 *")),
        ({"kind": "daily", "at": ["09:00", "00:00", "23:59"]}, Daily(("09:00", "00:00", "23:59"))),
        ({"kind": "weekly", "days": ["sun", "wed"], "at": ["09:00"]}, Weekly(("sun", "wed"), ("09:00",))),
        ({"kind": "monthly", "days": [1, 31, -1], "at": ["09:00"]}, Monthly((1, 31, -1), ("09:00",))),
        ({"kind": "interval", "every_s": 1}, Interval(1)),
        ({"kind": "interval", "every_s": 60.0, "anchor": None}, Interval(60)),
        (
            {"kind": "interval", "every_s": EVERY_S_MAX, "anchor": "2026-01-01T09:00:00+09:00"},
            Interval(EVERY_S_MAX, utc(2026, 1, 1)),
        ),
        ({"kind": "once", "at": "2026-01-01T09:00:00+09:00"}, Once(utc(2026, 1, 1))),
    ],
)
def test_a_document_becomes_a_rule_and_back(document, rule):
    assert rule_from(document) == rule
    assert rule_from(json.loads(json.dumps(rule_to(rule)))) == rule
    assert check(rule) == rule


@pytest.mark.parametrize(
    ("document", "field", "reason"),
    [
        (None, "rule", "wrong_type"),
        ("daily", "rule", "wrong_type"),
        ({}, "rule.kind", "missing"),
        ({"kind": "hourly"}, "rule.kind", "not_one_of"),
        ({"kind": 7}, "rule.kind", "not_one_of"),
        ({"kind": []}, "rule.kind", "not_one_of"),
        ({"kind": "daily"}, "rule.at", "missing"),
        ({"kind": "daily", "at": None}, "rule.at", "missing"),
        ({"kind": "daily", "at": []}, "rule.at", "missing"),
        ({"kind": "daily", "at": "09:00"}, "rule.at", "wrong_type"),
        ({"kind": "daily", "at": [9]}, "rule.at", "wrong_type"),
        ({"kind": "daily", "at": ["24:00"]}, "rule.at", "wrong_format"),
        ({"kind": "daily", "at": ["09:60"]}, "rule.at", "wrong_format"),
        ({"kind": "daily", "at": ["9:00"]}, "rule.at", "wrong_format"),
        ({"kind": "daily", "at": ["٠٩:00"]}, "rule.at", "wrong_format"),
        ({"kind": "daily", "at": ["09:00\n"]}, "rule.at", "wrong_format"),
        ({"kind": "daily", "at": ["09:00", "09:00"]}, "rule.at", "duplicate"),
        ({"kind": "daily", "at": ["09:00"] * (TIMES_MAX + 1)}, "rule.at", "too_many"),
        ({"kind": "daily", "at": ["09:00"], "hour": 9}, "rule.hour", "unknown_field"),
        ({"kind": "daily", "at": ["09:00"], "days": [1]}, "rule.days", "unknown_field"),
        ({"kind": "weekly", "at": ["09:00"]}, "rule.days", "missing"),
        ({"kind": "weekly", "at": ["09:00"], "days": []}, "rule.days", "missing"),
        ({"kind": "weekly", "at": ["09:00"], "days": [0]}, "rule.days", "not_one_of"),
        ({"kind": "weekly", "at": ["09:00"], "days": ["sunday"]}, "rule.days", "not_one_of"),
        ({"kind": "weekly", "at": ["09:00"], "days": ["sun", "sun"]}, "rule.days", "duplicate"),
        ({"kind": "weekly", "at": ["09:00"], "days": ["sun"] * 8}, "rule.days", "too_many"),
        ({"kind": "monthly", "at": ["09:00"], "days": ["1"]}, "rule.days", "wrong_type"),
        ({"kind": "monthly", "at": ["09:00"], "days": [True]}, "rule.days", "wrong_type"),
        ({"kind": "monthly", "at": ["09:00"], "days": [0]}, "rule.days", "not_one_of"),
        ({"kind": "monthly", "at": ["09:00"], "days": [32]}, "rule.days", "not_one_of"),
        ({"kind": "monthly", "at": ["09:00"], "days": [-2]}, "rule.days", "not_one_of"),
        ({"kind": "monthly", "at": ["09:00"], "days": [1, 1]}, "rule.days", "duplicate"),
        ({"kind": "monthly", "at": ["09:00"], "days": [1] * 33}, "rule.days", "too_many"),
        ({"kind": "interval"}, "rule.every_s", "missing"),
        ({"kind": "interval", "every_s": "60"}, "rule.every_s", "wrong_type"),
        ({"kind": "interval", "every_s": True}, "rule.every_s", "wrong_type"),
        ({"kind": "interval", "every_s": 0.5}, "rule.every_s", "wrong_type"),
        ({"kind": "interval", "every_s": float("nan")}, "rule.every_s", "wrong_type"),
        ({"kind": "interval", "every_s": float("inf")}, "rule.every_s", "wrong_type"),
        ({"kind": "interval", "every_s": 0}, "rule.every_s", "out_of_range"),
        ({"kind": "interval", "every_s": -60}, "rule.every_s", "out_of_range"),
        ({"kind": "interval", "every_s": EVERY_S_MAX + 1}, "rule.every_s", "out_of_range"),
        ({"kind": "interval", "every_s": 60, "anchor": 5}, "rule.anchor", "wrong_type"),
        ({"kind": "interval", "every_s": 60, "anchor": "2026-01-01T09:00:00"}, "rule.anchor", "wrong_format"),
        ({"kind": "once"}, "rule.at", "missing"),
        ({"kind": "once", "at": "tomorrow"}, "rule.at", "wrong_format"),
        ({"kind": "once", "at": "2026-01-01"}, "rule.at", "wrong_format"),
        ({"kind": "once", "at": ["2026-01-01T09:00:00+09:00"]}, "rule.at", "wrong_type"),
        ({"kind": "once", "at": "9999-12-31T23:59:00-12:00"}, "rule.at", "out_of_range"),
        ({"kind": "once", "at": "0001-01-01T00:00:00+12:00"}, "rule.at", "out_of_range"),
        ({"kind": "cron"}, "rule.expr", "missing"),
        ({"kind": "cron", "expr": 5}, "rule.expr", "wrong_type"),
        ({"kind": "cron", "expr": ""}, "rule.expr", "rule.cron_fields"),
        ({"kind": "cron", "expr": "* * * *"}, "rule.expr", "rule.cron_fields"),
        ({"kind": "cron", "expr": "0 * * * * *"}, "rule.expr", "rule.cron_fields"),
        ({"kind": "cron", "expr": "@reboot"}, "rule.expr", "not_one_of"),
        ({"kind": "cron", "expr": "60 * * * *"}, "rule.expr", "rule.cron_minute"),
        ({"kind": "cron", "expr": "0 24 * * *"}, "rule.expr", "rule.cron_hour"),
        ({"kind": "cron", "expr": "0 0 32 * *"}, "rule.expr", "rule.cron_day"),
        ({"kind": "cron", "expr": "0 0 * 13 *"}, "rule.expr", "rule.cron_month"),
        ({"kind": "cron", "expr": "0 0 * * 8"}, "rule.expr", "rule.cron_weekday"),
        ({"kind": "cron", "expr": "nine 0 * * *"}, "rule.expr", "rule.cron_minute"),
        ({"kind": "cron", "expr": "0 0 31 2 *"}, "rule.expr", "rule.never"),
        ({"kind": "cron", "expr": "0 0 30,31 feb *"}, "rule.expr", "rule.never"),
        ({"kind": "cron", "expr": "0 0 */31 * mon#5"}, "rule.expr", "rule.never"),
        ({"kind": "cron", "expr": "0,".ljust(CRON_CHARS_MAX - 8, "0") + "1 * * * *"}, "rule.expr", "too_long"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(document, field, reason):
    with pytest.raises(Invalid) as refused:
        rule_from(document)
    assert (refused.value.field, refused.value.reason) == (field, reason)
    for lang in ("en", "ko"):
        assert reason not in refused.value.field_texts(lang)[field]


def test_all_that_is_wrong_with_the_fields_is_told_at_once():
    with pytest.raises(Invalid) as refused:
        rule_from({"kind": "weekly", "hour": 9, "minute": 0})
    assert set(refused.value.fields) == {"rule.days", "rule.at", "rule.hour", "rule.minute"}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Daily(at="09:00"), "rule.at"),
        (Daily(at=None), "rule.at"),
        (Weekly(days=("sun",), at=("24:00",)), "rule.at"),
        (Monthly(days=1, at=("09:00",)), "rule.days"),
        (Interval(every_s=0), "rule.every_s"),
        (Interval(60, datetime(2026, 1, 1)), "rule.anchor"),
        (Once(at="soon"), "rule.at"),
        (Once(at=datetime(2026, 1, 1)), "rule.at"),
        (Cron(expr=None), "rule.expr"),
        (Cron(expr="61 * * * *"), "rule.expr"),
    ],
)
def test_a_rule_made_in_python_is_checked_likewise(rule, field):
    with pytest.raises(Invalid) as refused:
        check(rule)
    assert refused.value.field == field


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.lists(st.text("0123456789*/,-#LWlwmonjan ²١", max_size=6), min_size=5, max_size=5).map(" ".join),
        st.text(max_size=30),
    )
)
def test_any_cron_text_is_a_rule_or_refused(text):
    found = read_or_refused({"kind": "cron", "expr": text})
    assert found == "rule.expr" or following(found, SEOUL, utc(2026, 1, 1)) is not None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["09:00", "sun"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(["cron", "daily", "weekly", "monthly", "interval", "once"]),
    st.sampled_from(["at", "days", "expr", "every_s", "anchor"]),
)
def test_any_value_in_any_field_is_accepted_or_refused(value, kind, name):
    document = {"kind": kind, "at": ["09:00"], "days": ["sun"], "expr": "@daily", "every_s": 60, "anchor": None}
    wanted = {"cron": ["expr"], "daily": ["at"], "interval": ["every_s"], "once": ["at"]}.get(kind, ["days", "at"])
    document = {key: document[key] for key in ("kind", *wanted)} | {name: value}
    found = read_or_refused(document)
    assert found.startswith("rule.") if isinstance(found, str) else rule_from(rule_to(found)) == found


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "asia/seoul", "../etc/passwd", "Asia", "posixrules", "x\x00", "🌏"]
)
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(Invalid) as refused:
        zone_of(name)
    assert (refused.value.field, refused.value.reason) == ("zone", "wrong_format")


def test_a_zone_is_a_name():
    assert zone_of("Asia/Seoul").key == "Asia/Seoul"
    assert zone_of("UTC").utcoffset(datetime(2026, 1, 1)) == timedelta(0)
    with pytest.raises(Invalid):
        zone_of(9)


def test_a_time_that_does_not_exist_fires_at_the_end_of_the_gap():
    before = utc(2026, 3, 28, 6)
    assert local(Daily(("02:30",)), NEW_YORK, utc(2026, 3, 7, 12), 2) == ["03-08 03:00 -0400", "03-09 02:30 -0400"]
    assert local(Daily(("02:15", "02:45", "03:00")), BERLIN, before, 2) == ["03-29 03:00 +0200", "03-30 02:15 +0200"]
    assert local(Cron("30 2 * * *"), BERLIN, before, 2) == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_day_that_does_not_exist_fires_at_its_end():
    # In Apia, the 30th of December 2011 was left out.
    rule, zone = Daily(("00:00", "09:00")), ZoneInfo("Pacific/Apia")
    found = local(rule, zone, utc(2011, 12, 29, 12), 4)
    assert found == ["12-29 09:00 -1000", "12-31 00:00 +1400", "12-31 09:00 +1400", "01-01 00:00 +1400"]


def test_a_time_that_exists_twice_fires_the_first_time():
    before = utc(2026, 10, 31, 12)
    assert local(Daily(("01:30",)), NEW_YORK, before, 2) == ["11-01 01:30 -0400", "11-02 01:30 -0500"]
    assert local(Cron("30 1 * * *"), NEW_YORK, before, 2) == ["11-01 01:30 -0400", "11-02 01:30 -0500"]
    # Asked within the second hour, it is over for the day.
    assert local(Daily(("01:30",)), NEW_YORK, utc(2026, 11, 1, 6, 15), 1) == ["11-02 01:30 -0500"]
    assert preceding(Daily(("01:30",)), NEW_YORK, utc(2026, 11, 1, 6, 15)) == utc(2026, 11, 1, 5, 30)


def test_cron_with_a_star_goes_by_elapsed_time():
    found = local(Cron("30 * * * *"), NEW_YORK, utc(2026, 11, 1, 5), 3)
    assert found == ["11-01 01:30 -0400", "11-01 01:30 -0500", "11-01 02:30 -0500"]
    assert local(Cron("30 * * * *"), NEW_YORK, utc(2026, 3, 8, 6), 2) == ["03-08 01:30 -0500", "03-08 03:30 -0400"]


def test_the_first_of_two_passes_is_found_though_the_rule_is_rare():
    # In Havana, 00:00 to 01:00 comes twice on 1 November; at 00:10 of the second pass, 00:30 of the first is the last.
    rule, zone, again = Cron("30 * 1 11 *"), ZoneInfo("America/Havana"), utc(2026, 11, 1, 5, 10)
    assert preceding(rule, zone, again) == utc(2026, 11, 1, 4, 30)
    assert following(rule, zone, again) == utc(2026, 11, 1, 5, 30)


def test_days_of_cron_are_joined_as_in_debian():
    # Both named: either. One with a star: both.
    assert local(Cron("0 9 13 * fri"), SEOUL, utc(2026, 2, 6, 12), 2) == ["02-13 09:00 +0900", "02-20 09:00 +0900"]
    assert local(Cron("0 9 */2 * fri"), SEOUL, utc(2026, 2, 6, 12), 2) == ["02-13 09:00 +0900", "02-27 09:00 +0900"]
    assert local(Cron("0 9 L * *"), SEOUL, utc(2026, 2, 6), 2) == ["02-28 09:00 +0900", "03-31 09:00 +0900"]


def test_a_range_of_one_with_a_step_is_that_one():
    assert local(Cron("0 9-9/2 * * *"), SEOUL, utc(2026, 1, 1), 2) == ["01-02 09:00 +0900", "01-03 09:00 +0900"]


def test_a_month_without_that_day_takes_its_last():
    rule = Monthly(days=(31,), at=("09:00",))
    found = local(rule, SEOUL, utc(2026, 1, 31, 12), 3)
    assert found == ["02-28 09:00 +0900", "03-31 09:00 +0900", "04-30 09:00 +0900"]
    assert local(Monthly((29, 30, 31, -1), ("09:00",)), SEOUL, utc(2028, 2, 1), 2) == [
        "02-29 09:00 +0900",
        "03-29 09:00 +0900",
    ]


def test_an_interval_counts_from_its_anchor_both_ways():
    rule = Interval(7200, utc(2026, 3, 29, 0, 30))
    assert fires(rule, BERLIN, utc(2026, 3, 28, 23), 2) == [utc(2026, 3, 29, 0, 30), utc(2026, 3, 29, 2, 30)]
    assert preceding(rule, BERLIN, utc(2026, 3, 29, 0, 29)) == utc(2026, 3, 28, 22, 30)
    assert preceding(rule, BERLIN, utc(2026, 3, 29, 0, 30)) == utc(2026, 3, 29, 0, 30)


def test_once_is_once():
    rule, at = Once(datetime(2026, 1, 1, 9, tzinfo=SEOUL)), utc(2026, 1, 1)
    assert following(rule, SEOUL, at - DAY) == preceding(rule, SEOUL, at + DAY) == preceding(rule, SEOUL, at) == at
    assert following(rule, SEOUL, at) is preceding(rule, SEOUL, at - DAY) is None
    assert [count(rule, SEOUL, at - DAY, at), count(rule, SEOUL, at, at + DAY)] == [1, 0]
    assert recent(rule, SEOUL, at - DAY, at, 3) == [at]


def test_nothing_is_found_beyond_what_a_date_can_hold():
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for rule in (Daily(("00:00",)), Cron("* * * * *"), Interval(60)):
        for zone in (SEOUL, NEW_YORK):
            assert preceding(rule, zone, first) is None
            assert following(rule, zone, last) is None
            assert following(rule, zone, first).year == 1900
            assert preceding(rule, zone, last).year == 2999


def test_a_moment_without_an_offset_is_an_error():
    with pytest.raises(ValueError, match="offset"):
        following(Daily(("09:00",)), SEOUL, datetime(2026, 1, 1))


def test_counting_takes_time_for_days_not_for_fires():
    now, rule = utc(2026, 11, 21), Cron("* * * * *")
    assert count(rule, NEW_YORK, now - 30 * DAY, now) == 30 * 1440
    assert count(rule, NEW_YORK, now - 3650 * DAY, now) == 3650 * 1440
    began = time.process_time()
    for _ in range(100):
        count(rule, NEW_YORK, now - 30 * DAY, now)
    # A step for each fire would take minutes; the margin is for a busy machine.
    assert time.process_time() - began < 1
