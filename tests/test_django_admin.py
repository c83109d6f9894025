"""The admin shows one tenant's rows, changes nothing by itself, and acts only for who may, under their name."""

import asyncio

import psycopg
import pytest

import djangos
from dure.db.pool import Database
from dure.queue.client import Client
from dure.queue.model import NewJob
from dure.schedule.model import NewSchedule
from dure.settings import Settings

djangos.ready()

from django.contrib.auth.models import Permission, User  # noqa: E402
from django.core.paginator import Paginator  # noqa: E402
from django.test import Client as Browser  # noqa: E402

from dure import Schedules  # noqa: E402
from dure.contrib.django import enqueue  # noqa: E402
from dure.contrib.django.models import Job, Run, Schedule  # noqa: E402

PAGES = ("job", "run", "schedule", "window")


# One process, one database: it takes Django a while to migrate.
pytestmark = pytest.mark.xdist_group("django_admin")


@pytest.fixture(scope="module")
def migrated(shared_url):
    with djangos.on(shared_url):
        djangos.migrated()
    return shared_url


@pytest.fixture
def shop(migrated):
    with djangos.on(migrated):
        with psycopg.connect(migrated, autocommit=True) as one:
            one.execute("delete from dure.job; delete from dure.ready; delete from dure.schedule; delete from dure.run")
        User.objects.all().delete()
        yield migrated


def browser(*permissions, staff=True):
    user = User.objects.create(username="kim", is_staff=staff)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="dure", codename__in=permissions))
    made = Browser()
    made.force_login(user)
    return made


def act(one, model, action, *rows, **headers):
    ids = [str(row) for row in rows]
    return one.post(f"/admin/dure/{model}/", {"action": action, "_selected_action": ids}, follow=True, headers=headers)


def failed_job(url, **given):
    made = enqueue("shop.pay", {"note": "<b>bold</b>"}, **given)
    with psycopg.connect(url, autocommit=True) as one:
        one.execute("delete from dure.ready where %s::uuid = any(ids)", [made.id])
        one.execute(
            "update dure.job set state = 'failed', finished_at = dure.now(), error_class = 'E<i>' where id = %s",
            [made.id],
        )
        one.execute("insert into dure.trouble select id, tenant_id, state from dure.job where id = %s", [made.id])
        one.execute(
            "insert into dure.attempt (job_id, attempt, tenant_id, outcome, error_class, error)"
            " values (%s, 1, 'shop', 'failed', 'E', '<script>')",
            [made.id],
        )
    return made.id


def schedule(url, name="nightly", tenant="shop"):
    async def make():
        async with Database(url) as database:
            wanted = NewSchedule(name=name, rule={"kind": "daily", "at": ["02:00"]}, handler="shop.pay")
            return await Schedules(database, Settings(database_url=url)).create(tenant, wanted, actor="lee")

    return asyncio.run(make()).id


def planned_run(url, author="lee", tenant="shop"):
    with psycopg.connect(url, autocommit=True) as one:
        return one.execute(
            "insert into dure.run (tenant_id, operation, author, state, plan_hash, planned_at, expires_at) values"
            " (%s, 'dure.sql', %s, 'planned', repeat('a', 64), dure.now(), dure.now() + interval '1 day') returning id",
            [tenant, author],
        ).fetchone()[0]


def test_who_has_no_permission_sees_nothing(shop):
    one = browser()
    assert b"Dure" not in one.get("/admin/").content
    for page in PAGES:
        assert one.get(f"/admin/dure/{page}/").status_code == 403
    assert browser_refused(shop) == 302


def browser_refused(_shop):
    return Browser().get("/admin/dure/job/").status_code


def test_pages_show_and_escape(shop):
    job, plan = failed_job(shop), planned_run(shop)
    named = schedule(shop)
    one = browser(*(f"view_{page}" for page in PAGES))
    for page, row in (("job", job), ("run", plan), ("schedule", named)):
        assert str(row) in one.get(f"/admin/dure/{page}/").content.decode()
        shown = one.get(f"/admin/dure/{page}/{row}/change/").content.decode()
        assert 'name="_save"' not in shown
        assert "<b>bold" not in shown
        assert "&lt;script&gt;" in shown or page != "job"
    assert one.get("/admin/dure/window/").status_code == 200


def test_nothing_can_be_added_changed_or_deleted(shop):
    job = failed_job(shop)
    one = browser(*(f"{verb}_{page}" for verb in ("view", "change", "add", "delete") for page in PAGES))
    for page in PAGES:
        assert one.get(f"/admin/dure/{page}/add/").status_code == 403
    assert one.post(f"/admin/dure/job/{job}/change/", {"state": "completed"}).status_code == 403
    assert one.post(f"/admin/dure/job/{job}/delete/", {"post": "yes"}).status_code == 403
    assert act(one, "job", "delete_selected", job).status_code == 200
    assert Job.objects.get().state == "failed"


