"""HTTP to servers of others. What they are is not known, so nothing of what they say is trusted.

As with notices: the address is checked each time and the connection goes to the very address that was checked;
internal ones only where `DURE_A2A_ALLOW` names them; no redirect is followed, no proxy is read from the environment.
Answers are limited in size and time, and not asked for compressed. A token goes to the one origin it was given for.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from dure.apps.ecosystem.a2a.config import PORTS, A2aSettings, origin_of
from dure.notices.addresses import Allowed, InternalAddress, check, resolve
from dure.queue.retry import Final, Retryable
from dure.queue.threads import in_thread

CONNECT_TIMEOUT_S = 5.0
SILENCE_S = 60.0
"""A connection that says nothing for so long, not even that it is there, is taken for lost."""
ADDRESSES_MAX = 4
ANSWER_BYTES_MAX = 4_194_304
CARD_BYTES_MAX = 262_144
PASSING_STATUSES = frozenset({408, 425, 429})
REDIRECTS = range(300, 400)
EVENT_STREAM = "text/event-stream"
TEXT_CHARS_MAX = 300


class Refused(Final):
    """The other server refuses, or says what cannot be used: another attempt would not help."""

    def __init__(self, text: str, *, reason: str = "") -> None:
        super().__init__(text[:TEXT_CHARS_MAX])
        self.reason = reason
        """A2A's name for it, if it has one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Example: `Call("GET", httpx.URL("https://agents.example.com/.well-known/agent-card.json"))`."""

    method: str
    url: httpx.URL
    body: Any = None
    accept: str = "application/json"
    bytes_max: int = ANSWER_BYTES_MAX


class Wire:
    """Calls to servers of others. Example: `await Wire(settings).json(Call("GET", url))`."""

    def __init__(self, settings: A2aSettings) -> None:
        self._allowed = Allowed.of(settings.allow)
        self._tokens = settings.tokens()
        self._timeout_s = settings.call_timeout_s

    async def json(self, call: Call) -> Any:
        """Answer the JSON of a call. Raises `Retryable` for what may pass, `Refused` for what does not."""
        try:
            async with asyncio.timeout(self._timeout_s), self._opened(call) as response:
                return _read(await _whole(response, call.bytes_max))
        except TimeoutError:
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise _lost(error) from None

    async def events(self, call: Call) -> AsyncGenerator[Any, None]:
        """Yield the JSON of each event of a stream, until the other side ends it. Raises as `json` does."""
        try:
            async with self._opened(call) as response:
                if EVENT_STREAM not in response.headers.get("content-type", ""):
                    yield _read(await _whole(response, call.bytes_max))
                    return
                async with aclosing(_frames(response, call.bytes_max)) as frames:
                    async for frame in frames:
                        yield _read(frame)
        except TimeoutError:
            raise Retryable(f"no answer within {self._timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise _lost(error) from None

    @asynccontextmanager
    async def _opened(self, call: Call) -> AsyncIterator[httpx.Response]:
        """Send a call and answer its response, its body unread, when it is a success."""
        url = call.url
        async with httpx.AsyncHTTPTransport(verify=_trusted()) as transport:
            async with asyncio.timeout(self._timeout_s):
                addresses = await in_thread(resolve, url.host, url.port or PORTS[url.scheme], name="resolve")
                _check(url, addresses, self._allowed)
                response = await self._first_that_connects(transport, call, addresses[:ADDRESSES_MAX])
            try:
                if response.status_code in REDIRECTS:
                    raise Refused(f"answered {response.status_code}: redirects are not followed")
                if not response.is_success:
                    raise await _failed(response, call.bytes_max)
                yield response
            finally:
                await response.aclose()

    async def _first_that_connects(
        self, transport: httpx.AsyncHTTPTransport, call: Call, addresses: list[str]
    ) -> httpx.Response:
        failure: httpx.TransportError = httpx.ConnectError("no address")
        for address in addresses:
            request = httpx.Request(
                call.method,
                # The address that was checked, not the name again. The host header and the name for TLS stay the URL's.
                call.url.copy_with(host=address.partition("%")[0]),
                headers=self._headers(call),
                content=None if call.body is None else json.dumps(call.body, ensure_ascii=False).encode(),
                extensions={
                    "sni_hostname": call.url.host,
                    "timeout": httpx.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S, read=SILENCE_S).as_dict(),
                },
            )
            try:
                return await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    def _headers(self, call: Call) -> Mapping[str, str]:
        headers = {
            "host": call.url.netloc.decode("ascii"),
            "accept": call.accept,
            "accept-encoding": "identity",
            "a2a-version": "1.0",
            "user-agent": "dure",
            "connection": "close",
        }
        if call.body is not None:
            headers["content-type"] = "application/json"
        token = self._tokens.get(origin_of(call.url))
        return headers if token is None else {**headers, "authorization": f"Bearer {token.get_secret_value()}"}


