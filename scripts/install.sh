#!/bin/sh
# Makes .venv/ in the checkout: Dure in editable mode, its development tools, every version from constraints.txt.
# Does nothing, and needs no network, while pyproject.toml and constraints.txt are what the last install saw.
#
#   scripts/install.sh             install, or do nothing
#   scripts/install.sh --upgrade   resolve afresh and rewrite constraints.txt
set -eu

# What the caller has active (a virtual environment, a module path, pip's --user) must not leak into ours.
unset PYTHONPATH PYTHONHOME PYTHONUSERBASE VIRTUAL_ENV __PYVENV_LAUNCHER__ CDPATH
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_CONSTRAINT
PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_USER PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT

cd "$(dirname "$0")/.."
checkout=$(pwd -P)
stamp=.venv/dure-installed

say() { printf 'install: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The path is part of it: a moved checkout has scripts that name the old place.
fingerprint() {
  printf '%s %s' "$checkout" "$(cat pyproject.toml constraints.txt 2>/dev/null | cksum)"
}

up_to_date() {
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && .venv/bin/python -c '' 2>/dev/null
}

# Runs the interpreter, because a pyenv shim exists on the path for versions that are not installed.
is_usable() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3 /usr/bin/python3; do
    if is_usable "$candidate"; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  return 1
}

apt_install_venv() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
  say "no Python 3.11 or newer with venv and ensurepip: installing python3-venv"
  { apt-get install -y python3-venv || { apt-get update && apt-get install -y python3-venv; }; } >/dev/null 2>&1
}

# One line of progress, and the output only when it fails.
step() {
  say "$1"
  shift
  if ! output=$("$@" 2>&1); then
    printf '%s\n' "$output" >&2
    die "failed: $*"
  fi
}

pip_install() {
  if [ -f constraints.txt ]; then
    set -- --constraint constraints.txt "$@"
  fi
  .venv/bin/python -m pip install "$@"
}

write_constraints() {
  {
    echo "# The versions that make install takes. Rewritten by scripts/install.sh --upgrade."
    .venv/bin/python -m pip freeze --all --exclude-editable --exclude setuptools | grep -v ' @ '
  } >.venv/constraints.txt
  mv .venv/constraints.txt constraints.txt
}

upgrade=no
case "${1:-}" in
  '') ;;
  --upgrade) upgrade=yes ;;
  *) die "usage: scripts/install.sh [--upgrade]" ;;
esac

if [ "$upgrade" = no ] && up_to_date; then
  exit 0
fi

# Two installs at once would tear each other's files: the second waits, then finds nothing left to do.
if command -v flock >/dev/null 2>&1; then
  exec 9<scripts/install.sh
  flock 9
  if [ "$upgrade" = no ] && up_to_date; then
    exit 0
  fi
fi

if [ "$upgrade" = yes ]; then
  rm -f constraints.txt
fi
rm -f "$stamp"

# A venv of a Python that is gone, or from before this checkout moved here, is made anew.
if ! is_usable .venv/bin/python || [ "$(cat .venv/dure-checkout 2>/dev/null)" != "$checkout" ]; then
  python=$(find_python) || { apt_install_venv && python=$(find_python); } ||
    die "install Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt-get install python3-venv)," \
      "or name one with PYTHON=/path/to/python3"
  step "making .venv with $("$python" --version)" "$python" -m venv --clear .venv
  printf '%s' "$checkout" >.venv/dure-checkout
fi

# The build backend comes from constraints.txt too, which an isolated build would not look at.
wanted=$(fingerprint)
step "pip and the build backend" pip_install --upgrade "pip>=25.1" hatchling editables
step "Dure and its development tools (a minute or two, the first time)" \
  pip_install --no-build-isolation --editable ".[knowledge,notify,notion]" --group dev
if [ ! -f constraints.txt ]; then
  write_constraints
  wanted=$(fingerprint)
fi
printf '%s' "$wanted" >"$stamp"
say "done: .venv/bin/dure"
