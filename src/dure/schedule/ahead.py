"""What is to come of a schedule, as people want to see it, and times as they write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dure.db.pool import Database
from dure.errors import Invalid
from dure.schedule import clocks
from dure.schedule.documents import MOMENT_EXAMPLE, read_moment
from dure.schedule.model import Schedule, reason_text, why
from dure.schedule.rows import calendar_of
from dure.schedule.rules import rule_from, zone_of
from dure.schedule.service import NEXT_MAX, find_schedule, upcoming
from dure.schedule.wording import describe


@dataclass(frozen=True, slots=True)
class Ahead:
    """A fire that is to come; with a reason when the calendar, as it is now, will not let it make a job."""

    at: datetime
    blocked: Mapping[str, Any] | None

    def text(self, lang: str | None = None) -> str:
        """Answer why it will make no job, as a sentence."""
        return reason_text(self.blocked, lang)


async def look_ahead(
    database: Database, tenant_id: str | None, ref: str, *, count: int = 10
) -> tuple[Schedule, list[Ahead]]:
    """Answer a schedule and its next fires, those that its calendar blocks among them; a paused one's as if resumed.

    Example: `schedule, fires = await look_ahead(database, "acme", "nightly", count=10)`.
    """
    async with database.system_tx() as tx:
        found, now = await find_schedule(tx, tenant_id, ref)
        calendar = await calendar_of(tx, found)
    zone = zone_of(found.zone)
    ahead: list[Ahead] = []
    for at in islice(upcoming(found, now), max(1, min(count, NEXT_MAX))):
        blocked = None if calendar is None else calendar.blocks(at, zone)
        ahead.append(Ahead(at, None if blocked is None else why(blocked.kind, name=blocked.name)))
    return found, ahead


def described(schedule: Schedule, lang: str | None = None) -> str:
    """Answer when a schedule fires, in words; of a row that cannot be read, what is wrong with it.

    Example: `described(schedule, "en")` is `daily at 09:00 (Asia/Seoul)`.
    """
    try:
        return describe(rule_from(schedule.rule), zone_of(schedule.zone), lang)
    except Invalid as error:
        return error.text(lang)


def moment_in(text: str, zone: ZoneInfo, field: str) -> datetime:
    """Answer a time as a person writes it: a day is its beginning, and what names no offset is in the zone.

    Example: `moment_in("2030-01-01", ZoneInfo("Asia/Seoul"), "from")`.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(field=field, reason="wrong_format", expected=f"2030-01-01, {MOMENT_EXAMPLE}") from None
    if at.tzinfo is not None:
        return read_moment(at, field)
    read_moment(at.replace(tzinfo=UTC), field)
    return clocks.first_moment(zone, at)
