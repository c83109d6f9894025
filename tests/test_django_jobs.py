"""Jobs asked for in Django's transaction, and a worker in whose handlers the ORM may be used."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import djangos
from dure.errors import Invalid, UnknownHandler

djangos.ready()

from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import override_settings  # noqa: E402

from django_shop.models import Order  # noqa: E402
from dure.contrib.django import aenqueue, database_url, dure_settings, enqueue  # noqa: E402
from dure.contrib.django.models import Job, Run  # noqa: E402
from dure.contrib.django.working import worker_runtime  # noqa: E402

# One process, one database: it takes Django a while to migrate.
pytestmark = pytest.mark.xdist_group("django_jobs")


@pytest.fixture(scope="module")
def migrated(shared_url):
    with djangos.on(shared_url):
        djangos.migrated()
    return shared_url


@pytest.fixture
def shop(migrated):
    with djangos.on(migrated):
        with psycopg.connect(migrated, autocommit=True) as one:
            one.execute("delete from dure.job; delete from dure.ready; delete from django_shop_order")
        yield migrated


def count(url):
    with psycopg.connect(url) as one:
        return one.execute("select count(*) from dure.job").fetchone()[0]


class Stop(Exception):
    pass


def test_a_job_lives_and_dies_with_the_transaction(shop):
    with pytest.raises(Stop), transaction.atomic():  # noqa: PT012
        Order.objects.create(note="a")
        enqueue("shop.pay", {"note": "a"})
        raise Stop
    assert (Order.objects.count(), Job.objects.count()) == (0, 0)
    with transaction.atomic():
        Order.objects.create(note="a")
        made = enqueue("shop.pay", {"note": "a"}, priority=5, tags=("x",))
        assert count(shop) == 0
    job = Job.objects.of_tenant().get()
    assert (str(job.id), job.tenant_id, job.priority, job.tags, job.params) == (
        made.id,
        "shop",
        5,
        ["x"],
        {"note": "a"},
    )


def test_a_savepoint_takes_back_its_jobs_alone(shop):
    with transaction.atomic():
        enqueue("shop.pay", {"note": "a"})
        with pytest.raises(UnknownHandler), transaction.atomic():
            enqueue("shop.nothing")
        enqueue("shop.pay", {"note": "b"})
    assert count(shop) == 2


def test_another_tenant_when_it_is_named(shop):
    enqueue("shop.pay", {"note": "a"}, tenant="elsewhere")
    assert Job.objects.of_tenant().count() == 0
    assert Job.objects.of_tenant("elsewhere").count() == 1


def test_from_async_code(shop):
    async def view():
        return await aenqueue("shop.pay", {"note": "a"}, unique_key="k")

    assert asyncio.run(view()).created
    assert count(shop) == 1


def test_the_models_cannot_write(shop):
    enqueue("shop.pay", {"note": "a"})
    job = Job.objects.get()
    for write in (
        job.save,
        job.delete,
        Job.objects.all().delete,
        lambda: Job.objects.update(state="completed"),
        lambda: Job.objects.create(tenant_id="shop"),
        lambda: Run.objects.get_or_create(tenant_id="shop"),
        lambda: Job.objects.bulk_create([job]),
    ):
        with pytest.raises(TypeError, match="read-only"):
            write()
    assert Job.objects.get().state == "pending"


@pytest.mark.parametrize("handler", ["shop.pay", "shop.pay_async", "shop.pay_apart"])
def test_handlers_use_the_orm(shop, handler):
    Order.objects.create(note="a")
    with djangos.working():
        enqueue(handler, {"note": "a"})
    job = Job.objects.get()
    assert (job.state, job.error) == ("completed", None)
    assert Order.objects.get().paid
    if handler == "shop.pay_apart":
        assert job.result != os.getpid()


def test_a_suspect_runs_apart_with_django_ready(shop):
    Order.objects.create(note="a")
    made = enqueue("shop.pay", {"note": "a"})
    with psycopg.connect(shop, autocommit=True) as one:
        one.execute("update dure.job set crash_count = 1 where id = %s", [made.id])
    with djangos.working():
        pass
    job = Job.objects.get()
    assert (job.state, job.result["thread"]) == ("completed", "dure.isolated")
    assert Order.objects.get().paid


def test_a_connection_is_given_back_after_each_job(shop):
    assert len(set(backends(shop, lambda _pids: None))) == 2


def test_a_connection_that_died_is_replaced_for_the_next_job(shop):
    def kill(pids):
        if len(pids) > 1:
            return
        with psycopg.connect(shop, autocommit=True) as one:
            assert one.execute("select pg_terminate_backend(%s, 5000)", [pids[0]]).fetchone() == (True,)

    with djangos.on(shop, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True):
        kept = backends(shop, lambda _pids: None)
        assert kept[0] == kept[1]
        replaced = backends(shop, kill)
        assert replaced[0] != replaced[1]
        assert set(Job.objects.values_list("attempt", flat=True)) == {1}
        connection.close()


def backends(url, between):
    """The backends of the connection that each of two jobs had, one after the other in the one thread of a worker."""

    async def work():
        async with worker_runtime(dure_settings(threads=1)) as runtime:
            pids = []
            for _ in range(2):
                made = await aenqueue("shop.backend")
                await runtime.worker.wait_idle()
                job = await runtime.jobs.get("shop", made.id)
                pids.append(job.result["pid"])
                between(pids)
            # A kept connection is its thread's alone to close.
            await aenqueue("shop.close")
            await runtime.worker.wait_idle()
            return pids

    return asyncio.run(work())


def test_the_url_is_what_django_connects_to(shop):
    with psycopg.connect(database_url()) as one, connection.cursor() as cursor:
        cursor.execute("select current_database(), inet_server_port(), current_user")
        assert (
            one.execute("select current_database(), inet_server_port(), current_user").fetchone() == cursor.fetchone()
        )


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (
            {"HOST": "db.example", "PORT": 6432, "PASSWORD": "a/b@c:d?e"},
            {"host": "db.example", "port": "6432", "password": "a/b@c:d?e"},
        ),
        ({"HOST": "/run/pg sock"}, {"host": "/run/pg sock"}),
        ({"HOST": "::1"}, {"host": "::1"}),
        ({"HOST": "a,b", "PORT": "1,2"}, {"host": "a,b", "port": "1,2"}),
        ({"OPTIONS": {"sslmode": "require", "assume_role": "shop"}}, {"sslmode": "require", "options": "-c role=shop"}),
        ({"OPTIONS": {"options": "-c search_path=x"}}, {"options": "-c search_path=x"}),
    ],
    ids=["password", "socket", "six", "hosts", "role", "options"],
)  # fmt: skip
def test_every_way_to_say_where_the_database_is(shop, entry, parts):
    before = dict(connection.settings_dict)
    connection.settings_dict.update(
        {"NAME": "나의 db", "USER": "kim@x", "HOST": "", "PORT": "", "PASSWORD": "", **entry}
    )
    try:
        found = psycopg.conninfo.conninfo_to_dict(database_url())
    finally:
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
    assert found.items() >= {"dbname": "나의 db", "user": "kim@x", **parts}.items()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"COLOUR": "red"}, "DURE['COLOUR']"),
        ({"TENANT": "a/b"}, "DURE['TENANT']"),
        ({"TASKS": "shop.tasks"}, "DURE['TASKS']"),
        ({"THREADS": 0}, "DURE['THREADS']"),
        (["x"], "DURE"),
    ],
)
def test_a_wrong_setting_is_named(shop, given, field):
    with override_settings(DURE=given):
        with pytest.raises(Invalid) as caught:
            dure_settings()
        assert field in caught.value.fields
        with pytest.raises(CommandError, match="E001"):
            call_command("check")


def test_a_database_of_another_kind_is_refused(shop):
    with djangos.other("django.db.backends.sqlite3"), pytest.raises(Invalid, match="postgresql"):
        database_url("other")


def test_the_command_runs_jobs_and_ends_when_told(shop):
    Order.objects.create(note="a")
    made = enqueue("shop.pay", {"note": "a"})
    environment = {**os.environ, "DJANGO_TEST_URL": shop, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "dure_worker", "--settings", "django_project"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "is ready" in process.stdout.readline(), process.communicate(timeout=5)[1]
        with psycopg.connect(shop, autocommit=True) as one:
            one.execute("listen done")
            while one.execute("select state from dure.job where id = %s", [made.id]).fetchone() != ("completed",):
                next(one.notifies(timeout=0.02, stop_after=1), None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    assert Order.objects.get().paid


def test_the_command_says_that_the_schema_is_missing(empty_url):
    with djangos.on(empty_url), pytest.raises(CommandError, match="dure db migrate"):
        call_command("dure_worker")
