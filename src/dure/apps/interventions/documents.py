"""The documents of the older API: a schedule as a frequency, an hour and a minute; and what is asked of a run by hand.

Whatever is wrong is told by the field's name, all of it at once.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal

from dure.apps.interventions.periods import Period
from dure.errors import Invalid
from dure.schedule.model import Schedule

Frequency = Literal["daily", "weekly", "monthly"]
PERIOD_OF: Mapping[str, Period] = {"daily": "day", "weekly": "week", "monthly": "month"}
WEEKDAY = "sun"
MONTH_DAY = 1
NAME_CHARS_MAX = 200
ID_MAX = 2**48 - 1
REQUIRED = ("name", "frequency", "hour", "minute")
TOLD = frozenset(
    {
        "id",
        "schedule_id",
        "period",
        "zone",
        "state",
        "next_run_at",
        "last_run_at",
        "created_at",
        "updated_at",
        "last_job",
    }
)
"""What an answer has besides; a client may send it back, and it changes nothing."""
YESTERDAY = "{fire.date-1}"

Check = Callable[[str, Any], Any]


def number_of(schedule_id: str) -> int:
    """Answer the number that the older API calls a schedule by: the last 48 bits of its id, which are random.

    Example: `number_of("0190…-0000000000ff") == 255`.
    """
    return int(schedule_id.replace("-", "")[-12:], 16)


def read_schedule(document: Any, *, partly: bool = False) -> dict[str, Any]:
    """Answer the checked fields of a schedule; with `partly` only those that are there. Raises `Invalid`.

    Example: `read_schedule({"name": "a", "frequency": "daily", "hour": 9, "minute": 0})["is_active"]` is true.
    """
    if partly:
        return _read(document, _SCHEDULE, {}, ignored=TOLD, required=())
    return _read(document, _SCHEDULE, {"is_active": True}, ignored=TOLD, required=REQUIRED)


def read_run(document: Any) -> dict[str, Any]:
    """Answer the checked fields of a run that is asked for by hand. Example: `read_run({"redo": True})["redo"]`."""
    return _read(document, _RUN, {"frequency": "daily", "redo": False}, ignored=frozenset(), required=())


def read_id(document: Any, given: str | None = None) -> str:
    """Answer what names a schedule: its number, its own id, or its name. Raises `Invalid` for the field `id`."""
    value = given if given is not None else document.get("id") if isinstance(document, Mapping) else None
    match value:
        case None:
            raise Invalid(field="id", reason="missing")
        case bool():
            raise Invalid(field="id", reason="wrong_type", expected="integer")
        case int() if 0 <= value <= ID_MAX:
            return str(value)
        case str() if 0 < len(value) <= NAME_CHARS_MAX:
            return value
        case _:
            raise Invalid(field="id", reason="wrong_type", expected="integer")


def rule_of(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the rule of a frequency at an hour and a minute.

    Example: `rule_of({"frequency": "daily", "hour": 9, "minute": 0})["at"] == ["09:00"]`.
    """
    at = [f"{wanted['hour']:02}:{wanted['minute']:02}"]
    match wanted["frequency"]:
        case "daily":
            return {"kind": "daily", "at": at}
        case "weekly":
            return {"kind": "weekly", "days": [WEEKDAY], "at": at}
        case _:
            return {"kind": "monthly", "days": [MONTH_DAY], "at": at}


def timing_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the frequency, hour and minute of a rule; each None for a rule that the older API cannot say."""
    at = rule.get("at")
    frequency = next((name for name in PERIOD_OF if _is(rule, name)), None)
    if frequency is None or not isinstance(at, list | tuple) or len(at) != 1:
        return {"frequency": None, "hour": None, "minute": None}
    hour, minute = (int(part) for part in at[0].split(":"))
    return {"frequency": frequency, "hour": hour, "minute": minute}


def written(schedule: Schedule) -> dict[str, Any]:
    """Answer a schedule as the older API shows it."""
    return {
        "id": number_of(schedule.id),
        "name": schedule.name,
        **timing_of(schedule.rule),
        "is_active": schedule.state == "active",
        "schedule_id": schedule.id,
        "period": schedule.params.get("period", "day"),
        "zone": schedule.zone,
        "state": schedule.state,
        "next_run_at": _time(schedule.next_fire_at if schedule.state == "active" else None),
        "last_run_at": _time(schedule.last_fire_at),
        "created_at": _time(schedule.created_at),
        "updated_at": _time(schedule.updated_at),
    }


def _is(rule: Mapping[str, Any], frequency: str) -> bool:
    days = list(rule.get("days") or ())
    match frequency, rule.get("kind"):
        case "daily", "daily":
            return True
        case "weekly", "weekly":
            return days == [WEEKDAY]
        case "monthly", "monthly":
            return days == [MONTH_DAY]
        case _:
            return False


def _read(
    document: Any,
    checks: Mapping[str, Check],
    defaults: Mapping[str, Any],
    *,
    ignored: frozenset[str],
    required: tuple[str, ...],
) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise Invalid(field="body", reason="wrong_type", expected="object")
    found, wrong = dict(defaults), []
    for name, value in document.items():
        if name in checks:
            try:
                found[name] = checks[name](name, value)
            except Invalid as error:
                wrong.append(error)
        elif name not in ignored:
            wrong.append(Invalid(field=str(name)[:NAME_CHARS_MAX], reason="unknown_field"))
    wrong += [Invalid(field=name, reason="missing") for name in required if name not in document]
    if wrong:
        raise Invalid.together(wrong)
    return found


def _whole(low: int, high: int) -> Check:
    def check(field: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Invalid(field=field, reason="wrong_type", expected="integer")
        if not low <= value <= high:
            raise Invalid(field=field, reason="out_of_range", min=low, max=high)
        return value

    return check


def _name(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(field=field, reason="wrong_type", expected="string")
    if not value.strip() or len(value) > NAME_CHARS_MAX:
        raise Invalid(field=field, reason="out_of_range", min=1, max=NAME_CHARS_MAX)
    return value.strip()


def _frequency(field: str, value: Any) -> str:
    if not isinstance(value, str) or value not in PERIOD_OF:
        raise Invalid(field=field, reason="not_one_of", expected=", ".join(PERIOD_OF))
    return value


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(field=field, reason="wrong_type", expected="boolean")
    return value


def _day(field: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise Invalid(field=field, reason="wrong_format", expected="2030-01-31") from None


def _users(field: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, int | str) for one in value):
        raise Invalid(field=field, reason="wrong_type", expected="array")
    return [str(one) for one in value]


def _kind(field: str, value: Any) -> str | None:
    return None if value is None else _name(field, value)


def _time(at: Any) -> str | None:
    return None if at is None else at.isoformat()


_SCHEDULE: Mapping[str, Check] = {
    "name": _name,
    "frequency": _frequency,
    "hour": _whole(0, 23),
    "minute": _whole(0, 59),
    "is_active": _flag,
}
_RUN: Mapping[str, Check] = {
    "date": _day,
    "redo": _flag,
    "frequency": _frequency,
    "kind": _kind,
    "users": _users,
}
