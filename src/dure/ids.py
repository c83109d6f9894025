"""Ids that sort by the time they were made (UUID version 7), and which names tenants and keys may have.

A UUID7 holds the milliseconds since 1970 in its first 48 bits; the 12 bits behind the version hold the
fraction of the millisecond (RFC 9562, method 3), the other 62 are random. There is no state: two calls in
one process are further apart than a tick of 0.24 µs. The ids of one `uuid7_many` share their tick and count
upwards in random steps.
"""

import os
import re
import time
from array import array
from itertools import accumulate

TENANT_ID = re.compile(r"\w(?:[\w .:@+-]{0,198}\w)?")
"""Use `fullmatch`. Letters of any language; it goes into logs and paths of URLs, so no slash is in it."""
KEY = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,512}")
"""Use `fullmatch`. Unique keys and the like are free text, without control characters."""

NS_PER_MS = 1_000_000
TICKS_PER_MS = 4096
MANY_MAX = 1 << 20
"""More ids than this a call and the random steps would leave their 48 bits."""


def uuid7() -> str:
    """Answer a new id in text form. Example: `uuid7() < uuid7()`."""
    random = os.urandom(8)
    return _head(time.time_ns(), random[:2]) + random[2:].hex()


def uuid7_many(count: int) -> list[str]:
    """Answer `count` new ids in ascending order. Example: `ids = uuid7_many(10_000)`."""
    if not 0 <= count <= MANY_MAX:
        raise ValueError(f"count must be between 0 and {MANY_MAX}")
    if count == 0:
        return []
    head = _head(time.time_ns(), os.urandom(2))
    # The start keeps the highest of its 48 bits free, so that the sum of all steps cannot overflow.
    start = int.from_bytes(os.urandom(6)) >> 1
    steps = array("I", os.urandom(4 * (count - 1)))
    shift = max(0, count.bit_length() - 15)
    return [head + f"{tail:012x}" for tail in accumulate(((step >> shift) + 1 for step in steps), initial=start)]


def is_tenant_id(text: str) -> bool:
    """Answer whether `text` can name a tenant. Example: `is_tenant_id("acme-1")`."""
    return TENANT_ID.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Answer whether `text` can be a unique key. Example: `is_key("invoice 42")`."""
    return KEY.fullmatch(text) is not None


def _head(now_ns: int, random: bytes) -> str:
    """Write all but the last twelve digits: time, version, and the variant with fourteen random bits."""
    ms, rest_ns = divmod(now_ns, NS_PER_MS)
    ticks = rest_ns * TICKS_PER_MS // NS_PER_MS
    variant = 0x8000 | (int.from_bytes(random) & 0x3FFF)
    time_digits = f"{ms:012x}"
    return f"{time_digits[:8]}-{time_digits[8:]}-7{ticks:03x}-{variant:04x}-"
