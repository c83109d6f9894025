"""What cannot be accepted is refused with a code and the name of the field, and nothing of it is stored."""

import asyncio
import enum
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import psycopg
import pytest
from pydantic import BaseModel, ConfigDict

from dure.errors import DependencyCycle, Invalid, NotFound, UnknownHandler
from dure.queue.client import Client, waves
from dure.queue.model import NewJob
from dure.settings import Settings
from sqlside import refused


@pytest.fixture
def url(shared_url):
    return shared_url


@pytest.fixture
def side(new_side):
    made = new_side()
    made.empty()
    made.handler("t.h")
    return made


@pytest.fixture
def client(side, database, url):
    return Client(database, Settings(database_url=url, bulk_max=50))


def nothing_is_stored(side):
    tables = ("job", "ready", "later", "held", "dependency", "unique_key", "deadline")
    return all(side.one(f"select count(*) from dure.{table}") == 0 for table in tables)


def nested(depth):
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def loop():
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"text": "x" * 262_144}, "too_large", "params"),
        (nested(33), "too_deep", "params"),
        (nested(100_000), "too_deep", "params"),
        ({"text": "a\x00b"}, "nul_byte", "params"),
        ({"a\x00b": 1}, "nul_byte", "params"),
        ({"deep": [{"x": ("\x00",)}]}, "nul_byte", "params"),
        ({"text": "\ud800"}, "not_utf8", "params"),
        ({"\udfff": 1}, "not_utf8", "params"),
        ({"n": float("nan")}, "not_finite", "params"),
        ({"n": float("-inf")}, "not_finite", "params"),
        ({"n": object()}, "not_json", "params"),
        (loop(), "not_json", "params"),
        ([1, 2], "wrong_type", "params"),
        ("text", "wrong_type", "params"),
        (None, "wrong_type", "params"),
    ],
)
@pytest.mark.parametrize("many", [False, True])
async def test_parameters_that_cannot_be_stored(client, side, params, code, field, many):
    job = NewJob(handler="t.h", params=params)
    with refused(code, field):
        await (client.enqueue_many("acme", [NewJob(handler="t.h"), job]) if many else client.enqueue("acme", job))
    assert nothing_is_stored(side)


@pytest.mark.parametrize("params", [nested(32), {"text": "x" * 262_100}, {"text": "\\u0000 is six letters"}, {}])
async def test_parameters_at_the_limit_come_back_as_they_were(client, side, params):
    made = await client.enqueue("acme", NewJob(handler="t.h", params=params))
    assert side.one("select params from dure.job where id = %s", [made.id]) == params


