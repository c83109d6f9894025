"""How a guardian is reached: by a text message, or by e-mail where there is no number."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dure.apps.intents.params import Email, Phone
from dure.errors import Invalid
from dure.intents import Outgoing, Skip
from dure.lang import say

NONE = "00000000-0000-0000-0000-000000000000"
"""In the place of a guardian of whom there is none; before all others."""
PAGE_ROWS = 1_000

_PHONE: TypeAdapter[str] = TypeAdapter(Phone)
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def to_guardian(row: Mapping[str, Any], *, subject: str, body: str, dedupe: str | None = None) -> Outgoing:
    """Answer the message to a guardian; `Skip` who wants none or has no address, `Invalid` an address that is none.

    Example: `to_guardian(row, subject="…", body="…").channel == "sms"`.
    """
    name = row["guardian"]
    if not row["wants_messages"]:
        raise Skip(say("academy.skips.no_messages", guardian=name))
    if row["phone"]:
        return Outgoing(
            channel="sms", to=_checked(_PHONE, row["phone"], name), subject=subject, body=body, dedupe=dedupe
        )
    if row["email"]:
        return Outgoing(
            channel="email", to=_checked(_EMAIL, row["email"], name), subject=subject, body=body, dedupe=dedupe
        )
    raise Skip(say("academy.skips.no_address", guardian=name))


def _checked(kind: TypeAdapter[str], given: str, name: str) -> str:
    try:
        return kind.validate_python(given)
    except ValidationError:
        # Not skipped: somebody should correct it, and then try again those that failed.
        raise Invalid(field="guardian", reason="academy.no_such_address", name=name, address=given) from None
