"""Finds the notice that a request names: by its title, or by its id."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dure.apps.intents.reading import Reader
from dure.db.sql import load
from dure.errors import Invalid

_NAMED = load("dure.apps.intents.communication", "notices_named")


async def notice_of(ctx: Reader, named: str, statuses: Sequence[str]) -> dict[str, Any]:
    """Answer the notice, of several of one title the latest; `Invalid` when there is none in these states.

    Example: `(await notice_of(ctx, "방학 특강 안내", ["published"]))["body"]`.
    """
    row = await notice_or_none(ctx, named, statuses)
    if row is None:
        raise Invalid(field="params.notice", reason="academy.unknown_notice", name=named)
    return row


async def notice_or_none(ctx: Reader, named: str, statuses: Sequence[str]) -> dict[str, Any] | None:
    """Answer the notice, or None."""
    return await ctx.one(_NAMED, {"named": named, "id": _id(named), "statuses": list(statuses)})


def _id(named: str) -> UUID | None:
    try:
        return UUID(named)
    except ValueError:
        return None
