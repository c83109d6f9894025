"""Databases worth saving: rows of every awkward kind, and ways to compare two databases and to spoil a backup."""

import hashlib
from pathlib import Path

import psycopg
from psycopg import sql

AWKWARD = "line\nbreak\r\n--> rows job\ninsert into x; -- 'quote' \"double\" \\ back\\nslash $dure$ \t 한국어 🚀 \u2028"
FILL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
END_SESSIONS = "select dure.bury(array(select worker_id from dure.worker where ended_at is null))"


def fill(url: str, *, end_sessions: bool = True) -> None:
    """Put rows of every kind into a migrated database; with nobody at work unless told so."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL.strip().split(";\n"):
            connection.execute(statement.encode(), {"text": AWKWARD})
        if end_sessions:
            connection.execute(END_SESSIONS)


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Of every table of the schema how many rows it has and a hash of them, in a way of the tests' own."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'dure'::regnamespace and relkind in ('r', 'p')"
        ).fetchall()
        for (name,) in tables:
            query = sql.SQL("select coalesce(array_agg(t::text order by t::text collate \"C\"), '{{}}') from {} t")
            [rows] = connection.execute(query.format(sql.Identifier("dure", name))).fetchone()
            found[name] = (len(rows), hashlib.sha256("\x00".join(rows).encode()).hexdigest())
    return found


def rewrite(path: Path, old: str, new: str, *, sums: bool = True) -> None:
    """Change a backup, by default so that its own sum is right again: a forger's way, or a newer version's."""
    text = path.read_bytes()
    assert text.count(old.encode()) >= 1, old
    # The last one: what migrations say comes first.
    body = new.encode().join(text.rsplit(old.encode(), 1))
    if sums:
        body = body[: body.rindex(b"-- sha256: ")]
        body += f"-- sha256: {hashlib.sha256(body).hexdigest()}\n".encode()
    path.write_bytes(body)
