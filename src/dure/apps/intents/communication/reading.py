"""What staff ask about messages and notices."""

import datetime as dt
from typing import Annotated, Any, Literal

from dure.apps.intents.declared_communication import DECLARED
from dure.apps.intents.naming import class_id_of
from dure.apps.intents.params import CLASS, ZONE, Asked, Day, Name
from dure.apps.intents.reading import Reader, limited, listed, plain
from dure.db.sql import load
from dure.intents import intent

PACKAGE = "dure.apps.intents.communication"
SPAN_DAYS = 30
STATES = ("planned", "sending", "sent", "failed", "unknown", "cancelled")

_MESSAGES = load(PACKAGE, "messages")
_STATES = load(PACKAGE, "states")
_UNREACHABLE = load(PACKAGE, "unreachable")
_NOTICES = load(PACKAGE, "notices")


class OfDays(Asked):
    """From when until when. Example: `OfDays(from_on="2026-07-01")`."""

    from_on: Day | None = None
    """None is the last of them alone; of undelivered messages a month before it."""
    until_on: Day | None = None
    """None is today."""

    def days(self, today: dt.date, span_days: int) -> dict[str, Any]:
        """Answer them as statements have them."""
        last = self.until_on or max(today, self.from_on or today)
        first = self.from_on or last - dt.timedelta(days=span_days - 1)
        return {"first": first, "last": last, "zone": ZONE}


@intent(DECLARED["communication.get.sent"])
class Sent:
    """What was written to guardians, and how it stands."""

    Params = OfDays

    async def answer(self, params: OfDays, ctx: Reader) -> Any:
        """Answer how many messages stand how, and the messages, the latest first."""
        days = params.days(ctx.today, 1)
        counts = {row["state"]: row["messages"] for row in await ctx.rows(_STATES, days)}
        found = listed(await ctx.rows(_MESSAGES, limited({**days, "states": list(STATES)})))
        return plain({"from_on": days["first"], "until_on": days["last"], "states": counts, **found})


@intent(DECLARED["communication.get.undelivered"])
class Undelivered:
    """Messages that did not go out, and those of which nobody knows."""

    Params = OfDays

    async def answer(self, params: OfDays, ctx: Reader) -> Any:
        """Answer the messages, each with what went wrong."""
        days = params.days(ctx.today, SPAN_DAYS)
        found = listed(await ctx.rows(_MESSAGES, limited({**days, "states": ["failed", "unknown"]})))
        return plain({"from_on": days["first"], "until_on": days["last"], **found})


@intent(DECLARED["communication.get.unreachable"])
class Unreachable:
    """Students of whom no guardian can be written to."""

    async def answer(self, _params: Any, ctx: Reader) -> Any:
        """Answer the students, each with why."""
        return listed(await ctx.rows(_UNREACHABLE, limited()))


@intent(DECLARED["communication.get.notices"])
class Notices:
    """The notices."""

    class Params(Asked):
        """In which state, of which class."""

        status: Literal["draft", "published", "withdrawn"] | None = None
        class_name: Annotated[Name | None, CLASS] = None

    async def answer(self, params: Params, ctx: Reader) -> Any:
        """Answer the notices, the latest first."""
        values = {"status": params.status, "class": await class_id_of(ctx, params.class_name)}
        return listed(await ctx.rows(_NOTICES, limited(values)))
