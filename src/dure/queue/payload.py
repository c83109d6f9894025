"""What may be stored as parameters or a result: checked here only as far as SQL cannot, all else is checked there."""

import json
from collections.abc import Mapping
from typing import Any

from dure.errors import Invalid


def encode(value: Any, *, field: str = "params") -> str:
    """Answer the JSON text of a value, or say what in it cannot be stored.

    Example: `encode({"n": 1})` is `{"n":1}`.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(field=field, reason="not_utf8") from error
    except RecursionError as error:
        raise Invalid(field=field, reason="too_deep", depth=depth_of(value), max=32) from error
    except TypeError as error:
        raise Invalid(str(error), field=field, reason="not_json") from error
    except ValueError as error:
        # What else json refuses is a value that contains itself, or a number of thousands of digits.
        reason = "not_finite" if "float" in str(error) else "not_json"
        raise Invalid(str(error), field=field, reason=reason) from error
    if "\\u0000" in text and has_nul(value):
        raise Invalid(field=field, reason="nul_byte")
    return text


def depth_of(value: Any, most: int = 1_000_000) -> int:
    """Answer how deep a value is nested, without recursion, and look no deeper than one more than `most`.

    Example: `depth_of({"a": [1]})` is 2.
    """
    depth, level = 0, [value]
    while level and depth <= most:
        level = [child for parent in level for child in _children(parent)]
        depth += bool(level) or not depth
    return depth


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def has_nul(value: Any) -> bool:
    """Answer whether any text in a value holds a NUL character. Example: `has_nul(["a"])` is false."""
    level = [value]
    while level:
        if any(isinstance(item, str) and "\x00" in item for item in level):
            return True
        if any(isinstance(item, Mapping) and any("\x00" in str(key) for key in item) for item in level):
            return True
        level = [child for parent in level for child in _children(parent)]
    return False
