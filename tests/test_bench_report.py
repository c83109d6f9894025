"""The benchmark's report: medians, ratios, marks and what is missing."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.report import Column, Run, markdown, ratio, shown, spread, value

pytestmark = pytest.mark.own_server

RATE = Column("drain, 1 process", "drain_1", "rate")
P99 = Column("p99", "latency", "p99_ms", digits=1, lower_is_better=True)
BACKLOG = Column("a million waiting", "backlog", "rate", relative_to=("drain_1", "rate"))


def rounds(*rates: float, key: str = "rate") -> list[dict[str, float]]:
    return [{"round": number, key: rate} for number, rate in enumerate(rates)]


RESULTS = {
    "dure": {
        "drain_1": rounds(50_000, 60_000, 58_000),
        "backlog": rounds(45_000, 60_000, 55_100),
        "latency": rounds(2.0, key="p99_ms"),
    },
    "quick": {"drain_1": rounds(20_000, 19_000, 21_000), "latency": rounds(6.4, key="p99_ms")},
}


def a_run(**changes: object) -> Run:
    peers = {
        "dure": {
            "name": "Dure",
            "version": "1",
            "settings": {"batch": 500, "uvloop": True},
            "drain_scale": 5,
        },
        "quick": {"name": "Quick", "version": "2", "keeps_rows": False, "settings": {}},
    }
    run = Run(RESULTS, peers, {"PostgreSQL": "18"}, {"jobs": 20_000}, rounds=3)
    for name, change in changes.items():
        setattr(run, name, change)
    return run


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert value(RESULTS, "dure", RATE) == 58_000
    assert value(RESULTS, "dure", Column("", "enqueue_one", "rate")) is None
    assert value(RESULTS, "stranger", RATE) is None


def test_a_share_is_taken_within_each_round() -> None:
    assert value(RESULTS, "dure", BACKLOG) == pytest.approx(95)


def test_a_share_skips_rounds_whose_base_failed() -> None:
    results = {"dure": {"drain_1": [{"round": 1, "rate": 100.0}], "backlog": rounds(10, 50)}}
    assert value(results, "dure", BACKLOG) == 50


def test_ratios_are_turned_so_that_more_is_better_for_ours() -> None:
    assert ratio(RESULTS, "dure", "quick", RATE) == "2.90"
    assert ratio(RESULTS, "dure", "quick", P99) == "3.20"
    assert ratio(RESULTS, "dure", "stranger", P99) == "–"


@pytest.mark.parametrize(
    ("figure", "column", "text"),
    [
        (41_149.0, RATE, "41,100"),
        (890.4, RATE, "890"),
        (7.0, RATE, "7"),
        (6.44, P99, "6.4"),
        (95.4, BACKLOG, "95 %"),
        (None, RATE, "–"),
    ],
)
def test_figures_show_three_digits(figure: float | None, column: Column, text: str) -> None:
    assert shown(figure, column) == text


def test_the_spread_is_the_farthest_round() -> None:
    assert spread(RESULTS, "quick", RATE) == pytest.approx(0.05)
    assert spread(RESULTS, "quick", P99) is None


def test_the_report_marks_peers_that_delete_and_orders_by_speed() -> None:
    text = markdown(a_run())
    assert "| Quick † | 20,000 |" in text
    assert "† deletes the job's row on completion." in text
    assert text.index("| Dure | 58,000 |") < text.index("| Quick † | 20,000 |")


def test_the_report_names_settings_and_drain_sizes() -> None:
    text = markdown(a_run())
    assert "| Dure | 1 |  |  | 100,000 | batch 500, uvloop on |" in text
    assert "jobs 20,000" in text
    assert "Medians of 3 interleaved rounds. PostgreSQL 18." in text


def test_the_report_says_what_took_no_part() -> None:
    text = markdown(a_run(absent={"oban": "needs Python 3.12"}, failures=["quick latency: 3 of 10 jobs"]))
    assert "* oban took no part: needs Python 3.12" in text
    assert "* quick latency: 3 of 10 jobs" in text
    assert "Not measured" not in markdown(a_run())


def test_ratios_need_the_peer_they_are_given_for() -> None:
    assert "Dure against each" in markdown(a_run())
    assert "against each" not in markdown(a_run(against="nobody"))


def test_columns_that_nobody_measured_are_left_out() -> None:
    text = markdown(a_run())
    assert "enqueue by COPY" not in text
    assert "What it costs" not in text