async def test_limits_can_be_set(client, side):
    side.db.execute("insert into dure.setting values ('payload_bytes_max', '100'), ('payload_depth_max', '2')")
    with refused("too_large", "params"):
        await client.enqueue("acme", NewJob(handler="t.h", params={"a": "x" * 100}))
    with refused("too_deep", "params"):
        await client.enqueue("acme", NewJob(handler="t.h", params={"a": {"b": {"c": 1}}}))


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"handler": "t.none"}, "unknown_handler", "handler"),
        ({"handler": "t\x00h"}, "nul_byte", "handler"),
        ({"handler": 7}, "wrong_type", "handler"),
        ({"priority": "high"}, "wrong_type", "priority"),
        ({"priority": 1001}, "out_of_range", "priority"),
        ({"priority": 1.5}, "out_of_range", "priority"),
        ({"priority": float("nan")}, "not_finite", "priority"),
        ({"max_retries": -1}, "out_of_range", "max_retries"),
        ({"max_retries": [1]}, "wrong_type", "max_retries"),
        ({"timeout_s": 0}, "out_of_range", "timeout_s"),
        ({"timeout_s": True}, "wrong_type", "timeout_s"),
        ({"delay_s": -1}, "out_of_range", "delay_s"),
        ({"delay_s": "1"}, "wrong_type", "delay_s"),
        ({"unique_key": ""}, "out_of_range", "unique_key"),
        ({"unique_key": "k" * 501}, "out_of_range", "unique_key"),
        ({"unique_key": "\x00"}, "nul_byte", "unique_key"),
        ({"unique_key": 7}, "wrong_type", "unique_key"),
        ({"unique_key": "k", "unique_for_s": -1}, "out_of_range", "unique_for_s"),
        ({"queue": ""}, "out_of_range", "queue"),
        ({"queue": 7}, "wrong_type", "queue"),
        ({"queue": "\x00"}, "nul_byte", "queue"),
        ({"limit_key": "k" * 501}, "out_of_range", "limit_key"),
        ({"tags": "urgent"}, "wrong_type", "tags"),
        ({"tags": (1,)}, "wrong_type", "tags"),
        ({"tags": ("t" * 201,)}, "wrong_type", "tags"),
        ({"tags": ("t",) * 51}, "out_of_range", "tags"),
        ({"tags": ("\ud800",)}, "not_utf8", "tags"),
        ({"depends_on": ("yesterday",)}, "wrong_type", "depends_on"),
        ({"depends_on": 7}, "wrong_type", "depends_on"),
        ({"depends_on": tuple(f"{n:032x}" for n in range(1001))}, "out_of_range", "depends_on"),
        ({"parent_id": "mum"}, "wrong_type", "parent_id"),
        ({"parent_id": 7}, "wrong_type", "parent_id"),
        ({"run_at": datetime(9999, 12, 31, tzinfo=UTC)}, "out_of_range", "run_at"),
        ({"run_at": datetime(1066, 1, 1, tzinfo=UTC)}, "out_of_range", "run_at"),
        ({"run_at": datetime(2030, 1, 1)}, "wrong_format", "run_at"),
        ({"run_at": "tomorrow"}, "wrong_type", "run_at"),
        ({"deadline_at": datetime(9999, 12, 31, tzinfo=UTC)}, "out_of_range", "deadline_at"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
async def test_options_that_make_no_sense(client, side, options, code, field):
    with refused(code, field):
        await client.enqueue_many("acme", [NewJob(**{"handler": "t.h", **options})])
    assert nothing_is_stored(side)


@pytest.mark.parametrize("tenant", ["", " ", "a/b", "x" * 201, "a\x00"])
async def test_a_tenant_that_cannot_be_one(client, side, tenant):
    with refused("wrong_format", "tenant_id"):
        await client.enqueue(tenant, NewJob(handler="t.h"))
    assert nothing_is_stored(side)


@pytest.mark.parametrize(
    "tenant", ["학원-1", "a b", "ä.b:c@d+e_f", "7", "0194f3a2-1b2c-7d3e-8f40-123456789abc", "x" * 200]
)
async def test_a_tenant_of_any_language(client, side, tenant):
    await client.enqueue(tenant, NewJob(handler="t.h"))
    assert [job.tenant_id for job in side.claim(side.worker())] == [tenant]


async def test_lists_do_where_tuples_are_meant_and_whole_numbers_may_have_a_point(client, side):
    first = await client.enqueue("acme", NewJob(handler="t.h"))
    options = {"tags": ["a", "b"], "depends_on": [first.id], "priority": 5.0, "max_retries": 2.0}
    [made] = await client.enqueue_many("acme", [NewJob(handler="t.h", **options)])  # type: ignore[arg-type]
    row = side.rows("select tags, priority, max_retries, blocked_by from dure.job where id = %s", [made.id])
    assert row == [(["a", "b"], 5, 2, 1)]


async def test_too_many_jobs(client, side):
    with refused("too_many", "jobs"):
        await client.enqueue_many("acme", [NewJob(handler="t.h")] * 51)
    assert await client.enqueue_many("acme", []) == []
    assert nothing_is_stored(side)


async def test_all_or_none(client, side):
    with pytest.raises(UnknownHandler):
        await client.enqueue_many("acme", [NewJob(handler="t.h"), NewJob(handler="t.none")])
    assert nothing_is_stored(side)


async def test_many_kinds_in_one_call_are_answered_in_their_order(client, side):
    side.handler("t.a")
    jobs = [NewJob(handler=("t.h", "t.a")[n % 2], params={"n": n}, priority=n % 3) for n in range(20)]
    made = await client.enqueue_many("acme", jobs)
    stored = dict(side.rows("select id::text, params->>'n' from dure.job"))
    assert [stored[one.id] for one in made] == [str(n) for n in range(20)]
    assert all(one.created for one in made)


class TestDependenciesAskedFor:
    async def test_on_itself_by_ref(self, client, side):
        with refused("dependency_cycle", "depends_on"):
            await client.enqueue_many("acme", [NewJob(handler="t.h", ref="a", depends_on=("a",))])
        with refused("dependency_cycle", "depends_on"):
            await client.enqueue("acme", NewJob(handler="t.h", ref="a", depends_on=("a",)))
        assert nothing_is_stored(side)

    async def test_in_a_circle_by_refs(self, client, side):
        circle = [NewJob(handler="t.h", ref=a, depends_on=(b,)) for a, b in ("ab", "bc", "ca")]
        with pytest.raises(DependencyCycle):
            await client.enqueue_many("acme", [NewJob(handler="t.h", ref="z"), *circle])
        assert nothing_is_stored(side)

    async def test_two_refs_alike(self, client, side):
        with refused("duplicate", "ref"):
            await client.enqueue_many("acme", [NewJob(handler="t.h", ref="a"), NewJob(handler="t.h", ref="a")])

    async def test_on_what_does_not_exist(self, client, side):
        for field in ("depends_on", "parent_id"):
            other = str(uuid4())
            options: dict[str, Any] = {field: (other,) if field == "depends_on" else other}
            with pytest.raises(NotFound, match=other):
                await client.enqueue("acme", NewJob(handler="t.h", **options))
        assert nothing_is_stored(side)

    async def test_on_a_job_of_another_tenant(self, client, side):
        other = await client.enqueue("other", NewJob(handler="t.h"))
        for options in ({"depends_on": (other.id,)}, {"parent_id": other.id}):
            with pytest.raises(NotFound):
                await client.enqueue("acme", NewJob(handler="t.h", **options))  # type: ignore[arg-type]

    def test_ten_thousand_in_a_chain_are_ordered_at_once(self):
        jobs = [NewJob(handler="t.h", ref=str(n), depends_on=(str(n + 1),)) for n in range(9_999)]
        order = waves([*jobs, NewJob(handler="t.h", ref="9999")])
        assert order == [[n] for n in range(9_999, -1, -1)]


class Colour(enum.Enum):
    red = "red"
    blue = "blue"


class Address(BaseModel):
    city: str
    lines: list[str] = []


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    count: int
    ratio: float = 1.0
    flag: bool = False
    names: list[int] = []
    scores: dict[str, float] = {}
    note: str | None = None
    colour: Colour = Colour.red
    mode: Literal["fast", "slow"] = "fast"
    only: Literal["one"] = "one"
    when: datetime | None = None
    home: Address | None = None
    pair: tuple[int, str] = (1, "a")


GOOD: dict[str, Any] = {"text": "a", "count": 1}


@pytest.mark.parametrize(
    ("extra", "code", "field"),
    [
        ({"text": None}, "wrong_type", "params.text"),
        ({"text": 1}, "wrong_type", "params.text"),
        ({"count": "1"}, "wrong_type", "params.count"),
        ({"count": 1.5}, "wrong_type", "params.count"),
        ({"count": True}, "wrong_type", "params.count"),
        ({"ratio": "1"}, "wrong_type", "params.ratio"),
        ({"flag": 1}, "wrong_type", "params.flag"),
        ({"names": "a"}, "wrong_type", "params.names"),
        ({"names": [1, "b"]}, "wrong_type", "params.names[1]"),
        ({"scores": []}, "wrong_type", "params.scores"),
        ({"scores": {"a": "b"}}, "wrong_type", "params.scores.a"),
        ({"note": 1}, "wrong_type", "params.note"),
        ({"colour": "green"}, "not_one_of", "params.colour"),
        ({"mode": "medium"}, "not_one_of", "params.mode"),
        ({"only": "two"}, "not_one_of", "params.only"),
        ({"when": 1}, "wrong_type", "params.when"),
        ({"home": "here"}, "wrong_type", "params.home"),
        ({"home": {}}, "missing", "params.home.city"),
        ({"home": {"city": 1}}, "wrong_type", "params.home.city"),
        ({"home": {"city": "a", "lines": [2]}}, "wrong_type", "params.home.lines[0]"),
        ({"pair": [1, 2]}, "wrong_type", "params.pair[1]"),
        ({"texd": "a"}, "unknown_field", "params.texd"),
    ],
    ids=str,
)
def test_parameters_that_the_handler_does_not_declare_so(side, extra, code, field):
    side.handler("t.m", params_schema=Everything.model_json_schema())
    with refused(code, field):
        side.enqueue("t.m", {**GOOD, **extra})
    assert nothing_is_stored(side)


@pytest.mark.parametrize("name", ["text", "count"])
def test_parameters_that_are_missing(side, name):
    side.handler("t.m", params_schema=Everything.model_json_schema())
    with refused("missing", f"params.{name}"):
        side.enqueue("t.m", {other: value for other, value in GOOD.items() if other != name})


@pytest.mark.parametrize(
    "extra",
    [
        {}, {"note": None}, {"note": "a"}, {"count": 5.0}, {"ratio": 2}, {"when": "2030-01-01T00:00Z"}, {"home": None},
        {"home": {"city": "Seoul", "lines": ["a"]}}, {"colour": "blue"}, {"mode": "slow"}, {"only": "one"},
        {"names": [1, 2]}, {"scores": {"a": 1.5}}, {"pair": [1, "b"]}, {"count": 10**30},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_accepted_the_model_accepts_too(side, extra):
    side.handler("t.m", params_schema=Everything.model_json_schema())
    params = {**GOOD, **extra}
    job = side.enqueue("t.m", params)
    assert Everything.model_validate(side.one("select params from dure.job where id = %s", [job]))


def test_the_whole_batch_is_checked(side):
    side.handler("t.m", params_schema=Everything.model_json_schema())
    with refused("missing", "params.count"):
        side.one("select dure.enqueue_batch('t.m', %s, 'acme')", [json.dumps([GOOD, GOOD, {"text": "a"}])])
    assert nothing_is_stored(side)


async def test_a_thousand_at_once_do_not_wait_for_each_other(client, side):
    side.handler("t.a")
    jobs = [NewJob(handler=name, unique_key=str(n)) for n in range(8) for name in ("t.a", "t.h")]
    answers = await asyncio.gather(
        *(client.enqueue_many(f"tenant-{n % 2}", jobs[:: 1 if n % 4 < 2 else -1]) for n in range(24))
    )
    assert len({one.id for answer in answers for one in answer}) == 32
    assert sum(one.created for answer in answers for one in answer) == 32


def test_times_of_an_sql_client(side):
    for at in (
        "infinity",
        "-infinity",
        "9999-01-01",
        "2030-01-01T00:00:00+99:00",
        "soon",
        "2030-13-01",
        "2030-01-01 Nowhere/x",
    ):
        with refused("out_of_range" if at in ("infinity", "-infinity", "9999-01-01") else "wrong_type", "run_at"):
            side.one("select dure.enqueue_batch('t.h', '[{}]', 'acme', %s)", [json.dumps({"run_at": at})])
    assert nothing_is_stored(side)


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ('{"colour": "red"}', "unknown_field", "colour"),
        ("[]", "wrong_type", "options"),
        ('{"depends_on": [null]}', "not_found", None),
        ('{"depends_on": "x"}', "wrong_type", "depends_on"),
        ('{"tags": [null]}', "wrong_type", "tags"),
    ],
)
def test_options_of_an_sql_client(side, options, code, field):
    with refused(code, field):
        side.one("select dure.enqueue_batch('t.h', '[{}]', 'acme', %s)", [options])
    assert nothing_is_stored(side)


def test_a_batch_that_is_none(side):
    with refused("wrong_type", "params"):
        side.one("select dure.enqueue_batch('t.h', '{}', 'acme')")
    assert side.rows("select * from dure.enqueue_batch('t.h', '[]', 'acme')") == [([], [])]


def test_a_key_of_a_limit_has_a_limit(side):
    side.handler("t.k", key_from="user", key_concurrency_max=1)
    with refused("out_of_range", "params.user"):
        side.enqueue("t.k", {"user": "u" * 501})
    assert nothing_is_stored(side)


def test_a_time_that_has_come_is_now(side):
    job = side.enqueue(run_at=datetime.now(UTC) - timedelta(days=1))
    assert [one.id for one in side.claim(side.worker())] == [job]


def test_errors_of_the_database_itself_stay_what_they_are(side):
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        side.one("select dure.enqueue('t.h', %s, 'acme')", ['{"a": "\\u0000"}'])
    with pytest.raises(Invalid):
        raise Invalid(field="a", reason="missing")
