"""The rules against an oracle that knows nothing of them: it looks at the clock of a zone minute by minute.

The oracle reads documents by itself, shares no code with `dure.schedule`, and is as plain as can be.
"""

import calendar
import re
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from dure.schedule.rules import count, following, preceding, recent, rule_from

ZONES = (
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Seoul",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
)
YEARS = (2007, 2027)
MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60
NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

# Stable: the same cases each time, no limit on the time of one, and no long search for a shorter failing case.
many = settings(
    max_examples=800,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
some = settings(many, max_examples=400)
few = settings(many, max_examples=200)


# --- the oracle -----------------------------------------------------------------------------------------------------


def due_minutes(document):
    """The minutes of a day that a rule names, by its document."""
    if document["kind"] != "cron":
        return {int(text.split(":")[0]) * 60 + int(text.split(":")[1]) for text in document["at"]}
    minute, hour = document["expr"].split()[:2]
    return {h * 60 + m for h in numbers(hour, 0, 23) for m in numbers(minute, 0, 59)}


def is_due_day(document, day):
    last = calendar.monthrange(day.year, day.month)[1]
    match document["kind"]:
        case "daily":
            return True
        case "weekly":
            return NAMES[day.isoweekday() % 7] in document["days"]
        case "monthly":
            return day.day in {last if wanted == -1 else min(wanted, last) for wanted in document["days"]}
    of_month, month, of_week = document["expr"].lower().split()[2:]
    if day.month not in numbers(month, 1, 12, MONTHS, 1):
        return False
    by_month = day.day in {last if number == "l" else number for number in numbers(of_month, 1, 31)}
    by_week = False
    for term in of_week.split(","):
        name, _, nth = term.partition("#")
        ending = name[0].isdigit() and name.endswith("l")
        days = {number % 7 for number in numbers(name[:-1] if ending else name, 0, 7, NAMES)}
        right_one = (not nth or (day.day - 1) // 7 + 1 == int(nth)) and (not ending or day.day + 7 > last)
        by_week |= day.isoweekday() % 7 in days and right_one
    if of_month.startswith("*") or of_week.startswith("*"):
        return by_month and by_week
    return by_month or by_week


def numbers(field, low, high, names=(), first=0):
    found = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        begin, _, end = span.partition("-")
        if span == "*":
            found |= set(range(low, high + 1, int(step or 1)))
        elif span == "l":
            found.add("l")
        else:
            begin, end = (names.index(n) + first if n in names else int(n) for n in (begin, end or begin))
            found |= set(range(begin, end + 1, int(step or 1)))
    return found


def follows_elapsed_time(document):
    return document["kind"] == "cron" and any(field.startswith("*") for field in document["expr"].split()[:2])


@lru_cache(maxsize=64)
def clock(zone, start, minutes):
    """What the clock of a zone shows at each minute from `start` on, as the number of a minute."""
    moments = (start + n * MINUTE for n in range(minutes))
    walls = (moment.astimezone(ZoneInfo(zone)) for moment in moments)
    return [wall.toordinal() * DAY_MINUTES + wall.hour * 60 + wall.minute for wall in walls]


def oracle(document, zone, start, minutes):
    """All fires from `start` on, by watching the clock."""
    minutes_of_day, due_days = due_minutes(document), {}

    def is_due(wall):
        day, minute = divmod(wall, DAY_MINUTES)
        if minute not in minutes_of_day:
            return False
        if day not in due_days:
            due_days[day] = is_due_day(document, date.fromordinal(day))
        return due_days[day]

    elapsed = follows_elapsed_time(document)
    fires, shown, last = [], set(), None
    for n, wall in enumerate(clock(zone, start, minutes)):
        fire = is_due(wall) and (elapsed or wall not in shown)
        if last is not None and wall > last + 1 and not elapsed:
            fire = fire or any(is_due(skipped) for skipped in range(last + 1, wall))
        if fire:
            fires.append(start + n * MINUTE)
        shown.add(wall)
        last = wall
    return fires


@cache
def changes(zone):
    """When a zone's offset changes, to six hours."""
    moment, end, step = (
        datetime(YEARS[0], 1, 1, tzinfo=UTC),
        datetime(YEARS[1] + 1, 1, 1, tzinfo=UTC),
        timedelta(hours=6),
    )
    tz, found = ZoneInfo(zone), []
    offset = moment.astimezone(tz).utcoffset()
    while moment < end:
        moment += step
        if (now := moment.astimezone(tz).utcoffset()) != offset:
            found.append((moment, abs(now - offset)))
            offset = now
    return found


# --- rules of all kinds, as documents -------------------------------------------------------------------------------


times = st.one_of(
    st.lists(st.sampled_from([f"{m // 60:02}:{m % 60:02}" for m in range(DAY_MINUTES)]), min_size=1, max_size=4),
    # The hours in which clocks change, more often.
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 23]), st.sampled_from([0, 1, 15, 30, 45, 59])), min_size=1).map(
        lambda pairs: [f"{h:02}:{m:02}" for h, m in pairs]
    ),
).map(lambda texts: list(dict.fromkeys(texts)))


