"""The rules, the spans of days, and the documents of the older API: no database is needed for any of it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dure.apps.interventions.config import InterventionSettings, load
from dure.apps.interventions.documents import number_of, read_id, read_run, read_schedule, rule_of, timing_of
from dure.apps.interventions.facts import Exercise, Facts, Food, Sleep
from dure.apps.interventions.generator import sentence
from dure.apps.interventions.params import What
from dure.apps.interventions.periods import span_of, yesterday
from dure.apps.interventions.rules import TIPS, Advice, advise
from dure.apps.interventions.tables import Tables
from dure.errors import Invalid
from dure.lang import knows

BALANCED = Food(meals=3, days=1, calories=2000, protein_g=75, carbs_g=300, fat_g=50, sodium_mg=1800, breakfasts=1)
ENOUGH = Exercise(sessions=1, days=1, minutes=40)
RESTED = Sleep(nights=1, hours=7.5, shortest_hours=7.5, bedtime_spread_minutes=0, bedtime_minutes=690)


def rules(facts: Facts, days: int = 1) -> list[str]:
    return [one.rule for one in advise(facts, days, "17:2026-08-01")]


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (Facts(food=Food(meals=3, days=1, calories=3600)), "diet_energy_high"),
        (Facts(food=Food(meals=1, days=1, calories=700)), "diet_energy_low"),
        (Facts(food=Food(3, 1, calories=2000, protein_g=25, carbs_g=330, fat_g=60)), "diet_protein_low"),
        (Facts(food=Food(3, 1, calories=2000, protein_g=75, carbs_g=200, fat_g=100)), "diet_fat_high"),
        (Facts(food=Food(3, 1, calories=2000, protein_g=50, carbs_g=400, fat_g=20)), "diet_carbs_high"),
        (Facts(food=Food(meals=3, days=1, sodium_mg=4000)), "diet_sodium_high"),
        (Facts(food=Food(meals=4, days=1, late_meals=2, breakfasts=1)), "diet_late"),
        (Facts(food=Food(meals=2, days=1, late_meals=0, breakfasts=0)), "diet_breakfast"),
        (Facts(exercise=Exercise(sessions=1, days=1, minutes=10)), "exercise_more"),
        (Facts(exercise=Exercise(sessions=1, days=1, minutes=45, light_minutes=45)), "exercise_light"),
        (Facts(exercise=Exercise(sessions=1, days=1, minutes=90, vigorous_minutes=90)), "exercise_recover"),
        (Facts(sleep=Sleep(nights=1, hours=5.0)), "sleep_short"),
        (Facts(sleep=Sleep(nights=1, hours=10.5)), "sleep_long"),
        (Facts(sleep=Sleep(nights=7, hours=7.5, bedtime_spread_minutes=95)), "sleep_irregular"),
        (Facts(sleep=Sleep(nights=1, hours=7.5, bedtime_minutes=840)), "sleep_late"),
    ],
)
def test_what_is_off_is_said_first(facts: Facts, rule: str) -> None:
    assert rules(facts)[0] == rule


def test_a_good_day_is_praised_and_each_topic_has_its_piece() -> None:
    found = rules(Facts(food=BALANCED, exercise=ENOUGH, sleep=RESTED))
    assert sorted(found) == ["diet_balanced", "exercise_enough", "sleep_enough"]


def test_there_are_two_or_three_pieces_and_what_matters_most_is_kept() -> None:
    bad = Food(meals=5, days=1, calories=4000, protein_g=20, carbs_g=400, fat_g=200, sodium_mg=6000, late_meals=3)
    found = advise(Facts(food=bad, exercise=Exercise(1, 1, minutes=5), sleep=Sleep(1, hours=4)), 1, "x")
    assert len(found) == 3
    assert {one.topic for one in found} == {"diet", "exercise", "sleep"}
    assert [one.weight for one in found] == sorted((one.weight for one in found), reverse=True)
    for facts in (Facts(food=BALANCED), Facts(sleep=RESTED), Facts(exercise=Exercise(1, 1))):
        assert len(advise(facts, 1, "x")) in (2, 3)


def test_two_kinds_of_record_together_say_more_than_each() -> None:
    hard = Exercise(sessions=1, days=1, minutes=60, vigorous_minutes=60)
    assert rules(Facts(exercise=hard, sleep=Sleep(1, hours=5)))[0] == "exercise_tired"
    assert "sleep_short" not in rules(Facts(exercise=hard, sleep=Sleep(1, hours=5)))
    found = rules(Facts(food=Food(2, 1, calories=800), exercise=hard))
    assert found[0] == "diet_fuel"
    assert "diet_energy_low" not in found


def test_a_week_asks_for_a_weeks_minutes_over_several_days() -> None:
    assert "exercise_enough" in rules(Facts(exercise=Exercise(sessions=5, days=5, minutes=160)), 7)
    found = rules(Facts(exercise=Exercise(sessions=1, days=1, minutes=160)), 7)
    assert found[0] == "exercise_spread"
    assert "exercise_more" in rules(Facts(exercise=Exercise(sessions=3, days=3, minutes=90)), 7)


def test_the_same_user_and_day_always_get_the_same() -> None:
    facts = Facts(food=BALANCED)
    assert advise(facts, 1, "17:2026-08-01") == advise(facts, 1, "17:2026-08-01")
    tips = {advise(facts, 1, f"{user}:2026-08-01")[-1].rule for user in range(50)}
    assert tips == {f"diet_tip_{n}" for n in range(1, TIPS["diet"] + 1)}, "others get other tips"


def test_every_piece_has_its_sentence_in_both_languages() -> None:
    for topic, count in TIPS.items():
        for n in range(1, count + 1):
            assert knows(f"interventions.advice.{topic}_tip_{n}")
    one = Advice("sleep_short", "sleep", 60, {"hours": 6.5})
    assert "6.5시간" in sentence(one, "ko")
    assert "6.5 hours" in sentence(one, "en")


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [("day", "2026-08-02", "2026-08-02"), ("week", "2026-07-27", "2026-08-02"), ("month", "2026-08-01", "2026-08-31")],
)
def test_a_period_covers_its_days(period: str, first: str, last: str) -> None:
    span = span_of(date(2026, 8, 2), period, "Asia/Seoul")  # type: ignore[arg-type]
    assert (str(span.first), str(span.last)) == (first, last)


def test_yesterday_is_that_of_the_zone() -> None:
    half_past_midnight_in_seoul = datetime(2026, 8, 2, 15, 30, tzinfo=UTC)
    assert yesterday("Asia/Seoul", lambda: half_past_midnight_in_seoul) == date(2026, 8, 2)
    assert yesterday("America/New_York", lambda: half_past_midnight_in_seoul) == date(2026, 8, 1)


def test_a_runs_parameters_are_filled_in_and_have_one_form() -> None:
    told = What.model_validate({"date": "2026-02-03", "kind": "sleep+diet", "period": "month", "users": [7, "8"]})
    assert told.model_dump(mode="json") == {
        "date": "2026-02-28", "kind": "diet+sleep", "period": "month", "zone": "Asia/Seoul", "redo": False,
        "users": ["7", "8"],
    }  # fmt: skip
    assert What().date == yesterday("Asia/Seoul")
    for given, field in (({"kind": "love"}, "params.kind"), ({"zone": "Mars/Base"}, "params.zone")):
        with pytest.raises(Invalid) as caught:
            What.model_validate(given)
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hour": 24}, "hour"),
        ({"hour": -1}, "hour"),
        ({"hour": "9"}, "hour"),
        ({"hour": True}, "hour"),
        ({"hour": 9.0}, "hour"),
        ({"hour": None}, "hour"),
        ({"minute": 60}, "minute"),
        ({"minute": "0"}, "minute"),
        ({"frequency": "hourly"}, "frequency"),
        ({"frequency": ["daily"]}, "frequency"),
        ({"name": "  "}, "name"),
        ({"name": 7}, "name"),
        ({"is_active": "true"}, "is_active"),
        ({"hours": 9}, "hours"),
    ],
)
def test_a_schedules_document_names_what_is_wrong(change: dict[str, object], field: str) -> None:
    good = {"name": "daily", "frequency": "daily", "hour": 9, "minute": 0, "is_active": True}
    assert read_schedule(good) == good
    with pytest.raises(Invalid) as caught:
        read_schedule({**good, **change})
    assert set(caught.value.fields) == {field}


def test_what_is_missing_is_named_all_at_once_and_a_change_needs_only_what_it_changes() -> None:
    with pytest.raises(Invalid) as caught:
        read_schedule({"is_active": True})
    assert set(caught.value.fields) == {"name", "frequency", "hour", "minute"}
    assert read_schedule({"id": 5, "hour": 10, "next_run_at": None}, partly=True) == {"hour": 10}


def test_a_frequency_and_its_rule_say_the_same() -> None:
    for frequency, days in (("daily", None), ("weekly", ["sun"]), ("monthly", [1])):
        wanted = {"frequency": frequency, "hour": 9, "minute": 5}
        rule = rule_of(wanted)
        assert (rule.get("days"), rule["at"]) == (days, ["09:05"])
        assert timing_of(rule) == wanted
    nothing = {"frequency": None, "hour": None, "minute": None}
    for rule in ({"kind": "cron", "expr": "* * * * *"}, {"kind": "weekly", "days": ["mon"], "at": ["09:00"]}):
        assert timing_of(rule) == nothing
    assert timing_of({"kind": "daily", "at": ["09:00", "21:00"]}) == nothing


def test_what_is_asked_of_a_run_by_hand_is_checked() -> None:
    assert read_run({}) == {"frequency": "daily", "redo": False}
    assert read_run({"date": "2026-08-01", "users": [1, "2"]})["users"] == ["1", "2"]
    for given, field in (
        ({"date": "yesterday"}, "date"), ({"date": 5}, "date"), ({"redo": "yes"}, "redo"), ({"users": 1}, "users"),
        ({"frequency": "x"}, "frequency"), ({"sql": ""}, "sql"), ([], "body"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            read_run(given)
        assert set(caught.value.fields) == {field}


def test_a_schedule_is_named_by_a_number_that_json_keeps() -> None:
    schedule_id = "0199a7c4-7f00-7abc-8def-ffffffffffff"
    assert number_of(schedule_id) == 2**48 - 1 < 2**53
    assert read_id({"id": 12}) == "12"
    assert read_id(None, "12") == "12"
    for given in ({}, {"id": None}, {"id": True}, {"id": -1}, {"id": [1]}, {"id": ""}):
        with pytest.raises(Invalid) as caught:
            read_id(given)
        assert set(caught.value.fields) == {"id"}


def test_the_tables_can_have_any_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tables.toml"
    file.write_text(
        '[users]\ntable = "auth_user"\nopted_out = ""\n[records]\nsleep = false\n'
        '[records.food]\ntable = "diary.Meal"\ncolumns = { calories = "kcal", sodium_mg = "" }\n'
        '[records.steps]\ntable = "steps"\ntime = "day"\ntopic = "exercise"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("DURE_INTERVENTIONS_CONFIG", str(file))
    tables = load().tables
    assert (tables.users.table, tables.users.active, tables.users.opted_out) == ("public.auth_user", "is_active", "")
    assert (tables.records["food"].time, tables.records["food"].columns["calories"]) == ("eaten_at", "kcal")
    assert (tables.kind, tables.about("exercise")) == ("diet+exercise", ["exercise", "steps"])
    assert (tables.required("exercise"), Tables().required("sleep")) == (["exercise"], ["sleep"])


@pytest.mark.parametrize(
    "text",
    [
        '[users]\ntable = "a; drop table b"\n', '[users]\nid = ""\n', "[users]\nage = 1\n", "[users\n",
        '[records.x]\ntable = "x"\n', '[records.food.columns]\nsugar = "sugar"\n',
        '[records."a b"]\ntable = "x"\ntime = "t"\n',
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tables.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        _ = InterventionSettings(config=file).tables
    assert any("tables.toml" in field or "CONFIG" in field for field in caught.value.fields)


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ZONE", "Mars/Base"), ("URL", "model"), ("CONCURRENCY", "0")):
        with monkeypatch.context() as patch:
            patch.setenv(f"DURE_INTERVENTIONS_{name}", value)
            with pytest.raises(Invalid) as caught:
                load()
            assert caught.value.field == f"DURE_INTERVENTIONS_{name}"
