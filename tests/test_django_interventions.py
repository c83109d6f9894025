"""The interventions batch from a Django project: its schedule, its status, and the example as its README starts it."""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

import djangos

djangos.ready()

from django.core.management import CommandError, call_command  # noqa: E402

from dure.contrib.django import get_schedule_status  # noqa: E402
from dure.contrib.django.models import Schedule  # noqa: E402

ROOT = Path(__file__).parent.parent
PATIENCE_S = 60.0


@pytest.fixture
def shop(url):
    with djangos.on(url):
        yield url


def say(*words):
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_schedule_is_made_once_and_anew_when_forced(shop):
    assert "Made the schedule" in say("init_batch_schedule")
    first = Schedule.objects.of_tenant().get()
    assert (first.operation, first.rule, first.zone) == (
        "interventions.generate", {"kind": "daily", "at": ["09:00"]}, "Asia/Seoul",
    )  # fmt: skip
    assert "is there already" in say("init_batch_schedule")
    assert Schedule.objects.of_tenant().get().id == first.id
    assert "T09:00+09:00" in say("init_batch_schedule", "--force")
    assert Schedule.objects.of_tenant().get(deleted_at=None).id != first.id
    assert Schedule.objects.get(id=first.id).deleted_at is not None


def test_the_status_names_schedules_and_runs(shop):
    assert get_schedule_status() == {"running": False, "schedules": [], "runs": []}
    call_command("init_batch_schedule", stdout=io.StringIO())
    status = get_schedule_status()
    (one,) = status["schedules"]
    assert (one["frequency"], one["hour"], one["minute"], one["is_active"]) == ("daily", 9, 0, True)
    assert json.dumps(status)


def test_without_the_schema_it_says_so(empty_url):
    with djangos.on(empty_url), pytest.raises((CommandError, psycopg.Error), match="dure"):
        call_command("init_batch_schedule")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.fixture
def example(tmp_path, url):
    """A copy of the example beside this checkout's environment, on a database of the test."""
    place = tmp_path / "examples" / "interventions"
    shutil.copytree(ROOT / "examples" / "interventions", place, ignore=shutil.ignore_patterns(".batch", "__pycache__"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "dure"):
        tool = Path(sys.executable).parent / name
        (tmp_path / ".venv" / "bin" / name).write_text(f'#!/bin/sh\nexec "{tool}" "$@"\n')
        (tmp_path / ".venv" / "bin" / name).chmod(0o755)
    environment = {**os.environ, "DATABASE_URL": url, "DURE_PORT": free_port(), "DJANGO_PORT": free_port()}
    for name in ("DURE_DATABASE_URL", "DURE_HOME", "DJANGO_SETTINGS_MODULE", "DJANGO_TEST_URL"):
        environment.pop(name, None)

    def script(name):
        done = subprocess.run([place / name], env=environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield script, environment
    # Stopping what was stopped is no mistake.
    script("stop_batch.sh")


def ask(environment, path, document=None):
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{environment['DURE_PORT']}/api/batch/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.own_server
@pytest.mark.timeout(300)
def test_the_example_starts_once_generates_and_stops(example, url):
    script, environment = example
    assert "worker: started" in script("start_batch.sh")
    assert "everything runs already" in script("start_batch.sh")
    ask(environment, "run/", {})
    end = time.monotonic() + PATIENCE_S
    while (run := ask(environment, "status/")["runs"][0])["status"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (run["status"], run["created"] > 0) == ("completed", True)
    with psycopg.connect(url) as one:
        made = one.execute("select count(*) from interventions_intervention where date = %s", [run["date"]]).fetchone()
    assert made[0] >= run["created"]
    assert "worker: stopped" in script("stop_batch.sh")
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(environment["DJANGO_PORT"])), 1):
        pytest.fail("Django still answers")
