"""The tours of both READMEs, executed: every command in a ```console block, and what it is said to print."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dure.db import embedded

pytestmark = pytest.mark.own_server

ROOT = Path(__file__).parent.parent
MARK = "--- dure-tour"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass
class Step:
    command: str
    shown: list[str] = field(default_factory=list)


def steps_of(text: str) -> Iterator[Step]:
    """Read the blocks: `$` begins a command, `>` continues it, all else is what it prints."""
    for block in BLOCK.findall(text):
        step = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if step is not None:
                    yield step
                step = Step(line[2:])
            elif line.startswith(">"):
                step.command += "\n" + line[2:]
            else:
                step.shown.append(line)
        yield step


def matches(shown: list[str], printed: str) -> bool:
    """`...` alone on a line stands for any lines, within a line for any text."""
    parts = []
    for line in shown:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.escape(line).replace(re.escape("..."), ".*?") + r"\s*\n")
    whole = printed if printed.endswith("\n") or not printed else f"{printed}\n"
    return re.fullmatch("".join(parts), whole) is not None


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dure-tour-") as name:
        yield Path(name)
        home = Path(name) / ".dure"
        environment = {**os.environ, "DURE_HOME": str(home)}
        subprocess.run([sys.executable, "-m", "dure", "down"], env=environment, capture_output=True)
        embedded.stop(home)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_tour_does_what_it_says(name, place):
    steps = [step for step in steps_of((ROOT / name).read_text()) if not step.command.startswith("make ")]
    if shutil.which("curl") is None:
        steps = [step for step in steps if not step.command.startswith("curl ")]
    port = str(free_port())
    for step in steps:
        step.command = step.command.replace(":8000", f":{port}")
        step.shown = [line.replace(":8000", f":{port}") for line in step.shown]
    script = "".join(f"{step.command}\necho '{MARK}'\n" for step in steps)
    # This machine's settings are not the reader's.
    ours = ("DURE_", "DB_", "DATABASE_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DURE_PORT": port, "DURE_LANG": "en",
        "COLUMNS": "200", "PAGER": "cat",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"], cwd=place, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True, timeout=110,
    )  # fmt: skip
    printed = done.stdout.split(f"{MARK}\n")
    wrong = [(step, output) for step, output in zip(steps, printed, strict=False) if not matches(step.shown, output)]
    assert not wrong, "\n".join(f"$ {step.command}\n{output}" for step, output in wrong)
    assert len(printed) == len(steps) + 1


def test_both_tours_lead_with_the_two_commands():
    for name in ("README.md", "README.ko.md"):
        first, second, *_rest = [step.command.split("#")[0].strip() for step in steps_of((ROOT / name).read_text())]
        assert (first, second) == ("make demo", "make up")


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        (["a", "...", "z"], "a\nb\nc\nz\n", True),
        (["a", "...", "z"], "a\nz\n", True),
        (["ready: ..."], "ready: http://h\n", True),
        (["a"], "b\n", False),
        ([], "more\n", False),
        ([], "", True),
    ],
)
def test_what_matching_means(shown, printed, fits):
    assert matches(shown, printed) is fits
