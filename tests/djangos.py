"""A Django project in this process, on a test's own database."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import django
from asgiref.sync import sync_to_async
from django.apps import apps
from psycopg.conninfo import conninfo_to_dict

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_project")


def ready() -> None:
    """Set Django up, once in a process."""
    if not apps.ready:
        django.setup()


@contextmanager
def on(url: str, alias: str = "default", **more: object) -> Iterator[None]:
    """Let Django's database be this one, for a block."""
    from django.db import connections
    from django.utils import translation

    ready()
    # Another test's browser may have left its language.
    translation.deactivate()
    given = conninfo_to_dict(url)
    before = dict(connections.settings[alias])
    # For the processes of single handlers, which read the settings anew.
    os.environ["DJANGO_TEST_URL"] = url
    connections[alias].close()
    del connections[alias]
    names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port", "PASSWORD": "password"}
    connections.settings[alias].update({name: given.get(word) or "" for name, word in names.items()} | more)
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]
        # What async code used is the connection of a thread of its own.
        asyncio.run(sync_to_async(connections.close_all)())
        connections.settings[alias].clear()
        connections.settings[alias].update(before)


def migrated() -> None:
    """Migrate everything, with Django's own command."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@contextmanager
def working(**changes: object) -> Iterator[None]:
    """Run all jobs that are due, at the end of the block."""
    from dure.contrib.django.conf import dure_settings
    from dure.contrib.django.working import worker_runtime

    yield

    async def work() -> None:
        async with worker_runtime(dure_settings(**changes)) as runtime:
            assert runtime.worker is not None
            await runtime.worker.wait_idle()

    asyncio.run(work())


@contextmanager
def other(engine: str) -> Iterator[None]:
    """A second entry of `DATABASES`, called `other`."""
    from django.db import connections

    connections.settings["other"] = {**connections.settings["default"], "ENGINE": engine, "NAME": ":memory:"}
    try:
        yield
    finally:
        del connections["other"]
        del connections.settings["other"]
