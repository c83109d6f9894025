"""E-mail, Slack and the rest, through Apprise; imported when used, because it is an extra."""

import asyncio
import importlib
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from dure.notices.addresses import Allowed, InternalAddress, resolve
from dure.notices.fence import fenced
from dure.notices.words import Words
from dure.queue.retry import Final, Retryable
from dure.queue.threads import in_thread

TIMEOUT_S = 60.0
LOCAL_SCHEMES = frozenset(
    {"blink1", "dbus", "exec", "file", "gio", "glib", "gnome", "kde", "macosx", "qt", "script", "syslog", "windows"}
)
"""Services that reach this machine and nobody else."""
PLAIN_SCHEMES = {"apprise": 80, "form": 80, "json": 80, "xml": 80}
"""HTTP to any host, without TLS; each has a sister with an `s`."""


class NotInstalled(Final):
    """Apprise is not here."""


async def send(url: SecretStr, words: Words, allowed: Allowed) -> None:
    """Tell a service; raises `Final` or `Retryable`, neither of which shows the URL."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await in_thread(_send, url.get_secret_value(), words, allowed, name="apprise")
    except TimeoutError:
        raise Retryable(f"the service did not answer within {TIMEOUT_S:g} s") from None


def _send(url: str, words: Words, allowed: Allowed) -> None:
    check_scheme(url, allowed)
    # Imported before the fence: what comes along may start threads.
    apprise = _module()
    try:
        with fenced(allowed) as fence:
            taken = _notify(apprise, url, words)
    except (Final, Retryable):
        raise
    except Exception as error:
        if not fence.stopped:
            # Not its text, which may quote the URL.
            raise Retryable(f"the service failed: {type(error).__name__}") from None
        taken = False
    if taken:
        return
    if fence.stopped:
        raise InternalAddress("the service leads to an internal address, which DURE_NOTICE_ALLOW does not name")
    raise Retryable("the service did not take the notice")


def _notify(apprise: Any, url: str, words: Words) -> bool:
    asset = apprise.AppriseAsset(app_id="Dure", app_desc="Dure", app_url="", async_mode=False, storage_mode="memory")
    for name in ("http_redirects", "pgp_autogen", "pem_autogen"):
        setattr(asset, name, False)
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise Final("the target is not a URL that Apprise understands, or its service lacks a package")
    return bool(
        service.notify(
            title=words.title,
            body=words.body,
            notify_type=getattr(apprise.NotifyType, words.tone.upper()),
            body_format=apprise.NotifyFormat.TEXT,
        )
    )


def check_scheme(url: str, allowed: Allowed) -> None:
    """Refuse services of this machine alone, and HTTP without TLS to receivers that were not allowed."""
    parts = urlsplit(url)
    if parts.scheme in LOCAL_SCHEMES:
        raise Final(f"{parts.scheme}:// reaches only the worker's own machine, and is not allowed")
    if parts.scheme not in PLAIN_SCHEMES:
        return
    host = parts.hostname or ""
    if not allowed.inside(host, resolve(host, parts.port or PLAIN_SCHEMES[parts.scheme])):
        raise InternalAddress(
            f"{parts.scheme}:// has no TLS: write {parts.scheme}s://, or name the receiver in DURE_NOTICE_ALLOW"
        )


def _module() -> Any:
    try:
        return importlib.import_module("apprise")
    except ImportError:
        raise NotInstalled("this target needs Apprise, which is not installed: pip install 'dure[notify]'") from None
