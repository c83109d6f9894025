#!/bin/sh
# Stops what start_batch.sh started; does nothing when nothing runs. The data stays in .batch/dure.
. "$(dirname "$0")/environment.sh"

stop() {
  if runs "$1" "$2"; then
    pid=$(cat "$state/$1.pid")
    kill "$pid"
    # The worker lets its jobs finish first.
    tries=0
    while runs "$1" "$2" && [ $tries -lt 300 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    echo "$1: stopped"
  fi
  rm -f "$state/$1.pid"
}

stop django runserver
stop worker dure_worker
if [ -x "$bin/dure" ]; then
  "$bin/dure" down
fi
