"""`dure db`: the database in use, its schema, and a way in."""

import typer

from dure.cli import db_backup, output, session
from dure.cli.help import text
from dure.lang import say

Arguments = typer.Argument(None, metavar="[PSQL ARGUMENT]…")


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="db", help=text("db"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("url", help=text("db_url"))(url)
    noun.command("migrate", help=text("db_migrate"))(migrate)
    noun.command("status", help=text("db_status"))(status)
    noun.command("check", help=text("db_check"))(check)
    noun.command("sql", help=text("db_sql"))(sql)
    db_backup.add_to(noun)
    noun.command("shell", help=text("db_shell"), context_settings={"ignore_unknown_options": True})(shell)
    return noun


def url() -> None:
    """Print the connection string in use and nothing else; whoever connects finds the server up."""
    from dure.db import embedded
    from dure.runtime import caretaker

    chosen = session.settings()
    found = chosen.database_url
    if found is None:
        with embedded.acquire(chosen.home) as lease:
            caretaker.keep(chosen)
            found = lease.url
    if output.wants_json():
        output.document({"url": found, "embedded": chosen.database_url is None})
    else:
        output.line(found)


def migrate(
    post: bool = typer.Option(True, "--post/--no-post", help=text("opt_post")),
) -> None:
    """Bring the schema up to date."""
    from dure.db import migrate as migrations

    async def work() -> list[migrations.Applied]:
        async with _database() as database:
            return await migrations.migrate(database, post=post)

    applied = session.run(work)
    if output.wants_json():
        output.document({"applied": applied})
    elif applied:
        output.line(say("db.migrated", count=len(applied)))
    else:
        output.line(say("db.up_to_date", number=migrations.migrations()[-1].number))


def status() -> None:
    """List the migrations and whether each was applied."""
    from dure.db import migrate as migrations

    async def work() -> list[migrations.MigrationStatus]:
        async with _database() as database:
            return await migrations.status(database)

    states = session.run(work)
    if output.wants_json():
        output.document({"items": states, "next_cursor": None})
        return
    headings = [say(f"cli.head_{name}") for name in ("migration", "applied_at", "changed")]
    yes, no = say("cli.yes"), say("cli.no")
    output.table(headings, [[state.label, state.applied_at, yes if state.changed else no] for state in states])


def check() -> None:
    """Say what is wrong with the schema; exit code 1 if anything is."""
    from dure.db import migrate as migrations

    async def work() -> list[str]:
        async with _database() as database:
            return await migrations.check(database)

    problems = session.run(work)
    if output.wants_json():
        output.document({"problems": problems})
    else:
        for problem in problems or [say("db.up_to_date", number=migrations.migrations()[-1].number)]:
            output.line(problem)
    raise typer.Exit(1 if problems else 0)


def sql(agents: bool = typer.Option(False, "--agents", help=text("opt_sql_agents"))) -> None:
    """Print one script that installs or upgrades the schema in any SQL editor."""
    from dure.db.migrate import script

    output.line(script(agents=agents))


def shell(arguments: list[str] = Arguments) -> None:
    """Open a prompt on the database: psql where there is one, otherwise a small one of our own."""
    import os
    import subprocess

    from dure.db import embedded
    from dure.runtime import prompt

    chosen = session.settings()
    lease = embedded.acquire(chosen.home) if chosen.database_url is None else None
    found = lease.url if lease is not None else str(chosen.database_url)
    program = prompt.psql()
    try:
        if program is None:
            raise typer.Exit(prompt.read_statements(found))
        # In the environment, because a password on the command line can be read by everyone here.
        command = [program, *(arguments or [])]
        done = subprocess.run(command, env={**os.environ, **prompt.psql_environment(found)}, check=False)  # noqa: S603
        raise typer.Exit(done.returncode)
    finally:
        if lease is not None:
            lease.release()


def _database() -> "session.OpenDatabase":
    return session.OpenDatabase(session.settings())
