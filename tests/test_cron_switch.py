"""The switch of the older queue, as its document uses it."""

import psycopg
import pytest

from dure.errors import DureError
from dure.intents.switching import handlers, switch, switched
from dure.queue.registry import Registry
from dure.runtime.doctor import Patient, examine
from dure.schedule.ticker import Ticker
from intending import CATALOGUE, allow, working
from queueing import all_ended, known, make, one, rows, settings, until


async def job(database):
    statement = "select jobid, schedule, jobname, active from cron.job where jobname = 'worker-process-job'"
    return (await rows(database, statement))[0]


async def insert(database):
    values = "values ('acme', 'test.get.double', '{\"n\": 3}')"
    await rows(database, f"insert into job_executions (tenant_id, intent_key, intent_params) {values}")


async def test_on_and_off_as_the_document_does_it(database):
    assert await job(database) == (1, "* * * * *", "worker-process-job", False)
    await allow(database)
    await rows(database, "update cron.job set active = true where jobname = 'worker-process-job'")
    assert (await job(database))[3]
    await rows(database, "update cron.job set active = false where jobname = 'worker-process-job'")
    assert not (await job(database))[3]
    async with working(database):
        await insert(database)
        assert (await switched(database)).running is False
        await rows(database, "update cron.job set active = true where jobname = 'worker-process-job'")
        # At once, and not at the next minute.
        await until(lambda: rows(database, "select from job_executions where status = 'completed'"))
    assert await one(database, "select count(*) from dure.schedule where name = 'worker-process-job'") == 1


async def test_while_it_is_off_jobs_wait(database):
    await allow(database)
    await switch(database, False, actor="kim")
    await known(database, Registry(entries=CATALOGUE.entries()))
    async with working(database):
        await insert(database)
        other = make(database, Registry())
        await other.start()
        await other.stop(0)
        assert await rows(database, "select status from job_executions") == [("pending",)]
        await switch(database, True, actor="kim")
        await until(lambda: rows(database, "select from job_executions where status = 'completed'"))


async def test_each_tick_is_told(database):
    await switch(database, True, actor="kim")
    await rows(database, "update dure.schedule set next_fire_at = date_trunc('minute', dure.now())")
    registry = Registry(handlers(database))
    worker = make(database, registry)
    await worker.start()
    assert await Ticker(database, settings()).tick() == 1
    await all_ended(database)
    await worker.stop(0)
    statement = "select jobid, status, return_message, end_time >= start_time from cron.job_run_details"
    assert await rows(database, statement) == [(1, "succeeded", '{"moved": 0}', True)]


async def test_only_the_switch_is_changed_there(database):
    for statement in (
        "update cron.job set schedule = '0 * * * *' where jobid = 1",
        "delete from cron.job",
        "insert into cron.job (jobname, schedule) values ('x', '* * * * *')",
    ):
        with pytest.raises(DureError, match="worker-process-job"):
            await rows(database, statement)


def test_a_tenant_may_not_switch_it(url):
    with psycopg.connect(url, autocommit=True) as app:
        app.execute("select set_config('dure.tenant_id', 'acme', false)")
        app.execute("set role dure_app")
        assert app.execute("select active from cron.job").fetchall() == [(False,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("update cron.job set active = true")


async def test_schedules_are_seen_there_too(database):
    await rows(
        database,
        "insert into dure.schedule (tenant_id, name, rule, zone, handler, author)"
        " values ('acme', 'nightly', '{\"kind\": \"cron\", \"expr\": \"0 9 * * *\"}', 'UTC',"
        " 'dure.intents.tick', 'kim')",
    )
    found = await rows(database, "select schedule, command, active from cron.job where jobname = 'nightly'")
    assert found == [("0 9 * * *", "dure.intents.tick", True)]


async def test_the_name_of_pg_cron_is_left_alone(database):
    """Somebody's own schema of that name is not touched; where it is gone, the views can be made by asking."""
    await rows(database, "drop schema cron cascade")
    await rows(database, "create schema cron")
    assert await one(database, "select dure.make_cron_face()") is False
    await rows(database, "drop schema cron")
    assert await one(database, "select dure.make_cron_face()") is True
    assert await one(database, "select dure.make_cron_face()") is False
    assert (await job(database))[2] == "worker-process-job"


async def test_the_doctor_says_whose_cron_job_is(database):
    async def found():
        (finding,) = [one for one in await examine(Patient(settings(), database, embedded=True)) if one.check == "cron"]
        return finding.level, finding.key

    assert await found() == ("ok", "cron_views")
    await rows(database, "drop schema cron cascade")
    assert await found() == ("ok", "cron_none")
    await rows(database, "create schema cron")
    assert await found() == ("warn", "cron_foreign")
