"""Making and changing schedules: options become the fields of a schedule."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

from dure.cli import session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant

if TYPE_CHECKING:
    from dure.schedule.model import Schedule

RULES = ("cron", "daily", "weekly", "monthly", "every", "once")
PLAIN = ("handler", "operation", "mode", "zone", "catch_up", "catch_up_max", "overlap")
LAST = "last"

Name = typer.Argument(metavar="NAME", help=text("arg_schedule"))
NewName = typer.Argument(metavar="NAME", help=text("arg_schedule_name"))
CronExpr = typer.Option(None, "--cron", metavar="FIELDS", help=text("opt_cron"))
Daily = typer.Option(None, "--daily", metavar="TIMES", help=text("opt_daily"))
Weekly = typer.Option(None, "--weekly", metavar="DAYS@TIMES", help=text("opt_weekly"))
Monthly = typer.Option(None, "--monthly", metavar="DAYS@TIMES", help=text("opt_monthly"))
Every = typer.Option(None, "--every", metavar="DURATION", help=text("opt_every"))
Once = typer.Option(None, "--once", metavar="TIME", help=text("opt_once"))
Handler = typer.Option(None, "--handler", help=text("opt_schedule_handler"))
Operation = typer.Option(None, "--operation", help=text("opt_schedule_operation"))
Mode = typer.Option(None, "--mode", metavar="plan|approve|apply", help=text("opt_schedule_mode"))
Zone = typer.Option(None, "--zone", help=text("opt_zone"))
Params = typer.Option(None, "--params", metavar="JSON|@FILE|-", help=text("opt_schedule_params"))
CatchUp = typer.Option(None, "--catch-up", metavar="latest|none|all", help=text("opt_catch_up"))
CatchUpMax = typer.Option(None, "--catch-up-max", help=text("opt_catch_up_max"))
Overlap = typer.Option(None, "--overlap", metavar="skip|queue|allow", help=text("opt_overlap"))
Jitter = typer.Option(None, "--jitter", metavar="DURATION", help=text("opt_jitter"))
Calendar = typer.Option(None, "--calendar", metavar="NAME", help=text("opt_calendar"))
Starts = typer.Option(None, "--starts", metavar="TIME", help=text("opt_starts"))
Ends = typer.Option(None, "--ends", metavar="TIME", help=text("opt_ends"))
Queue = typer.Option(None, "--queue", help=text("opt_queue"))
Priority = typer.Option(None, "--priority", help=text("opt_priority"))
MaxRetries = typer.Option(None, "--max-retries", help=text("opt_max_retries"))
Timeout = typer.Option(None, "--timeout", metavar="DURATION", help=text("opt_timeout"))
Tags = typer.Option(None, "--tag", help=text("opt_tag"))


def create(
    given: typer.Context,
    name: str = NewName,
    cron: str = CronExpr,
    daily: str = Daily,
    weekly: str = Weekly,
    monthly: str = Monthly,
    every: str = Every,
    once: str = Once,
    handler: str = Handler,
    operation: str = Operation,
    mode: str = Mode,
    zone: str = Zone,
    params: str = Params,
    catch_up: str = CatchUp,
    catch_up_max: int = CatchUpMax,
    overlap: str = Overlap,
    jitter: str = Jitter,
    calendar: str = Calendar,
    starts: str = Starts,
    ends: str = Ends,
    queue: str = Queue,
    priority: int = Priority,
    max_retries: int = MaxRetries,
    timeout: str = Timeout,
    tags: list[str] = Tags,
    paused: bool = typer.Option(False, "--paused", help=text("opt_paused")),
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Make a schedule."""
    from dure.cli.declaring import with_handlers
    from dure.cli.schedules_show import print_schedule
    from dure.errors import Invalid
    from dure.schedule.model import NewSchedule
    from dure.schedule.rules import zone_of

    fields = fields_of(given.params, zone_of(zone or "UTC"), {})
    if "rule" not in fields:
        raise Invalid(field="--cron, --daily, --weekly, --monthly, --every, --once", reason="missing")
    wanted = NewSchedule(name=name, paused=paused, **fields)

    async def work() -> "Schedule":
        async with session.runtime(imports=tuple(imports or ()) or None) as runtime:
            return await with_handlers(runtime, lambda: runtime.schedules.create(tenant, wanted, actor=actor()))

    print_schedule(session.run(work))


