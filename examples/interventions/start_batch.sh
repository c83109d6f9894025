#!/bin/sh
# Starts everything: the database (Dure's own, unless DATABASE_URL names one), Dure with its routes on DURE_PORT (8001),
# a worker of the project, and Django on DJANGO_PORT (8000). What runs already is left alone. Logs are in .batch/.
. "$(dirname "$0")/environment.sh"

say() { printf '%s\n' "$*"; }

if [ ! -x "$bin/dure" ]; then
  say "installing Dure and Django into .batch/venv"
  python3 -m venv "$state/venv"
  "$bin/python" -m pip install --quiet "../..[django]"
fi

# Ends with 6 when it runs already; of two starts at once, one finds that out late.
up() {
  code=0
  "$bin/dure" up --detach --port "$DURE_PORT" >"$state/up.out" 2>&1 || code=$?
  [ $code -eq 0 ] || [ $code -eq 6 ]
}
ready="ready: http://127.0.0.1:$DJANGO_PORT/admin/ and http://127.0.0.1:$DURE_PORT/api/batch/status/"
up || { sleep 1; up; } || { cat "$state/up.out" >&2; exit 1; }
if [ $code -eq 6 ] && runs worker dure_worker && runs django runserver; then
  say "everything runs already"
  say "$ready"
  exit 0
fi

DATABASE_URL=$("$bin/dure" db url)
export DATABASE_URL

"$bin/python" manage.py migrate --verbosity 0
"$bin/dure" demo load interventions >/dev/null
"$bin/python" manage.py init_batch_schedule

# $1 is what it is called here, the rest is what manage.py is told.
start() {
  name=$1
  shift
  if runs "$name" "$1"; then
    say "$name: runs already"
    return
  fi
  rm -f "$state/$name.pid"
  nohup "$bin/python" manage.py "$@" >>"$state/$name.log" 2>&1 </dev/null &
  # Of two starts at once, the one that writes the number first is the one that stays.
  if ! (set -C && echo $! >"$state/$name.pid") 2>/dev/null; then
    kill $!
    say "$name: somebody else starts it"
    return
  fi
  say "$name: started, log in .batch/$name.log"
}

start worker dure_worker
start django runserver --noreload --insecure "127.0.0.1:$DJANGO_PORT"
say "$ready"
