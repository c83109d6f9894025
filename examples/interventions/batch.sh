#!/bin/sh
# Runs a command with the project's environment and database: ./batch.sh dure runs list
. "$(dirname "$0")/environment.sh"
DATABASE_URL=$("$bin/dure" db url)
PATH="$bin:$PATH"
export DATABASE_URL PATH
exec "$@"
