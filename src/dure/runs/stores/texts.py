"""The text of a Python value, as a column's input function reads it."""

from collections.abc import Mapping, Set
from enum import Enum
from json import dumps
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import Json, Jsonb

from dure.errors import Invalid
from dure.runs.model import Key
from dure.runs.stores.shape import Column, Shape

JSON = frozenset({"json", "jsonb"})
VECTORS = frozenset({"vector", "halfvec"})


def text_of(shape: Shape, column: Column, value: Any) -> str | None:
    """Answer a value's text. A `str` is taken as it is: for a column of JSON it is the document, not a string in one.

    Example: `text_of(shape, column, [1, 2]) == "{1,2}"`.
    """
    try:
        return _text(column.base, value)
    except (psycopg.Error, TypeError, ValueError) as error:
        raise Invalid(
            str(error), field=f"{shape.store}.{column.name}", reason="database", message=str(error)
        ) from error


def key_of(shape: Shape, key: Any) -> Key:
    """Answer a key as texts: a value when the key is one column, otherwise a tuple of values."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) != len(shape.key):
        raise Invalid(field=f"{shape.store}.key", reason="wrong_format", expected="(" + ", ".join(shape.key) + ")")
    texts = [text_of(shape, column, part) for column, part in zip(shape.key_columns, parts, strict=True)]
    if None in texts:
        raise Invalid(field=f"{shape.store}.key", reason="missing")
    return tuple(text or "" for text in texts)


def _text(base: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return _text(base, value.value)
    if isinstance(value, Json | Jsonb):
        value, base = value.obj, "jsonb"
    if base in JSON or isinstance(value, Mapping):
        return dumps(value, ensure_ascii=False)
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, list | tuple | Set) or hasattr(value, "tolist"):
        return _list(base, value)
    return bytes(Transformer().get_dumper(value, PyFormat.TEXT).dump(value) or b"").decode()


def _list(base: str, value: Any) -> str | None:
    items = value.tolist() if hasattr(value, "tolist") else list(value)
    if not isinstance(items, list):
        return _text(base, items)
    if base in VECTORS:
        return "[" + ",".join(map(repr, items)) + "]"
    return "{" + ",".join(_element(base.removeprefix("_"), item) for item in items) + "}"


def _element(base: str, value: Any) -> str:
    if isinstance(value, list) and base not in JSON:
        return _list(base, value) or ""
    text = _text(base, value)
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
