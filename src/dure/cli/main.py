"""The command `dure`: what all its nouns share. Each noun has a file of its own beside this one.

Language and `--json` hold for every command, wherever on the line they stand, so they are read before
anything else: the help texts already need the language. Nothing heavy is imported until a command runs.
"""

import json
import os
import sys
from collections.abc import Sequence

import typer

from dure.cli import output
from dure.cli.help import text

ANYWHERE = {"--json": False, "--lang": True}
"""The options that may stand anywhere, and whether a value follows."""


def app(arguments: Sequence[str] | None = None) -> None:
    """Run the command line of this process, or the arguments given; ends with `SystemExit`.

    Example: `app(["jobs", "list", "--json"])`.
    """
    common, rest = split(sys.argv[1:] if arguments is None else arguments)
    if (lang := common.get("--lang")) is not None:
        os.environ["DURE_LANG"] = "ko" if lang.lower().startswith("ko") else "en"
    with output.as_json("--json" in common):
        sys.exit(_run(rest))


def split(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take the options that may stand anywhere out of the line; nothing behind `--` is touched.

    Example: `split(["jobs", "list", "--json"]) == ({"--json": ""}, ["jobs", "list"])`.
    """
    common: dict[str, str] = {}
    rest: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, given, value = argument.partition("=")
        if argument == "--":
            return common, [*rest, argument, *left]
        if name in ANYWHERE and bool(given) <= ANYWHERE[name]:
            common[name] = value if given or not ANYWHERE[name] else (left.pop(0) if left else "")
        else:
            rest.append(argument)
    return common, rest


def build() -> typer.Typer:
    """Answer the tree of commands, in the language of this process."""
    from dure.cli import (
        agents,
        backfills,
        calendars,
        channels,
        db,
        demo,
        doctor,
        handlers,
        intents,
        jobs,
        keys,
        operations,
        queues,
        releases,
        rollouts,
        runs,
        schedules,
        skills,
        sql,
        tasks,
        up,
        version,
        windows,
        worker,
    )

    root = typer.Typer(
        name="dure",
        help=text("root"),
        epilog=text("root_epilog"),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_common)
    for command in (up, worker, sql, doctor, version):
        command.add_to(root)
    for noun in (
        runs,
        operations,
        schedules,
        windows,
        backfills,
        calendars,
        jobs,
        intents,
        agents,
        tasks,
        releases,
        rollouts,
        channels,
        handlers,
        queues,
        keys,
        skills,
        db,
        demo,
    ):
        root.add_typer(noun.build())
    return root


def _common(
    lang: str = typer.Option("", "--lang", metavar="en|ko", help=text("opt_lang")),
    as_json: bool = typer.Option(False, "--json", help=text("opt_json")),
) -> None:
    """Only for `--help`: both were taken off the line before it came here."""


def _run(arguments: list[str]) -> int:
    """Run it and answer the exit code; what went wrong goes to stderr as one sentence, or as one document."""
    try:
        build()(arguments, prog_name="dure")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(error)
    return 0


def _report(error: Exception) -> int:
    from dure.cli.failures import known

    problem = known(error)
    if problem is None:
        raise error
    if output.wants_json():
        document = {
            "type": f"urn:dure:problem:{problem.code}",
            "title": problem.code,
            "status": problem.status,
            "code": problem.code,
            "detail": problem.text(),
            "errors": [{"field": field, "detail": detail} for field, detail in problem.field_texts().items()],
        }
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr)  # noqa: T201
    else:
        print(f"{problem.code}: {problem.text()}", file=sys.stderr)  # noqa: T201
    return problem.exit_code
