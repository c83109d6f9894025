"""The front matter of a SKILL.md, read liberally: the part of YAML that real skills use, and nothing that can run.

Keys are flattened, `metadata.agent_id`; values are text. What is not understood is left out, never an error: a
skill with odd front matter is still somebody's skill, and its bytes are kept whatever we make of them.
"""

import re
from collections.abc import Iterator

LINES_MAX = 500
VALUE_CHARS_MAX = 20_000
_KEY = re.compile(r"( *)([A-Za-z0-9_.-]+|\"[^\"]*\"|'[^']*') *:(?: +(.*)|$)")
_BLOCK = re.compile(r"([|>])[+-]?\d?[+-]?(?: +#.*)?")
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "r": "\r", " ": " "}


def split(text: str) -> tuple[dict[str, str], str]:
    """Answer the front matter and what comes after it.

    Example: `split("---\\nname: tidy-up\\n---\\n1. Look.")` is `({"name": "tidy-up"}, "1. Look.")`.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return {}, text
    for number, line in enumerate(lines[1 : LINES_MAX + 1], start=1):
        if line.rstrip() in ("---", "..."):
            return read(lines[1:number]), "\n".join(lines[number + 1 :]).strip("\n")
    return {}, text


def read(lines: list[str]) -> dict[str, str]:
    """Answer the values of these lines, by their flattened keys; the first of two equal keys counts.

    Example: `read(["metadata:", "  agent_id: a-1"])` is `{"metadata.agent_id": "a-1"}`.
    """
    found: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for indent, key, value in _entries(lines):
        while parents and parents[-1][0] >= indent:
            parents.pop()
        full = ".".join([*(name for _, name in parents), key])
        parents.append((indent, key))
        if value:
            found.setdefault(full, value[:VALUE_CHARS_MAX])
    return found


def quote(value: str) -> str:
    """Write a value so that every YAML reader gets it back. Example: `quote("a: b")` is `"a: b"` in quotes."""
    plain = re.fullmatch(r"[^\W_][\w ,()/.'가-힣-]*", value) and not value.endswith(" ") and not _special(value)
    if plain:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _special(value: str) -> bool:
    """Tell what a YAML reader takes for a number, a date, a truth value or nothing."""
    return value[0].isdigit() or value.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def _entries(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield each key with its indentation and its whole value, whichever way it is written."""
    at = 0
    while at < len(lines):
        match = _KEY.match(lines[at])
        at += 1
        if match is None:
            continue
        indent, key, value = len(match[1]), match[2].strip("\"'"), (match[3] or "").strip()
        end = at
        while end < len(lines) and _belongs(lines[end], indent, value):
            end += 1
        yield indent, key, _value(value, lines[at:end])
        at = end


def _belongs(line: str, indent: int, value: str) -> bool:
    """Tell whether a line goes on with the value above it; below a key without one stand keys of its own."""
    if not value:
        return False
    return not line.strip() or len(line) - len(line.lstrip(" ")) > indent


def _value(first: str, more: list[str]) -> str:
    block = _BLOCK.fullmatch(first)
    if block is not None:
        inner = min((len(line) - len(line.lstrip(" ")) for line in more if line.strip()), default=0)
        return _fold([line[inner:].rstrip() for line in more], keep=block[1] == "|")
    return _scalar(" ".join([first, *(line.strip() for line in more if line.strip())]))


def _fold(lines: list[str], *, keep: bool) -> str:
    if keep:
        return "\n".join(lines).strip("\n")
    return "\n".join(" ".join(part.split("\n")) for part in "\n".join(lines).strip("\n").split("\n\n"))


def _scalar(text: str) -> str:
    if len(text) >= 2 and text[0] == '"' and (end := _closing(text)) > 0:
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text[1:end])
    if text[:1] == "'" and (match := re.match(r"'((?:[^']|'')*)'", text)):
        return match[1].replace("''", "'")
    return re.split(r"\s#", text, maxsplit=1)[0].strip()


def _closing(text: str) -> int:
    match = re.match(r'"(?:[^"\\]|\\.)*"', text)
    return match.end() - 1 if match else -1