def test_other_tenants_are_not_shown(shop):
    theirs = failed_job(shop, tenant="elsewhere")
    one = browser("view_job", "change_job")
    assert str(theirs) not in one.get("/admin/dure/job/").content.decode()
    assert one.get(f"/admin/dure/job/{theirs}/change/").status_code == 302
    act(one, "job", "retry", theirs)
    assert Job.objects.get().state == "failed"


def test_who_may_see_may_not_act(shop):
    job, plan, named = failed_job(shop), planned_run(shop), schedule(shop)
    one = browser(*(f"view_{page}" for page in PAGES), "change_run")
    for page, action, row in (("job", "retry", job), ("run", "approve", plan), ("schedule", "pause", named)):
        assert f'value="{action}"' not in one.get(f"/admin/dure/{page}/").content.decode()
        act(one, page, action, row)
    assert (Job.objects.get().state, Run.objects.get().state) == ("failed", "planned")
    assert Schedule.objects.get().paused_at is None


def test_jobs_are_retried_and_cancelled_under_the_users_name(shop):
    bad, waiting = failed_job(shop), enqueue("shop.pay", {"note": "b"}).id
    one = browser("view_job", "change_job")
    shown = act(one, "job", "retry", bad, waiting).content.decode()
    assert "Jobs given a new life: 1." in shown
    assert "pending" in shown
    assert Job.objects.get(id=bad).state == "pending"
    assert "1." in act(one, "job", "cancel", waiting).content.decode()
    assert Job.objects.get(id=waiting).state == "cancelled"
    with psycopg.connect(shop) as look:
        rows = look.execute("select verb, subject from dure.event where actor = 'django:kim' order by verb").fetchall()
    assert rows == [("cancel", f"job:{waiting}"), ("retry", f"job:{bad}")]


def test_schedules_are_paused_resumed_and_run(shop):
    named = schedule(shop)
    one = browser("view_schedule", "change_schedule")
    act(one, "schedule", "pause", named)
    assert Schedule.objects.get().paused_by == "django:kim"
    act(one, "schedule", "run_now", named)
    assert Job.objects.get().handler == "shop.pay"
    assert "manual" in one.get(f"/admin/dure/schedule/{named}/change/").content.decode()
    act(one, "schedule", "resume", named)
    assert Schedule.objects.get().paused_at is None


def test_runs_are_approved_and_rejected(shop):
    plans = [planned_run(shop), planned_run(shop)]
    one = browser("view_run", "approve_run")
    act(one, "run", "approve", plans[0])
    act(one, "run", "reject", plans[1])
    assert [Run.objects.get(id=plan).state for plan in plans] == ["approved", "rejected"]
    with psycopg.connect(shop) as look:
        assert look.execute("select distinct actor from dure.approval").fetchall() == [("django:kim",)]


def test_search_finds_by_id_and_by_the_beginning_of_a_name(shop):
    job = failed_job(shop)
    other = enqueue("shop.backend").id
    one = browser("view_job")

    def found(term):
        text = one.get("/admin/dure/job/", {"q": term}).content.decode()
        return {row for row in (job, other) if f"/admin/dure/job/{row}/" in text}

    assert found(job) == {job}
    assert found("shop.b") == {other}
    assert found("shop.") == {job, other}
    assert found("0198") == set()


@pytest.mark.parametrize("state", ["failed", "pending"])
def test_the_filter_finds_jobs_by_state(shop, state):
    jobs = {"failed": failed_job(shop), "pending": enqueue("shop.backend").id}
    text = browser("view_job").get("/admin/dure/job/", {"state": state}).content.decode()
    assert {name for name, row in jobs.items() if f"/admin/dure/job/{row}/" in text} == {state}


def test_it_speaks_korean(shop):
    job = failed_job(shop)
    one = browser("view_job", "change_job")
    assert (
        "선택한 작업을 다시 시도합니다"
        in one.get("/admin/dure/job/", headers={"accept-language": "ko"}).content.decode()
    )
    assert "다시 시도하는 작업: 1개." in act(one, "job", "retry", job, **{"accept-language": "ko"}).content.decode()


def test_a_list_is_counted_only_so_far(shop, monkeypatch):
    from dure.contrib.django import admin

    async def fill():
        async with Database(shop) as database:
            client = Client(database, Settings(database_url=shop))
            await client.enqueue_many("shop", [NewJob(handler="shop.pay", params={"n": n}) for n in range(30)])

    asyncio.run(fill())
    monkeypatch.setattr(admin, "COUNT_MAX", 20)
    assert admin.BoundedPaginator(Job.objects.all(), 10).num_pages == 2
    assert Paginator(Job.objects.all(), 10).num_pages == 3
