"""`dure up`, `dure down` and `dure worker`, as processes on the embedded server."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from commands import Running, Shell, children, eventually, is_alive
from dure.db import embedded

pytestmark = [pytest.mark.timeout(90), pytest.mark.xdist_group("up"), pytest.mark.own_server]


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """One home for the module; its server stays up between the tests."""
    with tempfile.TemporaryDirectory(prefix="dure-up-") as place:
        found = Shell(Path(place) / "h", DURE_DEMO="1", DURE_GRACE_S="5")
        with embedded.acquire(found.home):
            yield found
        embedded.stop(found.home)


@contextmanager
def up(shell: Shell, *arguments: str, **variables: str) -> Iterator[Running]:
    with shell.running("up", "--port", "0", *arguments, **variables) as running:
        yield running


def run_until_processing(shell: Shell, seconds: float) -> str:
    """Enqueue a job that sleeps; answer its id when it does."""
    params = f'{{"seconds": {seconds}}}'
    job = shell.json("jobs", "enqueue", "dure.demo.sleep", "--params", params)["id"]
    with psycopg.connect(embedded.status(shell.home).url, autocommit=True) as connection:
        find = "select 1 from job_executions where id = %s::uuid and status = 'processing'"
        eventually(lambda: connection.execute(find, [job]).fetchone())
    return job


def test_everything_answers_and_ctrl_c_stops_it(shell):
    with up(shell) as running:
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        made = shell.json("jobs", "enqueue", "dure.demo.echo", "--params", '{"n": 7}', "--wait")
        assert (made["state"], made["result"]) == ("completed", {"n": 7})
        workers = children(running.process.pid)
        assert running.stop(signal.SIGINT) == 0
        eventually(lambda: not any(map(is_alive, workers)))
        assert "There are no keys" in running.log.read_text()


def test_a_crashing_job_leaves_the_server_up_and_its_neighbours_alone(shell):
    with up(shell) as running:
        crash = shell.json("jobs", "enqueue", "dure.demo.crash")["id"]
        neighbour = shell.json("jobs", "enqueue", "dure.demo.echo", "--wait")
        assert neighbour["state"] == "completed"
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        shell.run("jobs", "watch", crash, "--timeout", "20", code=1)
        shown = shell.json("jobs", "show", crash)
        assert (shown["state"], shown["crash_count"]) == ("quarantined", 3)
        assert '"by": "SIGKILL"' in running.log.read_text()


def test_a_killed_worker_is_buried_at_once_and_its_job_goes_on(shell):
    with up(shell) as running:
        job = run_until_processing(shell, 2)
        os.kill(children(running.process.pid)[0], signal.SIGKILL)
        # The lease is 30 s: without the burial nothing would happen for so long.
        shell.run("jobs", "watch", job, "--timeout", "15", code=0)
        outcomes = [attempt["outcome"] for attempt in shell.json("jobs", "show", job)["attempts"]]
        assert outcomes[0] in {"crashed", "released"}


def test_children_die_with_a_killed_supervisor_and_hand_back(shell):
    with up(shell, DURE_GRACE_S="0.3") as running:
        job = run_until_processing(shell, 300)
        workers = children(running.process.pid)
        assert workers
        running.process.kill()
        running.process.wait()
        eventually(lambda: not any(map(is_alive, workers)), within_s=15)
    assert shell.json("jobs", "show", job)["attempts"][0]["outcome"] == "released"
    shell.run("jobs", "cancel", job)


def test_a_job_that_does_not_end_is_handed_back_after_the_grace_time(shell):
    with up(shell, DURE_GRACE_S="0.3") as running:
        job = run_until_processing(shell, 300)
        assert running.stop(signal.SIGTERM) == 0
    shown = shell.json("jobs", "show", job)
    assert (shown["state"], shown["attempts"][0]["outcome"]) == ("pending", "released")
    shell.run("jobs", "cancel", job)


def test_a_killed_postmaster_comes_back(shell):
    with up(shell) as running:
        os.kill(embedded.status(shell.home).pid, signal.SIGKILL)
        eventually(lambda: embedded.status(shell.home).url is not None)
        eventually(lambda: httpx.get(f"{running.url}/readyz").status_code == 200)
        shell.run("jobs", "enqueue", "dure.demo.echo", "--wait", "--wait-timeout", "30")


def test_a_port_in_use_is_one_sentence(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = shell.run("up", "--port", port, code=1)
    assert done.stdout == ""
    assert done.stderr.strip().splitlines() == [
        f"port_in_use: Port {port} on 127.0.0.1 is in use: stop what listens there, or choose another port with --port."
    ]


def test_other_machines_are_refused_until_there_is_a_key():
    with tempfile.TemporaryDirectory(prefix="dure-keys-") as place:
        own = Shell(Path(place) / "h")
        with embedded.acquire(own.home):
            assert own.error("up", "--host", "0.0.0.0", "--port", "0", code=4)["code"] == "needs_key"
            secret = own.run("keys", "create", "--name", "ci", "--scope", "admin").stdout.strip()
            with own.running("up", "--host", "0.0.0.0", "--port", "0") as running:
                assert httpx.get(f"{running.url}/v1/jobs").status_code == 401
                bearer = {"Authorization": f"Bearer {secret}"}
                assert httpx.get(f"{running.url}/v1/handlers", headers=bearer).status_code == 200
                running.stop()
        embedded.stop(own.home)


def test_detach_and_down(shell):
    done = shell.run("up", "--detach", "--port", "0")
    url = done.stdout.strip().splitlines()[-1].removeprefix("ready: ")
    try:
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert shell.error("up", "--detach", "--port", "0", code=6)["code"] == "already_runs"
    finally:
        stopped = shell.json("down")
    assert stopped["stopped"]
    assert stopped["url"] == url
    assert not is_alive(stopped["pid"])
    assert shell.json("down") == {"stopped": False}
    assert "Nothing runs" in shell.run("down").stderr


def test_a_detached_server_that_cannot_start_says_why(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = shell.run("up", "--detach", "--port", port, code=1)
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr


def test_workers_of_one_queue(shell):
    with shell.running("worker", "--queue", "mail", "--processes", "2", "--poll", until="ready: worker") as running:
        assert len(children(running.process.pid)) == 2
        in_mail = shell.json("jobs", "enqueue", "dure.demo.echo", "--queue", "mail", "--wait")
        assert in_mail["state"] == "completed"
        elsewhere = shell.json("jobs", "enqueue", "dure.demo.echo")["id"]
        findings = {item["check"]: item["code"] for item in shell.json("doctor")["items"]}
        assert findings["queues"] == "queues_unserved"
        assert shell.json("jobs", "show", elsewhere)["state"] == "pending"
        assert running.stop(signal.SIGTERM) == 0
    shell.run("jobs", "cancel", elsewhere)


def test_a_worker_that_cannot_start_says_why(shell):
    done = shell.run("worker", "--import", "no_such_module_here", code=1)
    assert "no_such_module_here" in done.stderr


def test_the_url_can_be_used_when_the_command_is_over():
    with tempfile.TemporaryDirectory(prefix="dure-url-") as place:
        own = Shell(Path(place) / "h")
        done = own.run("db", "url")
        assert len(done.stdout.splitlines()) == 1
        with psycopg.connect(done.stdout.strip()) as connection:
            assert connection.execute("select current_user").fetchone() == ("dure",)
        again = own.run("db", "url")
        assert again.stdout == done.stdout
        assert len(embedded.status(own.home).holders) == 1
        own.run("down")
        assert not embedded.status(own.home).running


def test_the_demo_of_undo_ends_as_it_began(shell):
    done = subprocess.run(
        ["timeout", "60", *Shell(shell.home).run("version").args[:3], "demo", "run"],
        env=shell.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "66.7 %" in done.stdout
    assert "Conflicts: 1." in done.stdout
    assert "Every row and every file is byte-identical to before." in done.stdout


def test_the_demo_of_the_queue_runs_beside_everything_else(shell):
    first = subprocess.run(
        ["timeout", "60", *Shell(shell.home).run("version").args[:3], "demo", "queue"],
        env=shell.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert "0 accepted" in first.stdout
    assert "20 of 20 neighbours completed; the job is quarantined after 3 crashes" in first.stdout
