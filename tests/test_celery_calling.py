"""Tasks of a real Celery worker, on a real Redis, called as handlers."""

import asyncio

import pytest

import fleets
from queueing import ask, ended, in_state, job, jobs_of, known, rows, running, story, until

if fleets.REDIS is None:
    pytest.skip(fleets.WHY, allow_module_level=True)

from celery import Celery

from celery_fleet import Gone
from dure.contrib.celery import celery_handler
from dure.errors import Invalid

# One fleet for all of them; and the warnings are Celery's, of the Redis client that it uses.
pytestmark = [pytest.mark.xdist_group("celery"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def fleet_url():
    with fleets.fleet() as url:
        yield url


@pytest.fixture
def app(fleet_url):
    with fleets.application(fleet_url) as one:
        one.conf.task_default_queue = "fleet"
        yield one


def times(app, key):
    return int(app.backend.client.get(f"times:{key}") or 0)


async def test_a_task_runs_elsewhere_and_its_result_comes_back(database, app):
    async with running(database, [celery_handler(app, "fleet.add")]):
        one = await ended(database, await ask(database, "celery.fleet.add", {"args": [2], "kwargs": {"b": 40}}))
    assert (one.state, one.result) == ("completed", 42)


async def test_many_wait_at_once_in_one_worker(database, app):
    async with running(database, [celery_handler(app, "fleet.add")], threads=1):
        ids = [await ask(database, "celery.fleet.add", {"args": [n]}) for n in range(40)]
        assert [(await ended(database, one)).result for one in ids] == [n + 1 for n in range(40)]


@pytest.mark.parametrize(
    ("kind", "given", "state", "name"),
    [
        ("value", {}, "failed", "ValueError"),
        ("os", {}, "pending", "OSError"),
        ("gone", {}, "pending", "Gone"),
        ("gone", {"final": ("Gone",)}, "failed", "Final"),
        ("gone", {"final": (Gone,)}, "failed", "Final"),
        ("value", {"retryable": ("ValueError",)}, "pending", "Retryable"),
    ],
)
async def test_a_failure_is_tried_again_by_its_class(database, app, kind, given, state, name):
    async with running(database, [celery_handler(app, "fleet.fail", **given)]):
        one = await ask(database, "celery.fleet.fail", {"args": [kind]})
        await until(lambda: story(database, one))
        found = await job(database, one)
        assert found.state == state
        assert (await story(database, one))[0][2] == name
        assert "it went wrong" in found.error


async def test_another_attempt_sends_the_task_anew(database, app):
    async with running(database, [celery_handler(app, "fleet.Flaky")]):
        one = await ended(database, await ask(database, "celery.fleet.flaky", {"args": ["anew"]}))
    assert (one.state, one.result, one.retry_count) == ("completed", {"times": 2}, 1)


async def test_celerys_own_retries_are_waited_for(database, app):
    async with running(database, [celery_handler(app, "fleet.again", name="old.again")]):
        one = await ended(database, await ask(database, "old.again", {"kwargs": {"key": "own"}}), patience_s=60)
    assert (one.state, one.result, one.attempt) == ("completed", "at last", 1)
    assert times(app, "own") == 2


async def test_a_task_is_not_sent_twice_when_its_worker_stops(database, app):
    wait = celery_handler(app, "fleet.wait")
    async with running(database, [wait]):
        one = await ask(database, "celery.fleet.wait", {"args": ["adopted"]})
        await until(lambda: times(app, "adopted"))
    assert (await job(database, one)).state == "pending"
    async with running(database, [wait]):
        await in_state(database, one, "processing")
        app.backend.client.rpush("go:adopted", 1)
        found = await ended(database, one)
    assert (found.state, found.result) == ("completed", 1)
    assert times(app, "adopted") == 1


async def test_a_result_that_came_while_nobody_looked_is_taken(database, app):
    wait = celery_handler(app, "fleet.wait")
    async with running(database, [wait]):
        one = await ask(database, "celery.fleet.wait", {"args": ["late"]})
        await until(lambda: times(app, "late"))
    app.backend.client.rpush("go:late", 1)
    await until(lambda: app.AsyncResult(one).successful())
    async with running(database, [wait]):
        assert (await ended(database, one)).result == 1
    assert times(app, "late") == 1


async def test_a_cancelled_job_revokes_its_task(database, app):
    async with running(database, [celery_handler(app, "fleet.add", celery_queue="nobody")]):
        one = await ask(database, "celery.fleet.add", {"args": [1]})
        await until(lambda: app.AsyncResult(one).state == "DURE_SENT")
        await jobs_of(database).cancel("acme", one, reason="no longer wanted", actor="kim")
        assert (await ended(database, one)).state == "cancelled"
    await until(lambda: asyncio.to_thread(revoked, app, one))


async def test_a_cancelled_job_that_is_retried_has_a_task_of_its_own(database, app):
    async with running(database, [celery_handler(app, "fleet.wait")]):
        one = await ask(database, "celery.fleet.wait", {"args": ["second life"]})
        await until(lambda: times(app, "second life"))
        await jobs_of(database).cancel("acme", one, reason="", actor="kim")
        assert (await ended(database, one)).state == "cancelled"
        await until(lambda: asyncio.to_thread(revoked, app, one))
        await jobs_of(database).retry("acme", one, actor="kim")
        await until(lambda: times(app, "second life") == 2)
        app.backend.client.rpush("go:second life", 1, 1)
        assert (await ended(database, one)).result == 2


def revoked(app, task_id):
    return any(task_id in ids for ids in (app.control.inspect(timeout=0.3).revoked() or {}).values())


async def test_a_task_that_does_not_end_is_given_up(database, app):
    slow = celery_handler(app, "fleet.add", celery_queue="nobody", wait_s=0.2, max_retries=0)
    async with running(database, [slow]):
        one = await ended(database, await ask(database, "celery.fleet.add", {"args": [1]}))
    assert (one.state, one.error_class) == ("failed", "TimeoutError")
    await until(lambda: asyncio.to_thread(revoked, app, one.id))


async def test_a_task_that_somebody_else_revoked_has_failed(database, app):
    async with running(database, [celery_handler(app, "fleet.wait")]):
        one = await ask(database, "celery.fleet.wait", {"args": ["revoked"]})
        await until(lambda: times(app, "revoked"))
        app.backend.mark_as_revoked(one, "by an operator")
        found = await ended(database, one)
    app.backend.client.rpush("go:revoked", 1)
    assert (found.state, found.error_class) == ("failed", "Final")


async def test_a_broker_that_is_away_is_tried_again(database):
    away = Celery("away", broker="redis+socket:///nowhere/redis.sock", backend="redis+socket:///nowhere/redis.sock")
    async with running(database, [celery_handler(away, "fleet.add")]):
        one = await ask(database, "celery.fleet.add", {"args": [1]})
        await until(lambda: story(database, one))
        assert (await job(database, one)).state == "pending"
    away.close()


async def test_parameters_are_checked(database, app):
    async with running(database, [celery_handler(app, "fleet.add")]):
        with pytest.raises(Invalid, match="known"):
            await ask(database, "celery.fleet.add", {"a": 1})


async def test_the_database_is_told_what_a_handler_takes(database, app):
    await known(database, [celery_handler(app, "fleet.add")])
    found = await rows(
        database,
        "select description, params_schema -> 'properties' from dure.handler where handler = 'celery.fleet.add'",
    )
    assert found[0][0] == "Runs the Celery task fleet.add."
    assert set(found[0][1]) == {"args", "kwargs"}


@pytest.mark.parametrize(
    ("conf", "field"),
    [
        ({"task_serializer": "pickle"}, "task_serializer"),
        ({"result_serializer": "pickle"}, "result_serializer"),
        ({"accept_content": ["json", "pickle"]}, "accept_content"),
        ({"result_accept_content": ["application/x-python-serialize"]}, "result_accept_content"),
        ({"result_backend": None}, "result_backend"),
    ],
)
def test_anything_but_json_is_refused(conf, field):
    other = Celery("other", broker="memory://", backend="cache+memory://")
    other.conf.update(conf)
    with pytest.raises(Invalid) as caught:
        celery_handler(other, "fleet.add")
    assert field in caught.value.fields
