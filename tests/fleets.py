"""A Redis of our own and a Celery worker on it, for the tests of a file; both end with them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
WHY = "there is no redis-server on this machine"
PATIENCE_S = 30.0


@contextmanager
def fleet() -> Iterator[str]:
    """Start both; answers the URL of the broker."""
    with tempfile.TemporaryDirectory(prefix="dure-redis-") as place:
        socket = Path(place) / "redis.sock"
        words = [REDIS, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", place]
        redis = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            _until(socket.exists)
            url = f"redis+socket://{socket}"
            with _worker(url):
                yield url
        finally:
            redis.terminate()
            redis.wait(10)


@contextmanager
def _worker(url: str) -> Iterator[None]:
    words = [
        "-A",
        "celery_fleet",
        "worker",
        "--pool",
        "prefork",
        "-c",
        "8",
        "-l",
        "error",
        "--without-gossip",
        "--without-mingle",
    ]
    environment = {**os.environ, "CELERY_TEST_URL": url, "PYTHONPATH": str(Path(__file__).parent)}
    worker = subprocess.Popen([sys.executable, "-m", "celery", *words], env=environment, stdout=subprocess.DEVNULL)
    try:
        with application(url) as app:
            _until(lambda: app.control.ping(timeout=0.2))
        yield
    finally:
        worker.kill()
        worker.wait(10)


def application(url: str) -> Celery:
    """The fleet's application as a process of ours has it: it needs none of the tasks to send them."""
    return Celery("client", broker=url, backend=url)


def _until(happened) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "it did not start"
        time.sleep(0.02)
