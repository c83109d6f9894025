"""Everything that a schema consists of, as sorted lines of text, so that two databases can be compared."""

from pathlib import Path

import psycopg

LINES = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")


def describe(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(LINES).fetchall()]
