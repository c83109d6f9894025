# What start_batch.sh and stop_batch.sh have in common; read by both.
set -eu
cd "$(dirname "$0")"
state=$(pwd -P)/.batch
mkdir -p "$state"

# The checkout's environment when there is one, otherwise one of our own.
if [ -x ../../.venv/bin/dure ]; then
  bin=$(cd ../../.venv/bin && pwd -P)
else
  bin=$state/venv/bin
fi
export DURE_HOME="$state/dure" PYTHONPATH="$(pwd -P)" DJANGO_SETTINGS_MODULE=backend.settings
: "${DURE_PORT:=8001}" "${DJANGO_PORT:=8000}"
export DURE_PORT

# A process of ours, and not another one that was given its number since.
runs() {
  pid=$(cat "$state/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || return 1
  ! command -v ps >/dev/null || ps -p "$pid" -o args= | grep -q "manage.py $2"
}
