"""The commands about releases and rollouts, as a person at a terminal and a script use them."""

import asyncio
from typing import Any

import pytest

from commands import Quick, Shell
from dure.db.pool import Database
from rolling import CLASS, Plan

pytestmark = pytest.mark.own_server


@pytest.fixture
def shell(url, clock, tmp_path) -> Shell:
    clock.to("2026-03-02 12:00:00+00")
    made = Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_TENANT="acme")
    made.json("releases", "create", CLASS, "1.0.0")
    return made


def during(url: str, clock: Any, work: Any) -> Any:
    async def with_plan() -> Any:
        async with Database(url) as database:
            return await work(Plan(database, clock))

    return asyncio.run(with_plan())


def test_releases_from_create_to_withdraw(shell):
    made = shell.json(
        "releases", "create", CLASS, "1.1.0", "--compatible", ">=1,<2", "--notes", "faster", "--pin-knowledge"
    )
    assert (made["class"], made["state"], made["compatible"], made["pin_knowledge"]) == (
        CLASS,
        "draft",
        ">=1, <2",
        True,
    )
    assert made["created_by"].startswith("cli")
    assert shell.error("releases", "create", CLASS, "1.1.0", code=6)["code"] == "conflict"
    assert shell.error("releases", "create", CLASS, "one", code=2)["errors"][0]["field"] == "version"
    text = shell.run("releases", "list", "--class", CLASS).stdout
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [[CLASS, "1.1.0"], [CLASS, "1.0.0"]]
    assert "faster" in shell.run("releases", "show", CLASS, "1.1.0").stdout
    gone = shell.json("releases", "withdraw", CLASS, "1.1.0", "--reason", "leaks")
    assert (gone["state"], "leaks" in gone["reason"]["text"]) == ("withdrawn", True)
    assert "leaks" in shell.run("releases", "show", CLASS, "1.1.0").stdout
    assert shell.error("releases", "withdraw", CLASS, "1.0.0", code=6)["code"] == "conflict"
    assert shell.error("releases", "show", CLASS, "9.0.0", code=7)["code"] == "not_found"
    shell.json("releases", "create", CLASS, "1.2.0")
    assert shell.json("releases", "current", CLASS, "1.2.0")["state"] == "current"
    assert [one["version"] for one in shell.json("releases", "list", "--state", "superseded")["items"]] == ["1.0.0"]


def test_a_rollout_from_start_to_its_end(shell, url, clock):
    shell.json("releases", "create", CLASS, "1.1.0")

    async def begin(plan: Plan) -> None:
        await plan.fleet(2)

    during(url, clock, begin)
    made = shell.json(
        "rollouts", "start", CLASS, "1.1.0", "--step", "50:60", "--step", "100%:60", "--min-healthy", "0",
        "--gates", '{"latency": null}', "--no-auto-promote",
    )  # fmt: skip
    assert made["steps"] == [{"share_pct": 50.0, "bake_s": 60.0}, {"share_pct": 100.0, "bake_s": 60.0}]
    assert (made["gates"]["latency"], made["auto_promote"], made["auto_revert"]) == (None, False, True)
    assert shell.error("rollouts", "start", CLASS, "1.1.0", code=6)["code"] == "conflict"
    assert shell.error("rollouts", "start", CLASS, "1.1.0", "--step", "half", code=2)["errors"][0]["field"] == "step"
    during(url, clock, lambda plan: plan.tick())
    text = shell.run("rollouts", "show", made["id"]).stdout
    assert "1.0.0 → 1.1.0" in text
    assert "asked to become 1.1.0" in text
    assert "samples of the new version" in text
    assert "0/1" in shell.run("rollouts", "list").stdout
    assert shell.json("rollouts", "pause", made["id"])["state"] == "paused"
    assert shell.json("rollouts", "resume", made["id"])["state"] == "running"
    back = shell.json("rollouts", "revert", made["id"], "--reason", "slow")
    assert (back["state"], "slow" in back["reason"]["text"]) == ("reverting", True)
    assert shell.error("rollouts", "promote", made["id"], code=6)["code"] == "conflict"
    during(url, clock, lambda plan: plan.tick())
    told = shell.run("rollouts", "watch", made["id"], code=4)
    assert "On the way back." in told.stdout
    assert "taken back" in told.stderr
    korean = shell.run("--lang", "ko", "rollouts", "watch", made["id"], code=4).stdout
    assert "되돌리는 중입니다" in korean


def test_promotion_and_performance(shell, url, clock):
    shell.json("releases", "create", CLASS, "1.1.0")
    made = shell.json("rollouts", "start", CLASS, "1.1.0", "--strategy", "rolling")
    assert shell.json("rollouts", "promote", made["id"])["state"] == "promoted"
    assert [one["state"] for one in shell.json("rollouts", "list", "--state", "promoted")["items"]] == ["promoted"]
    shell.run("rollouts", "watch", made["id"])

    async def work(plan: Plan) -> None:
        await plan.work("a", "1.1.0", ok=3, failed=1, latency_ms=100)
        await plan.tick(after_s=1)

    during(url, clock, work)
    between = ("--from", "2026-03-02T12:00:00Z", "--until", "2026-03-02T13:00:00Z")
    (found,) = shell.json("releases", "performance", CLASS, *between)["items"]
    assert (found["version"], found["tasks_ok"], found["success_rate"]) == ("1.1.0", 3, 0.75)
    for by in ("version", "agent", "minute"):
        assert "1.1.0" in shell.run("releases", "performance", CLASS, "--by", by, *between).stdout
    assert "Nothing" in shell.run("releases", "performance", "other", *between).stderr
