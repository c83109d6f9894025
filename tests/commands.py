"""Running the command `dure` as people do: as a process, with a home of its own."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dure.cli.main import app

READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 40


class Shell:
    """Runs commands with one home and one language."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        dure = {name: text for name, text in os.environ.items() if not name.startswith(("DURE_", "DB_", "DATABASE_"))}
        self.environment = {**dure, "DURE_HOME": str(home), "DURE_LANG": "en", "PYTHONUNBUFFERED": "1", **variables}

    def run(
        self, *arguments: str, code: int | None = 0, given: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "dure", *arguments],
            env={**self.environment, **variables}, input=given, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str, code: int | None = 0, **variables: str) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code, **variables).stdout)

    def error(self, *arguments: str, code: int) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stderr.splitlines()[-1])

    @contextmanager
    def running(self, *arguments: str, until: str = "ready:", **variables: str) -> Iterator["Running"]:
        """A command that goes on; killed at the end if the test has not stopped it."""
        log = (self.home.parent / f"{self.home.name}.err").open("a+")
        process = subprocess.Popen(
            [sys.executable, "-m", "dure", *arguments],
            env={**self.environment, **variables}, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        running = Running(process, Path(log.name))
        try:
            running.read_until(until)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stdout.close()
            log.close()


class Quick(Shell):
    """Runs commands inside this process: what they do is the same, and nothing has to be imported again."""

    def run(
        self, *arguments: str, code: int | None = 0, given: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.environment, **variables}, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO(given)),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            app(arguments)
        done = subprocess.CompletedProcess(list(arguments), int(ended.value.code or 0), out.getvalue(), err.getvalue())
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done


class Running:
    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self.log = log
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        return self.lines[-1].removeprefix("ready: ")

    def read_until(self, wanted: str) -> None:
        while not self.lines or wanted not in self.lines[-1]:
            line = self.process.stdout.readline()
            assert line, (self.lines, self.log.read_text())
            self.lines.append(line.strip())

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(STOP_TIMEOUT_S)


def eventually(condition: Any, within_s: float = 20.0) -> Any:
    """Answer what the condition answers once it is true; for what happens in processes that tell nobody."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return answer


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry.name))
    return found
