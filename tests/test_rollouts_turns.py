"""Whose turn it is, for any fleet: no more between the versions than allowed, nobody twice, and it comes to an end."""

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dure.agents.gates import Gates
from dure.agents.rollout_model import Rollout
from dure.agents.rollout_turns import Member, is_healthy, next_turn, warm_up

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROLLOUT = Rollout(
    id="r", tenant_id="acme", class_="c", from_version="1.0.0", to_version="1.1.0", strategy="canary",
    steps=[{"share_pct": 25.0, "bake_s": 60.0}, {"share_pct": 100.0, "bake_s": 60.0}], max_parallel=2, min_healthy_s=10,
    progress_deadline_s=60, auto_promote=True, auto_revert=True, in_flight="drain", gates=Gates().to_json(),
    state="running", reason=None, step=0, began_at=NOW, step_began_at=NOW, switched_at=None, settled_at=None,
    progress_at=NOW, progress={}, judged_at=None, paused_at=None, finished_at=None, looks={}, verdicts={},
    unlearn_job_id=None, author="kim", revision=1,
)  # fmt: skip

members = st.builds(
    Member,
    agent_id=st.integers(0, 10_000).map(str),
    version=st.sampled_from(["1.0.0", "1.1.0"]),
    state=st.sampled_from(["alive", "suspect", "dead", "reaped", "draining", "retired"]),
    age_s=st.sampled_from([0.0, 9.0, 10.0, 1000.0]),
    chosen=st.booleans(),
    was_healthy=st.booleans(),
)
fleets = st.lists(members, max_size=30, unique_by=lambda one: one.agent_id).map(
    # Those without a session are seen only when their turn has come.
    lambda fleet: [one for one in fleet if one.chosen or one.state in ("alive", "suspect", "draining")]
)
rollouts = st.builds(
    lambda step, parallel: replace(ROLLOUT, step=step, max_parallel=parallel), st.integers(0, 1), st.integers(1, 8)
)


@given(rollouts, fleets)
def test_no_more_are_between_the_versions_than_allowed(rollout: Rollout, fleet: list[Member]):
    turn = next_turn(rollout, fleet)
    chosen = {one.agent_id for one in fleet if one.chosen}
    healthy = {one.agent_id for one in fleet if one.chosen and is_healthy(rollout, one)} - set(turn.leave)
    in_place = min(len(turn.admit), len(turn.leave))
    between = len(chosen - set(turn.leave)) + len(turn.ask) + len(turn.admit) - len(healthy)
    asked_for_more = len(turn.ask) + len(turn.admit) > in_place
    assert not asked_for_more or between <= max(rollout.max_parallel, in_place)


@given(rollouts, fleets)
def test_nobody_is_asked_twice_or_out_of_place(rollout: Rollout, fleet: list[Member]):
    by_id, turn = {one.agent_id: one for one in fleet}, next_turn(rollout, fleet)
    assert all(not by_id[name].chosen and by_id[name].version == "1.0.0" for name in turn.ask)
    assert all(not by_id[name].chosen and by_id[name].version == "1.1.0" for name in turn.admit)
    assert all(by_id[name].chosen for name in (*turn.leave, *turn.healthy))
    assert {by_id[name].state for name in (*turn.ask, *turn.admit)} <= {"alive", "suspect"}
    assert not turn.settled or (turn.there >= turn.wanted and not turn.ask and not turn.admit)
    assert turn.wanted >= 1


@given(rollouts, st.integers(1, 25), st.integers(0, 5))
def test_it_comes_to_an_end(rollout: Rollout, old: int, waiting: int):
    fleet = [Member(agent_id=f"a{n}", version="1.0.0", state="alive", age_s=99.0) for n in range(old)]
    fleet += [Member(agent_id=f"b{n}", version="1.1.0", state="alive", age_s=99.0) for n in range(waiting)]
    for _round in range(2 * (old + waiting) + 2):
        turn = next_turn(rollout, fleet)
        if turn.settled:
            break
        fleet = [_moved(one, turn.ask, turn.admit) for one in fleet]
    assert turn.settled
    share = rollout.share_pct
    new = sum(one.chosen for one in fleet)
    assert all(one.version == "1.1.0" for one in fleet if one.chosen)
    assert new == (old + waiting if share == 100 else turn.wanted)
    assert new >= ceil(share * old / 100)


def _moved(one: Member, asked: tuple[str, ...], admitted: tuple[str, ...]) -> Member:
    if one.agent_id in asked:
        return replace(one, chosen=True, version="1.1.0", age_s=99.0)
    return replace(one, chosen=True) if one.agent_id in admitted else one


def member(agent_id: str, version: str = "1.1.0", **given: Any) -> Member:
    return Member(**{"agent_id": agent_id, "version": version, "state": "alive", "age_s": 99.0, **given})


def test_one_that_was_retired_is_no_part_of_it_and_one_that_died_is():
    fleet = [member("a", chosen=True, was_healthy=True, state="retired"), member("b", chosen=True, state="dead")]
    turn = next_turn(replace(ROLLOUT, step=1), fleet)
    assert (turn.leave, turn.settled, turn.wanted, turn.there) == (("a",), False, 1, 0)


def test_after_a_switch_old_ones_stand_by():
    fleet = [member("old", "1.0.0"), member("new", chosen=True)]
    turn = next_turn(replace(ROLLOUT, switched_at=NOW, step=1), fleet)
    assert (turn.ask, turn.settled) == ((), True)


def test_a_switch_waits_for_as_many_as_there_were():
    blue = [member(f"a{n}", "1.0.0") for n in range(4)]
    whole = replace(ROLLOUT, strategy="blue_green", steps=[{"share_pct": 50.0, "bake_s": 1.0}])
    assert not warm_up(whole, [*blue, member("b0"), member("b1", age_s=9.0)]).settled
    assert warm_up(whole, [*blue, member("b0"), member("b1")]).settled
    assert not warm_up(whole, []).settled
