"""Talks to adapters: short commands that answer one JSON line, and worker processes watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

from bench.installation import Adapter

PAGE = struct.Struct("=Qdd")
COMMAND_TIMEOUT_S = 1800
READY_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 15


class AdapterError(Exception):
    """An adapter failed; the report shows the reason in place of its figures."""


def command(adapter: Adapter, urls: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Run one adapter command to its end and return what it answered."""
    try:
        done = subprocess.run(
            [*adapter.command, *arguments],
            env={**os.environ, **adapter.environment, **urls},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AdapterError(f"{adapter.name} {' '.join(arguments)}: no answer in {COMMAND_TIMEOUT_S} s") from error
    for line in reversed(done.stdout.splitlines()):
        with contextlib.suppress(json.JSONDecodeError):
            answer = json.loads(line)
            if isinstance(answer, dict):
                return answer
    reason = _reason(done.stderr) or f"exit code {done.returncode}"
    raise AdapterError(f"{adapter.name} {' '.join(arguments)}: {reason}")


class WorkerProcess:
    """One worker of a peer: made ready, released by `go`, watched through its progress page, then stopped."""

    def __init__(self, adapter: Adapter, urls: dict[str, str], kind: str, n: int) -> None:
        self.name = adapter.name
        handle, path = tempfile.mkstemp(prefix="dure-bench-progress-")
        os.write(handle, bytes(PAGE.size))
        os.close(handle)
        self._page = Path(path)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by kill)
        self.process = subprocess.Popen(
            [*adapter.command, kind, "--n", str(n)],
            env={**os.environ, **adapter.environment, **urls, "BENCH_PROGRESS": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.answers: list[dict[str, Any]] = []
        self._answered = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        self._wait_for("ready", READY_TIMEOUT_S)

    def go(self) -> None:
        self._say("go")

    @property
    def progress(self) -> tuple[int, float, float]:
        """Handlers done, when the first started, when the last ended."""
        with self._page.open("rb") as page:
            return PAGE.unpack(page.read(PAGE.size))

    def check(self) -> None:
        """Raise when the worker died."""
        if self.process.poll() is not None:
            raise AdapterError(f"{self.name}: its worker ended by itself: {self._last_words()}")

    def stop(self) -> dict[str, Any]:
        """Let the worker report, then end it."""
        self._say("stop")
        try:
            return self._wait_for("done", _STOP_TIMEOUT_S)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=5)
        self._log.close()
        self._page.unlink(missing_ok=True)

    def _say(self, word: str) -> None:
        stdin = self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            if stdin is not None:
                stdin.write(word + "\n")
                stdin.flush()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with contextlib.suppress(json.JSONDecodeError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    with self._answered:
                        self.answers.append(answer)
                        self._answered.notify_all()
        with self._answered:
            self._answered.notify_all()

    def _wait_for(self, key: str, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        with self._answered:
            while True:
                for answer in self.answers:
                    if key in answer:
                        return answer
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AdapterError(f"{self.name}: its worker did not answer “{key}”: {self._last_words()}")
                self._answered.wait(min(left, 0.5))

    def _last_words(self) -> str:
        self._log.seek(0)
        return _reason(self._log.read().decode(errors="replace")) or "it said nothing"


def _reason(log: str) -> str:
    """The line of a traceback that names the error, otherwise the last line."""
    lines = log.strip().splitlines() or [""]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Violation)\b", line)]
    return (named or lines)[-1][:300]