def field(low, high, *, star=3):
    values = st.integers(low, high)
    spans = st.tuples(values, values).map(sorted)
    return st.one_of(
        *[st.just("*")] * star,
        st.integers(1, high).map(lambda step: f"*/{step}"),
        st.lists(values, min_size=1, max_size=4).map(lambda found: ",".join(map(str, found))),
        spans.map(lambda span: f"{span[0]}-{span[1]}"),
        st.tuples(spans, st.integers(1, 20)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )


crons = st.tuples(
    field(0, 59, star=1),
    st.one_of(field(0, 23, star=1), field(0, 3, star=0)),
    st.one_of(field(1, 31), field(1, 28), st.just("L")),
    st.one_of(*[st.just("*")] * 4, field(1, 12), st.just("mar-apr,oct,nov")),
    st.one_of(field(0, 7), st.sampled_from(["sun", "MON-fri", "0#1", "sun#5", "0L", "6L,3", "1#2,2#3"])),
).map(lambda fields: {"kind": "cron", "expr": " ".join(fields)})
documents = st.one_of(
    crons,
    crons,
    st.builds(lambda at: {"kind": "daily", "at": at}, times),
    st.builds(
        lambda days, at: {"kind": "weekly", "days": days, "at": at},
        st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
        times,
    ),
    st.builds(
        lambda days, at: {"kind": "monthly", "days": days, "at": at},
        st.lists(st.one_of(st.just(-1), st.integers(1, 31)), min_size=1, max_size=12, unique=True),
        times,
    ),
)


def is_possible(document):
    """No day of 28 years is like it: nothing that a schedule could be made of."""
    days = range(date(2001, 1, 1).toordinal(), date(2029, 1, 1).toordinal())
    return any(is_due_day(document, date.fromordinal(day)) for day in days)


@st.composite
def near_changes(draw):
    zone = draw(st.sampled_from([zone for zone in ZONES if changes(zone)]))
    change, size = draw(st.sampled_from(changes(zone)))
    return zone, change - timedelta(hours=18) - size, int((timedelta(hours=30) + 2 * size) / MINUTE)


@st.composite
def anywhere(draw):
    first = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    days = (datetime(YEARS[1] + 1, 1, 1, tzinfo=UTC) - first).days
    start = first + timedelta(days=draw(st.integers(0, days)), minutes=draw(st.integers(0, DAY_MINUTES)))
    return draw(st.sampled_from(ZONES)), start, 2 * DAY_MINUTES


# --- what must hold -------------------------------------------------------------------------------------------------

LEAD = timedelta(hours=4)
"""The oracle watches for so long before it is asked, or it could not know that a time is shown the second time."""


def agrees(document, zone, start, minutes, asked, most):
    """Everything that can be asked about the times in `asked` is as the oracle says."""
    rule, tz = rule_from(document), ZoneInfo(zone)
    begin, end = start + LEAD, start + (minutes - 1) * MINUTE
    fires = [fire for fire in oracle(document, zone, start, minutes) if fire > begin]
    assert count(rule, tz, begin, end) == len(fires)
    assert recent(rule, tz, begin, end, len(fires) + 1) == fires
    for moment in asked:
        place = bisect_right(fires, moment)
        after, before = following(rule, tz, moment), preceding(rule, tz, moment)
        assert after == fires[place] if place < len(fires) else after is None or after > end
        assert before == fires[place - 1] if place else before is None or before <= begin
        assert count(rule, tz, begin, moment) == place
        assert count(rule, tz, moment, end) == len(fires) - place
        assert recent(rule, tz, begin, moment, most) == fires[max(0, place - most) : place]
        assert recent(rule, tz, moment, end, most) == fires[max(place, len(fires) - most) :]
        assert after is None or (after > moment and preceding(rule, tz, after) == after)
        assert before is None or before <= moment < (following(rule, tz, before) or moment + MINUTE)


def moments(draw, start, minutes):
    seconds = st.integers(int(LEAD.total_seconds()) + 1, (minutes - 1) * 60)
    odd = st.sampled_from([0, 1, 500_000, 999_999])
    chosen = draw(st.lists(st.tuples(seconds, st.booleans(), odd), min_size=1, max_size=4))
    found = [(s - s % 60 if whole else s, 0 if whole else micro) for s, whole, micro in chosen]
    end = start + (minutes - 1) * MINUTE
    asked = [start + timedelta(seconds=s, microseconds=micro) for s, micro in found]
    return [min(max(moment, start + LEAD), end) for moment in asked]


@many
@given(st.data(), documents, near_changes(), st.integers(1, 5))
def test_near_a_change_of_clocks(data, document, window, most):
    assume(is_possible(document))
    agrees(document, *window, moments(data.draw, *window[1:]), most)


@some
@given(st.data(), documents, anywhere(), st.integers(1, 5))
def test_anywhere(data, document, window, most):
    assume(is_possible(document))
    agrees(document, *window, moments(data.draw, *window[1:]), most)


FIXED = {"kind": "daily", "at": ["00:00", "00:30", "01:30", "02:00", "02:15", "02:30", "03:00", "23:30", "23:59"]}
SWEPT = (
    FIXED,
    {"kind": "cron", "expr": "0,1,30 * * * *"},
    {"kind": "cron", "expr": "*/17 0-3,22,23 * * *"},
    {"kind": "cron", "expr": "30,45 1,2,3,23 * * sun"},
    {"kind": "monthly", "days": [30, 31], "at": ["02:30", "12:00"]},
)


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_twenty_years(zone):
    for change, size in changes(zone):
        start, minutes = change - timedelta(hours=12) - size, int((timedelta(hours=18) + 2 * size) / MINUTE)
        asked = [start + LEAD + hours * timedelta(hours=1, minutes=7, seconds=1) for hours in range(12)]
        for document in SWEPT:
            agrees(document, zone, start, minutes, asked, 3)


def test_the_zones_change_their_clocks_as_the_sweep_expects():
    found = {zone: len(changes(zone)) for zone in ZONES}
    assert sum(found.values()) > 450
    assert [zone for zone, number in found.items() if not number] == ["Asia/Kathmandu", "Asia/Seoul"]
    assert max(size for _, size in changes("Pacific/Apia")) == timedelta(days=1)
    assert {size for _, size in changes("Australia/Lord_Howe")} == {timedelta(minutes=30)}


@few
@given(crons, st.sampled_from(ZONES), st.integers(0, 365 * 20))
def test_cron_far_from_changes_is_as_cronsim_steps(document, zone, days):
    start = datetime(YEARS[0], 1, 1, tzinfo=UTC) + timedelta(days=days)
    end = start + timedelta(days=2)
    # cronsim takes a range of one value with a step, 5-5/2, for one to the end of the field; Debian does not.
    assume(not re.search(r"\b(\d+)-\1/", document["expr"]))
    assume(is_possible(document))
    assume(all(abs(change - start) > timedelta(days=4) for change, _ in changes(zone)))
    rule, tz = rule_from(document), ZoneInfo(zone)
    steps, fires = CronSim(document["expr"], start.astimezone(tz)), []
    while len(fires) < 20 and (fire := next(steps, None)) is not None and fire.astimezone(UTC) <= end:
        fires.append(fire.astimezone(UTC))
    found, fire = [], following(rule, tz, start)
    while fire is not None and fire <= end and len(found) < 20:
        found.append(fire)
        fire = following(rule, tz, fire)
    assert found == fires


@few
@given(
    st.integers(1, 5000),
    st.integers(-100_000, 100_000),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(1, 4),
)
def test_an_interval_is_its_anchor_and_steps_of_elapsed_time(every_s, anchored, low, span, most):
    zero = datetime(2026, 3, 29, tzinfo=UTC)
    anchor, after = zero + timedelta(seconds=anchored), zero + timedelta(seconds=low)
    until = after + timedelta(seconds=span)
    rule = rule_from({"kind": "interval", "every_s": every_s, "anchor": anchor.isoformat()})
    tick = anchor
    while tick > after:
        tick -= timedelta(seconds=every_s)
    while tick + timedelta(seconds=every_s) <= after:
        tick += timedelta(seconds=every_s)
    fires = []
    while (tick := tick + timedelta(seconds=every_s)) <= until:
        fires.append(tick)
    zone = ZoneInfo("Europe/Berlin")
    assert count(rule, zone, after, until) == len(fires)
    assert recent(rule, zone, after, until, most) == fires[-most:]
    assert following(rule, zone, after) == (fires[0] if fires else tick)
    assert preceding(rule, zone, until) == tick - timedelta(seconds=every_s)
