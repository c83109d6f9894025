"""Structured logs on stderr, with secrets and personal data masked at the edge, whoever wrote the line.

An event has a stable name, `job.claimed`, and values beside it; it is never translated. `configure` is
called once by whatever starts a process; without it structlog prints everything, and a library's user keeps
their own set-up.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
DEPTH_MAX = 6
"""Deeper values are cut: a log line is not a place for a document."""
TEXT_CHARS_MAX = 10_000

SECRET_NAME = re.compile(
    r"(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|authorization|cookie|credential|api[_-]?key|private[_-]?key"
    r"|access[_-]?key|dsn|conninfo|connection_string|(?:database|db|postgres)_?(?:url|uri))",
    re.IGNORECASE,
)
"""Found anywhere in the name of a value, its value is masked whole."""

# Counts and the queue's own fencing tokens would be caught by their names, and hide what one needs to see.
HARMLESS_NAMES = frozenset({"tokens", "token_count", "prompt_tokens", "completion_tokens", "lease_token"})

# Every repetition has a limit, so that a long text costs time in proportion to its length.
_URL_PASSWORD = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}:)[^\s@]{1,500}(?=@)", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"(?P<before>\b(?:password|passwd|pwd|secret|token|api[_-]?key)\b[\"']?\s*[=:]\s*)"
    r"(?:\"[^\"]*\"|'(?:[^'\\]|\\.)*'|[^\s,;&}\"']+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<before>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
# With a separator, or Korean mobile numbers without one: a bare run of digits is more often an id or a time
# stamp.
_PHONE = re.compile(
    r"(?<![\w.:-])(?:\+\d{1,3}[ -]?)?(?:\(0?\d{1,4}\)[ -]?|0?\d{1,4}[ -])\d{3,4}[ -]\d{4}(?![\w:-])"
    r"|(?<![\w.-])(?:\+82|0)1[016789]\d{7,8}(?!\w)"
)

Format = Literal["auto", "json", "text"]
Level = Literal["debug", "info", "warning", "error"]


def configure(*, log_format: Format = "auto", log_level: Level = "info") -> None:
    """Send this process's logs to stderr: JSON lines, or with `auto` coloured text when a person watches.

    Example: `logs.configure(log_format=settings.log_format, log_level=settings.log_level)`.
    """
    pretty = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            # Rendered before the mask: a traceback quotes connection strings and parameters.
            structlog.processors.format_exc_info,
            mask,
            _renderer(pretty),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Answer the logger of one part. Example: `logs.get("worker").info("job.claimed", job_id=job_id)`."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what must not leave this process; the last processor before the renderer."""
    return {name: _masked(name, value, DEPTH_MAX) for name, value in event.items()}


def mask_text(text: str) -> str:
    """Mask passwords, keys, e-mail addresses and telephone numbers inside a text.

    Example: `mask_text("postgresql://me:hunter2@db/app") == "postgresql://me:***@db/app"`.
    """
    for pattern in (_URL_PASSWORD, _ASSIGNMENT, _BEARER):
        text = pattern.sub(rf"\g<before>{MASK}", text)
    text = _EMAIL.sub(MASK, text)
    return _PHONE.sub(MASK, text)


def _masked(name: str, value: Any, depth: int) -> Any:
    if name not in HARMLESS_NAMES and SECRET_NAME.search(name) and not _is_plain(value):
        return MASK
    if isinstance(value, str):
        return value if name == "timestamp" else _cut(mask_text(value))
    if _is_plain(value):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {key: _masked(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked("", item, depth - 1) for item in value]
    # An object would be rendered by its repr later, behind our back.
    return _cut(mask_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _renderer(pretty: bool) -> Processor:
    if pretty:
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
