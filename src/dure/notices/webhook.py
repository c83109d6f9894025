"""Webhooks as Standard Webhooks has them: signed, with an id that stays the same on every attempt.

The transport is used bare, without a client around it: nothing follows a redirect, reads a proxy from the environment
or writes a URL into a log.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from time import time
from typing import Any

import httpx
from pydantic import SecretStr

from dure.notices.addresses import Allowed, InternalAddress, check, resolve
from dure.queue.retry import Final, Retryable
from dure.queue.threads import in_thread
from dure.settings import WHSEC

TIMEOUT_S = 15.0
"""For everything: the name, the connection, the answer."""
CONNECT_TIMEOUT_S = 5.0
ADDRESSES_MAX = 4
REDIRECTS = range(300, 400)
PORTS = {"https": 443, "http": 80}


class NotDelivered(Exception):
    """The receiver answered, but did not take it; its status and `Retry-After` decide what comes next."""

    def __init__(self, response: httpx.Response) -> None:
        gone = ": it wants no more" if response.status_code == httpx.codes.GONE else ""
        super().__init__(f"the receiver answered {response.status_code}{gone}")
        self.response = response


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one receiver. Example: `Message(ctx.idempotency_key, "run.failed", happened_at, facts)`."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]

    def body(self) -> bytes:
        """Answer the JSON that is signed and sent."""
        payload = {"type": self.type, "timestamp": self.timestamp, "data": self.data}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def headers(message_id: str, at_s: int, body: bytes, secrets: Sequence[SecretStr]) -> dict[str, str]:
    """Answer the three headers of the standard, with one signature for each secret."""
    signed = f"{message_id}.{at_s}.".encode() + body
    keys = [base64.b64decode(secret.get_secret_value().removeprefix(WHSEC)) for secret in secrets]
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


async def post(address: SecretStr, message: Message, secrets: Sequence[SecretStr], allowed: Allowed) -> int:
    """Deliver a message; answer the status.

    Raises `Final`, `Retryable` or `NotDelivered`, none of which shows the URL.
    """
    if not secrets:
        raise Final("DURE_NOTICE_SECRETS is empty, and a webhook is never sent unsigned")
    url = _url(address)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            response = await _post(url, message, secrets, allowed)
    except TimeoutError:
        raise Retryable(f"the receiver did not answer within {TIMEOUT_S:g} s") from None
    except httpx.TransportError as error:
        # Its text may quote what was sent.
        raise Retryable(f"the receiver cannot be reached: {type(error).__name__}") from None
    if response.status_code in REDIRECTS:
        raise Final(f"the receiver answered {response.status_code}: redirects are not followed")
    if not response.is_success:
        raise NotDelivered(response)
    return response.status_code


async def _post(url: httpx.URL, message: Message, secrets: Sequence[SecretStr], allowed: Allowed) -> httpx.Response:
    addresses = await in_thread(resolve, url.host, url.port or PORTS[url.scheme], name="resolve")
    check(url.host, addresses, allowed)
    if url.scheme != "https" and not allowed.inside(url.host, addresses):
        raise InternalAddress("a webhook needs https, except to receivers that DURE_NOTICE_ALLOW names")
    body = message.body()
    given = {
        **headers(message.id, int(time()), body, secrets),
        "host": url.netloc.decode("ascii"),
        "content-type": "application/json",
        "user-agent": "dure",
        "connection": "close",
    }
    async with httpx.AsyncHTTPTransport(verify=_tls()) as transport:
        return await _first_that_connects(transport, url, addresses[:ADDRESSES_MAX], given, body)


async def _first_that_connects(
    transport: httpx.AsyncHTTPTransport, url: httpx.URL, addresses: Sequence[str], given: dict[str, str], body: bytes
) -> httpx.Response:
    failure: httpx.TransportError = httpx.ConnectError("no address")
    for address in addresses:
        request = httpx.Request(
            "POST",
            # The address that was checked, and not the name again: it might lead elsewhere by now. The host header and
            # the name that TLS asks for and verifies stay those of the URL.
            url.copy_with(host=address.partition("%")[0]),
            headers=given,
            content=body,
            extensions={
                "sni_hostname": url.host,
                "timeout": httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S).as_dict(),
            },
        )
        try:
            response = await transport.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
            continue
        # Its body is of no interest, however long it is.
        await response.aclose()
        return response
    raise failure


def _url(address: SecretStr) -> httpx.URL:
    try:
        url = httpx.URL(address.get_secret_value())
    except httpx.InvalidURL:
        raise Final("the target is not a URL") from None
    if url.scheme not in PORTS or not url.host or url.userinfo:
        raise Final("the target is not a URL of a webhook: https, a host, and no user before it")
    return url.copy_with(fragment=None)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