def edit(
    given: typer.Context,
    name: str = Name,
    rename: str = typer.Option(None, "--rename", metavar="NAME", help=text("opt_rename")),
    cron: str = CronExpr,
    daily: str = Daily,
    weekly: str = Weekly,
    monthly: str = Monthly,
    every: str = Every,
    once: str = Once,
    handler: str = Handler,
    operation: str = Operation,
    mode: str = Mode,
    zone: str = Zone,
    params: str = Params,
    catch_up: str = CatchUp,
    catch_up_max: int = CatchUpMax,
    overlap: str = Overlap,
    jitter: str = Jitter,
    calendar: str = Calendar,
    starts: str = Starts,
    ends: str = Ends,
    queue: str = Queue,
    priority: int = Priority,
    max_retries: int = MaxRetries,
    timeout: str = Timeout,
    tags: list[str] = Tags,
    revision: int = typer.Option(None, "--revision", help=text("opt_revision")),
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Change what is named of a schedule; it holds at once."""
    from dure.cli.declaring import with_handlers
    from dure.cli.schedules_show import print_schedule
    from dure.schedule.rules import zone_of

    async def work() -> "Schedule":
        async with session.runtime(imports=tuple(imports or ()) or None) as runtime:
            found = await runtime.schedules.get(tenant, name)
            fields = fields_of(given.params, zone_of(zone or found.zone), found.options)
            changes = fields if rename is None else {**fields, "name": rename}
            return await with_handlers(
                runtime,
                # What was found is what is changed, even if somebody else changes it now.
                lambda: runtime.schedules.edit(
                    tenant, found.id, changes, actor=actor(), revision=revision or found.revision
                ),
            )

    print_schedule(session.run(work))


def fields_of(given: Mapping[str, Any], zone: ZoneInfo, options: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the fields that options name; a time without an offset is in the zone.

    Example: `fields_of({"daily": "09:00", …}, zone, {})["rule"] == {"kind": "daily", "at": ["09:00"]}`.
    """
    from dure.cli.params import read_params

    fields = {name: given[name] for name in PLAIN if given[name] is not None}
    if (rule := _rule_of(given, zone)) is not None:
        fields["rule"] = rule
    if given["params"] is not None:
        fields["params"] = read_params(given["params"])
    if given["jitter"] is not None:
        fields["jitter_s"] = whole_seconds(given["jitter"], "jitter")
    if given["calendar"] is not None:
        fields["calendar"] = given["calendar"] or None
    for name in ("starts", "ends"):
        if given[name] is not None:
            fields[f"{name}_at"] = _moment(given[name], zone, name) if given[name] else None
    if wanted := _options_of(given):
        fields["options"] = {**options, **wanted}
    return fields


def whole_seconds(duration: str, field: str) -> int:
    """Answer a duration in whole seconds. Example: `whole_seconds("15m", "every") == 900`."""
    from dure.cli.times import seconds
    from dure.errors import Invalid

    found = seconds(duration, field)
    if found is None or found != int(found):
        raise Invalid(field=field, reason="wrong_format", expected="30, 30s, 5m, 2h, 7d")
    return int(found)


def _rule_of(given: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any] | None:
    from dure.errors import Invalid

    named = [name for name in RULES if given[name] is not None]
    if not named:
        return None
    if len(named) > 1:
        raise Invalid(field=f"--{named[1]}", reason="not_both", other=f"--{named[0]}")
    kind, value = named[0], given[named[0]]
    match kind:
        case "cron":
            return {"kind": "cron", "expr": value}
        case "daily":
            return {"kind": "daily", "at": _listed(value)}
        case "weekly":
            days, times = _days_and_times(value, "weekly", "sun@09:00")
            return {"kind": "weekly", "days": [day.lower() for day in days], "at": times}
        case "monthly":
            days, times = _days_and_times(value, "monthly", f"1,{LAST}@09:00")
            return {"kind": "monthly", "days": [_month_day(day) for day in days], "at": times}
        case "every":
            return {"kind": "interval", "every_s": whole_seconds(value, "every")}
        case _:
            return {"kind": "once", "at": _moment(value, zone, "once").isoformat()}


def _options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    from dure.cli.times import seconds

    options = {name: given[name] for name in ("queue", "priority", "max_retries") if given[name] is not None}
    if given["timeout"] is not None:
        options["timeout_s"] = seconds(given["timeout"], "timeout")
    if given["tags"]:
        options["tags"] = list(given["tags"])
    return options


def _moment(value: str, zone: ZoneInfo, field: str) -> Any:
    from dure.cli.times import moment_in_zone

    return moment_in_zone(value, zone, field)


def _days_and_times(value: str, field: str, example: str) -> tuple[list[str], list[str]]:
    from dure.errors import Invalid

    days, at, times = value.partition("@")
    if not at:
        raise Invalid(field=field, reason="wrong_format", expected=example)
    return _listed(days), _listed(times)


def _month_day(text: str) -> int:
    from dure.errors import Invalid

    if text.lower() == LAST:
        return -1
    try:
        return int(text)
    except ValueError:
        raise Invalid(field="monthly", reason="wrong_format", expected=f"1,{LAST}@09:00") from None


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]
