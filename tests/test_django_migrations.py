"""`manage.py migrate` and `dure db migrate` do the same, whoever comes first, and neither twice."""

import asyncio
import io
import re
from importlib import resources

import psycopg
import pytest

import djangos
from dure.db import migrate
from dure.db.pool import Database

djangos.ready()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

LABELS = [file.label for file in migrate.migrations()]


def said(*words, **options):
    out = io.StringIO()
    call_command(*words, stdout=out, no_color=True, **options)
    return out.getvalue()


def by_dure(url):
    async def work():
        async with Database(url) as database:
            return [f"{one.number:04}_{one.name}.{one.phase}" for one in await migrate.migrate(database)]

    return asyncio.run(work())


def applied(url):
    with psycopg.connect(url) as one:
        rows = one.execute("select number, name, phase from dure.migration order by number, phase desc").fetchall()
    return [f"{number:04}_{name}.{phase}" for number, name, phase in rows]


def noted():
    return re.findall(r"\[X\] (\S+)", said("showmigrations", "dure"))


def test_each_of_dures_files_is_a_migration_of_django():
    files = {entry.name[:-3] for entry in resources.files("dure.contrib.django.migrations").iterdir()}
    named = {f"{f.number:04}_{f.name}" + ("_post" if f.phase == "post" else "") for f in migrate.migrations()}
    assert {name for name in files if name[:4].isdigit()} == named


def test_django_first_then_dure(empty_url):
    with djangos.on(empty_url):
        djangos.migrated()
        assert applied(empty_url) == LABELS
        assert len(noted()) == len(LABELS)
    assert by_dure(empty_url) == []


def test_dure_first_then_django(url):
    before = applied(url)
    with psycopg.connect(url) as one:
        times = one.execute("select number, applied_at from dure.migration").fetchall()
    with djangos.on(url):
        djangos.migrated()
        assert len(noted()) == len(LABELS)
    with psycopg.connect(url) as one:
        assert one.execute("select number, applied_at from dure.migration").fetchall() == times
    assert applied(url) == before


def test_there_and_back_leaves_everything(url):
    with djangos.on(url):
        djangos.migrated()
        call_command("migrate", "dure", "zero", verbosity=0)
        assert noted() == []
        assert applied(url) == LABELS
        djangos.migrated()
        assert len(noted()) == len(LABELS)


def test_django_finds_nothing_to_change_in_the_models(url):
    with djangos.on(url):
        djangos.migrated()
        assert "No changes detected" in said("makemigrations", "--check", "--dry-run")


def test_the_sql_of_one_is_shown_and_not_run(empty_url):
    with djangos.on(empty_url):
        assert "create table if not exists dure.job" in said("sqlmigrate", "dure", "0002")
        with connection.cursor() as cursor:
            cursor.execute("select to_regnamespace('dure')")
            assert cursor.fetchone() == (None,)


def test_a_file_that_was_edited_is_refused(url):
    with psycopg.connect(url) as one:
        one.execute("update dure.migration set checksum = repeat('0', 64) where number = 2")
    with djangos.on(url), pytest.raises(Exception, match="0002_queue"):
        djangos.migrated()


def test_the_handlers_are_known_before_any_worker(url):
    with djangos.on(url):
        djangos.migrated()
    with psycopg.connect(url) as one:
        names = {name for (name,) in one.execute("select handler from dure.handler")}
    assert {"shop.pay", "shop.pay_async", "django.tasks.run"} <= names


def test_one_app_alone_is_migrated_without_dure(empty_url):
    with djangos.on(empty_url):
        call_command("migrate", "django_shop", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("select to_regclass('django_shop_order'), to_regnamespace('dure')")
            assert cursor.fetchone() == ("django_shop_order", None)
