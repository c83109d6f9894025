"""`dure doctor`."""

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def add_to(root: typer.Typer) -> None:
    """Add the command."""
    root.command("doctor", help=text("doctor"))(doctor)


def doctor() -> None:
    """Say what is wrong and how to mend it; exit code 1 if something is."""
    from dure.errors import DureError
    from dure.runtime.doctor import Finding, Patient, examine, unreachable

    chosen = session.settings()

    async def work() -> list[Finding]:
        try:
            async with session.OpenDatabase(chosen) as database:
                return await examine(Patient(chosen, database, embedded=chosen.database_url is None))
        except DureError as error:
            return unreachable(error)

    findings = session.run(work)
    failed = sum(finding.level == "fail" for finding in findings)
    if output.wants_json():
        output.document(
            {
                "healthy": failed == 0,
                "items": [
                    {
                        "check": finding.check,
                        "level": finding.level,
                        "code": finding.key,
                        "text": finding.text(),
                        "mend": finding.mend(),
                        "params": finding.params,
                    }
                    for finding in findings
                ],
                "next_cursor": None,
            }
        )
    else:
        for finding in findings:
            output.line(f"{MARKS[finding.level]}  {finding.text()}")
            if finding.level != "ok" and (mend := finding.mend()) is not None:
                output.line(f"      {mend}")
        warned = sum(finding.level == "warn" for finding in findings)
        output.line(say("doctor.summary", failed=failed, warned=warned))
    raise typer.Exit(1 if failed else 0)
