"""`dure version`."""

import typer

from dure.cli import output
from dure.cli.help import text


def add_to(root: typer.Typer) -> None:
    """Add the command."""
    root.command("version", help=text("version"))(version)


def version() -> None:
    """Print the versions that a bug report needs."""
    import platform
    from importlib import metadata

    from dure.db.migrate import migrations

    facts = {
        "dure": metadata.version("dure"),
        "migration": migrations()[-1].number,
        "python": platform.python_version(),
        "psycopg": metadata.version("psycopg"),
        "platform": platform.platform(),
    }
    if output.wants_json():
        output.document(facts)
    else:
        output.facts(facts)
