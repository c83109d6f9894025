"""Values that a command is given as text."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dure.errors import Invalid

READ_BYTES_MAX = 128 << 20
"""More than any limit that can be set; a pipe that never ends must not eat the memory."""


def read_params(text: str) -> dict[str, Any]:
    """Answer a JSON object: given as it is, as `@file`, or as `-` for standard input.

    Example: `read_params('{"n": 1}') == {"n": 1}`.
    """
    match text:
        case "-":
            raw = sys.stdin.buffer.read(READ_BYTES_MAX)
        case _ if text.startswith("@"):
            try:
                raw = Path(text[1:]).read_bytes()
            except OSError as error:
                raise Invalid(f"{text[1:]}: {error.strerror}", field="params", reason="unreadable") from error
        case _:
            raw = text.encode("utf-8", "surrogateescape")
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise Invalid(field="params", reason="not_utf8") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(field="params", reason="not_json") from error
    if not isinstance(value, dict):
        raise Invalid(field="params", reason="wrong_type", expected='{"…": …}')
    return value


def one_of(value: str | None, allowed: Sequence[str], field: str) -> Any:
    """Answer the value if it is allowed, or None when there is none."""
    if value is not None and value not in allowed:
        raise Invalid(field=field, reason="not_one_of", expected=", ".join(allowed))
    return value


def _refuse(constant: str) -> float:
    raise Invalid(field="params", reason="not_finite", constant=constant)
