"""A prompt on the database for `dure db shell`: psql, or a small one of our own."""

import shutil
import sys

import psycopg
from psycopg.conninfo import conninfo_to_dict

from dure.db.embedded_os import wheel_directory
from dure.errors import EmbeddedError

ROWS_SHOWN_MAX = 200
VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def psql() -> str | None:
    """Answer the psql on the path, otherwise the one that the embedded server brings."""
    found = shutil.which("psql")
    if found is not None:
        return found
    try:
        own = wheel_directory() / "pginstall" / "bin" / "psql"
    except EmbeddedError:
        return None
    return str(own) if own.exists() else None


def psql_environment(url: str) -> dict[str, str]:
    """Answer a connection string as the variables that libpq reads.

    Example: `psql_environment("postgresql://me@db/app")["PGHOST"] == "db"`.
    """
    known = conninfo_to_dict(url)
    return {VARIABLES[name]: str(value) for name, value in known.items() if name in VARIABLES and value}


def read_statements(url: str) -> int:
    """Read one statement a line and print what it answers, until the end of the input."""
    with psycopg.connect(url, autocommit=True) as connection:
        while (statement := _read()) is not None:
            if statement in {"\\q", "exit", "quit"}:
                break
            try:
                # The person's own words, at a prompt of their own.
                cursor = connection.execute(statement.encode())
                for row in cursor.fetchmany(ROWS_SHOWN_MAX) if cursor.description else []:
                    print("\t".join("" if value is None else str(value) for value in row))  # noqa: T201
            except psycopg.Error as error:
                print(error, file=sys.stderr)  # noqa: T201
    return 0


def _read() -> str | None:
    try:
        return input("dure=> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None
