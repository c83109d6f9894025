"""Django's own tasks on Dure: enqueued in a transaction, run by a worker, only those that the settings allow."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

import djangos
from django_project import HAS_TASKS

if not HAS_TASKS:
    pytest.skip("neither django.tasks nor the package django-tasks is here", allow_module_level=True)

djangos.ready()

from django.db import transaction  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from django_shop import tasks  # noqa: E402
from django_shop.models import Order  # noqa: E402
from dure.contrib.django.models import Job  # noqa: E402
from dure.contrib.django.tasks import InvalidTask, TaskResultDoesNotExist, task_finished, task_started  # noqa: E402
from dure.ids import uuid7  # noqa: E402

# One process, one database: it takes Django a while to migrate.
pytestmark = pytest.mark.xdist_group("django_tasks")


@pytest.fixture(scope="module")
def migrated(shared_url):
    with djangos.on(shared_url):
        djangos.migrated()
    return shared_url


@pytest.fixture
def shop(migrated):
    with djangos.on(migrated):
        with psycopg.connect(migrated, autocommit=True) as one:
            one.execute(
                "delete from dure.job; delete from dure.ready; delete from dure.later; delete from django_shop_order"
            )
        yield migrated


def status(result):
    result.refresh()
    return str(result.status)


def test_a_task_lives_and_dies_with_the_transaction(shop):
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        tasks.pay.enqueue("a")
        raise ZeroDivisionError
    assert Job.objects.count() == 0
    with transaction.atomic():
        result = tasks.pay.enqueue("a")
    assert (str(result.status), result.is_finished) == ("READY", False)
    assert Job.objects.get().handler == "django.tasks.run"


def test_it_runs_with_the_orm_and_its_value_comes_back(shop):
    Order.objects.create(note="a")
    with djangos.working():
        result = tasks.pay.enqueue(note="a")
    assert status(result) == "SUCCESSFUL"
    assert result.return_value == "paid a"
    assert Order.objects.get().paid
    assert result.attempts == 1
    assert result.enqueued_at <= result.started_at <= result.finished_at


def test_an_async_task_runs_on_the_loop(shop):
    async def view():
        return await tasks.add.aenqueue(1, b=2)

    with djangos.working():
        result = asyncio.run(view())
    assert status(result) == "SUCCESSFUL"
    assert result.return_value == {"sum": 3}
    assert Job.objects.get().handler == "django.tasks.run_async"


def test_a_task_sees_its_context(shop):
    with djangos.working():
        result = tasks.tell.enqueue(word="hi")
    assert status(result) == "SUCCESSFUL"
    assert result.return_value == ["hi", 1, result.id]


@pytest.mark.parametrize(("name", "kind"), [("refuse", ValueError), ("lose", tasks.Gone)])
def test_a_failure_names_its_class_and_is_not_retried(shop, name, kind):
    with djangos.working():
        result = getattr(tasks, name).enqueue()
    assert status(result) == "FAILED"
    assert [error.exception_class for error in result.errors] == [kind]
    assert "Traceback" in result.errors[0].traceback
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    assert Job.objects.get().attempt == 1


def test_priority_queue_and_time_are_kept(shop):
    later = timezone.now() + timedelta(hours=1)
    tasks.pay.using(priority=7, queue_name="mail", run_after=later).enqueue("a")
    job = Job.objects.get()
    assert (job.priority, job.run_at) == (7, later)
    with djangos.working():
        pass
    assert Job.objects.get().state == "pending"


def test_what_is_not_allowed_is_neither_taken_nor_run(shop):
    result = tasks.pay.enqueue("a")
    with override_settings(DURE={"TENANT": "shop", "TASKS": ["json"]}), pytest.raises(InvalidTask, match="DURE"):
        tasks.pay.enqueue("a")
    with psycopg.connect(shop, autocommit=True) as one:
        one.execute("update dure.job set params = params || %s::jsonb", ['{"task": "os.getcwd"}'])
    with djangos.working():
        pass
    job = Job.objects.get(id=result.id)
    assert (job.state, job.error_class) == ("failed", "Final")
    assert "os.getcwd" in job.error


def test_results_of_others_do_not_exist(shop):
    result = tasks.pay.enqueue("a")
    backend = tasks.pay.get_backend()
    for wrong in ("no id", uuid7()):
        with pytest.raises(TaskResultDoesNotExist):
            backend.get_result(wrong)
    other = {"TENANT": "other", "TASKS": ["django_shop.tasks"]}
    with override_settings(DURE=other), pytest.raises(TaskResultDoesNotExist):
        backend.get_result(result.id)
    assert backend.get_result(result.id).args == ["a"]


def test_signals_tell_of_start_and_end(shop):
    told = []

    def note(sender, task_result, **_more):
        told.append(str(task_result.status))

    task_started.connect(note)
    task_finished.connect(note)
    try:
        with djangos.working():
            tasks.pay.enqueue("a")
        with djangos.working():
            tasks.refuse.enqueue()
    finally:
        task_started.disconnect(note)
        task_finished.disconnect(note)
    assert told == ["RUNNING", "SUCCESSFUL", "RUNNING", "FAILED"]


def test_a_backend_without_allowed_modules_is_told_of(shop):
    with override_settings(DURE={"TENANT": "shop"}):
        messages = tasks.pay.get_backend().check()
    assert [message.id for message in messages] == ["dure.E002"]


def test_arguments_must_be_json(shop):
    with pytest.raises(TypeError):
        tasks.pay.enqueue(object())
    assert Job.objects.count() == 0