@cache
def _trusted() -> ssl.SSLContext:
    # Reading all certificates takes longer than most calls.
    return httpx.create_ssl_context()


def url_of(text: object) -> httpx.URL:
    """Read a URL that may be called; raises `Refused`. Example: `url_of("https://agents.example.com/a2a/v1")`."""
    try:
        url = httpx.URL(str(text))
    except httpx.InvalidURL:
        raise Refused("the address is not a URL") from None
    if url.scheme not in PORTS or not url.host or url.userinfo or len(str(text)) > 4_000:
        raise Refused("the address is not a URL of http or https without a user before it")
    return url.copy_with(fragment=None)


def _check(url: httpx.URL, addresses: list[str], allowed: Allowed) -> None:
    check(url.host, addresses, allowed)
    if url.scheme != "https" and not allowed.inside(url.host, addresses):
        raise InternalAddress("the address needs https")


async def _whole(response: httpx.Response, bytes_max: int) -> bytes:
    said = response.headers.get("content-length", "")
    if said.isdigit() and int(said[:20]) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
    return bytes(body)


async def _frames(response: httpx.Response, bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Yield the data of each event."""
    kept, data, seen = bytearray(), bytearray(), 0
    async for chunk in response.aiter_raw():
        kept += chunk
        *lines, rest = kept.split(b"\n")
        kept = bytearray(rest)
        for line in (line.rstrip(b"\r") for line in lines):
            if line.startswith(b"data:"):
                data += line[5:].removeprefix(b" ") + b"\n"
            elif not line and data:
                yield bytes(data)
                data = bytearray()
        seen += len(chunk)
        if seen > bytes_max:
            raise _too_large(bytes_max)


async def _failed(response: httpx.Response, bytes_max: int) -> Exception:
    """Answer what an answer that is no success means."""
    status = response.status_code
    text = f"answered {status}"
    if status in PASSING_STATUSES or status >= 500:
        return Retryable(text, after_s=_retry_after_s(response.headers))
    try:
        body = json.loads(await _whole(response, min(bytes_max, CARD_BYTES_MAX)))
        reasons = [detail["reason"] for detail in body["error"]["details"] if "reason" in detail]
    except (Refused, ValueError, TypeError, KeyError, httpx.TransportError):
        reasons = []
    reason = str(reasons[0])[:100] if reasons else ""
    return Refused(f"{text} {reason}".strip(), reason=reason)


def _retry_after_s(headers: httpx.Headers) -> float | None:
    given = headers.get("retry-after", "")
    try:
        return float(given)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(given) - parsedate_to_datetime(headers["date"])).total_seconds()
    except (ValueError, TypeError, KeyError):
        return None


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("the answer is no JSON") from None


def _too_large(bytes_max: int) -> Refused:
    return Refused(f"the answer has more than {bytes_max} bytes")


def _lost(error: httpx.TransportError) -> Retryable:
    # Its text may quote what was sent.
    return Retryable(f"cannot be reached: {type(error).__name__}")
