"""Statements live in `.sql` files, one each, named by their verb; this reads them.

A header of `--` lines says what the statement does, what it locks and which index it wants. It is for the
reader and is not sent: PostgreSQL would keep it in `pg_stat_statements` and the log, and parse it each time.
"""

from functools import cache
from importlib import resources
from typing import LiteralString


@cache
def load(package: str, name: str) -> LiteralString:
    """Answer the statement in `sql/<name>.sql` of the package.

    Example: `CLAIM = load("dure.queue", "claim")`.
    """
    text = (resources.files(package) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    # A file of this package is as much the programmer's own words as a string in the source.
    return strip_header(text)


def strip_header(text: str) -> str:
    """Drop comment and empty lines before the first line of SQL.

    Example: `strip_header("-- why\\nselect 1")`.
    """
    lines = text.splitlines()
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("--")), 0)
    return "\n".join(lines[first:]).strip().removesuffix(";")
