"""Ways out: a channel is a name and a URL of the environment, never of the database.

`DURE_OUTBOX_CHANNELS` names them as notices do: `sms=twilio://…/{to}, email=mailtos://…?to={to}, hook=https://…`, and
`file=file:///…` for a folder. `{to}` is where the recipient goes, percent-encoded. A webhook is signed and carries the
message's id, so its receiver knows a repeat; of all others a repeat cannot be told from a first, which is why a call
whose end nobody saw is not made again.
"""

import asyncio
import json
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from dure.errors import Conflict
from dure.intents.outbox.config import OutboxSettings
from dure.intents.outbox.store import Message
from dure.notices import apprise, webhook
from dure.notices.addresses import Allowed
from dure.notices.words import Words
from dure.queue.retry import Final
from dure.settings import Settings

ANSWER_S = 50.0
"""Less than Apprise's own patience, so that it is known which of the two it was."""


class NobodyKnows(Final):
    """The call was made, and its end was not seen: it may have gone out."""


def knows_repeats(url: str) -> bool:
    """Answer whether a channel's receiver can tell a repeat from a first. Example: `knows_repeats("https://…")`."""
    return urlsplit(url).scheme in ("http", "https", "file")


def url_of(settings: OutboxSettings, channel: str) -> str:
    """Answer the URL of a channel; `Final` when this worker has none of this name."""
    for given in settings.channels:
        name, _, url = given.get_secret_value().partition("=")
        if name == channel:
            return url
    raise Final(f"no channel named {channel!r} in DURE_OUTBOX_CHANNELS of this worker")


async def send(url: str, message: Message, settings: Settings) -> None:
    """Hand a message to its channel; raises `Final` or `Retryable`, neither of which shows the URL."""
    filled = SecretStr(url.replace("{to}", quote(message.to, safe="")))
    match urlsplit(url).scheme:
        case "file":
            await asyncio.to_thread(_write, Path(unquote(urlsplit(url).path)), message)
        case "http" | "https":
            data = {"to": message.to, "subject": message.subject, "body": message.body, "channel": message.channel}
            one = webhook.Message(message.id, "outbox.message", message.created_at.isoformat(), data)
            await webhook.post(filled, one, settings.notice_secrets, Allowed.of(settings.notice_allow))
        case _:
            words = Words(message.subject, message.body, "info")
            try:
                async with asyncio.timeout(ANSWER_S):
                    await apprise.send(filled, words, Allowed.of(settings.notice_allow))
            except TimeoutError:
                raise NobodyKnows(f"the service did not answer within {ANSWER_S:g} s") from None


def _write(folder: Path, message: Message) -> None:
    """One file a message, named by its id: written again, it is the same file."""
    if not folder.is_absolute():
        raise Conflict("not_absolute", path=str(folder))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = {
        "id": message.id,
        "channel": message.channel,
        "to": message.to,
        "subject": message.subject,
        "body": message.body,
    }
    fresh = folder / f".{message.id}.part"
    fresh.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / f"{message.id}.json")
