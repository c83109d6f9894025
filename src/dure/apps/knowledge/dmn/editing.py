"""Surgery on a document's own text: one rule taken out or put in, every other byte as it was."""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from dure.apps.knowledge.dmn.reading import read
from dure.apps.knowledge.dmn.tree import Element, Unchangeable, parse, to_bytes

UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML has no way to hold."""
LINE_START = re.compile(rb"[ \t]*\Z")
LINE_END = re.compile(rb"[ \t]*(?:\r\n|\n|\r|\Z)")


def without_rule(xml: str, rule: str | int, *, decision: str | int | None = None) -> str:
    """Answer the text without one rule, named by its id or its position from 0; its line goes with it.

    In a document with several tables a position needs `decision`, its id or its position; `Unchangeable` says what
    cannot be told.
    Example: `without_rule(xml, "Rule_2")`.
    """
    data = to_bytes(xml)
    element = _find_rule(_tables(xml, decision), rule)
    start, end = _lines(data, element.start, element.end)
    return (data[:start] + data[end:]).decode()


def with_rule(
    xml: str,
    conditions: Sequence[str],
    outcomes: Sequence[str],
    *,
    id: str,
    description: str = "",
    decision: str | int | None = None,
    position: int | None = None,
) -> str:
    """Answer the text with one more rule, at the end or before the rule that is at `position` now.

    Each entry is a FEEL text, one for each input and each output of the table.
    Example: `with_rule(xml, ['"VIP"'], ["0"], id="Rule_9")`.
    """
    data = to_bytes(xml)
    tables = _tables(xml, decision)
    if len(tables) != 1:
        raise Unchangeable("several_tables", count=len(tables))
    table = tables[0]
    wanted = (len(table.all("input")), len(table.all("output")))
    if (len(conditions), len(outcomes)) != wanted:
        found = f"{len(conditions)} + {len(outcomes)}"
        raise Unchangeable("wrong_columns", found=found, expected=f"{wanted[0]} + {wanted[1]}")
    if f"id={attribute(id)}" in xml or f"id='{id}'" in xml:
        raise Unchangeable("id_taken", id=id)
    rules = table.all("rule")
    before = rules[position] if position is not None and 0 <= position < len(rules) else None
    like = rules[-1] if rules else table.all("output")[-1]
    text = _rule(table.prefix, conditions, outcomes, id, description)
    at, piece = _placed(data, text, like.start if before is None else before.start, like.end, last=before is None)
    changed = (data[:at] + piece + data[at:]).decode()
    read(changed)
    return changed


def clean(text: str) -> str:
    """Answer a text without what XML cannot hold. Example: `clean("a\\x00b") == "a\\ufffdb"`."""
    return UNPRINTABLE.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Answer a text as the inside of an element. Example: `escaped("< 5") == "&lt; 5"`."""
    return escape(clean(text))


def attribute(text: str) -> str:
    """Answer a text as the value of an attribute, with its quotes. Example: `attribute("a") == '"a"'`."""
    return quoteattr(clean(text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _tables(xml: str, decision: str | int | None) -> list[Element]:
    # What read() refuses is refused here too, so nothing is ever cut out of what is not understood.
    read(xml)
    decisions = parse(xml).all("decision")
    if isinstance(decision, int):
        decisions = decisions[decision : decision + 1] if decision >= 0 else []
    elif decision is not None:
        decisions = [each for each in decisions if each.attributes.get("id") == decision]
    tables = [table for each in decisions for table in each.all("decisionTable")[:1]]
    if not tables:
        raise Unchangeable("no_such_decision", decision="" if decision is None else decision)
    return tables


def _find_rule(tables: Sequence[Element], rule: str | int) -> Element:
    if isinstance(rule, int):
        if len(tables) > 1:
            raise Unchangeable("several_tables", count=len(tables))
        found = tables[0].all("rule")[rule : rule + 1] if rule >= 0 else []
    else:
        found = [each for table in tables for each in table.all("rule") if each.attributes.get("id") == rule]
    if not found:
        raise Unchangeable("no_such_rule", rule=rule)
    if len(found) > 1:
        raise Unchangeable("several_rules", rule=rule, count=len(found))
    return found[0]


def _lines(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Answer the bytes of an element and, when it stands alone on its lines, of the space around it there."""
    line = max(data.rfind(b"\n", 0, start), data.rfind(b"\r", 0, start)) + 1
    after = LINE_END.match(data, end)
    alone = line > 0 and LINE_START.match(data, line, start) and after and after.end() > end
    return (line, after.end()) if alone and after else (start, end)


def _placed(data: bytes, text: list[str], start: int, end: int, *, last: bool) -> tuple[int, bytes]:
    """Answer where a rule goes and its bytes, indented as the element that it stands beside."""
    line = max(data.rfind(b"\n", 0, start), data.rfind(b"\r", 0, start)) + 1
    alone = line > 0 and LINE_START.match(data, line, start)
    if not alone:
        return (end if last else start), "".join(text).encode()
    newline = "\r\n" if data[line - 2 : line] == b"\r\n" else data[line - 1 : line].decode()
    indent = data[line:start].decode()
    lines = [indent + ("" if at in (0, len(text) - 1) else "  ") + each for at, each in enumerate(text)]
    piece = newline.join(lines)
    return (end, (newline + piece).encode()) if last else (line, (piece + newline).encode())


def _rule(prefix: str, conditions: Sequence[str], outcomes: Sequence[str], id: str, description: str) -> list[str]:
    name = f"{prefix}:" if prefix else ""
    entries = [("inputEntry", each) for each in conditions] + [("outputEntry", each) for each in outcomes]
    lines = [f"<{name}rule id={attribute(id)}>"]
    if description:
        lines.append(f"<{name}description>{escaped(description)}</{name}description>")
    lines += [f"<{name}{tag}><{name}text>{escaped(each)}</{name}text></{name}{tag}>" for tag, each in entries]
    return [*lines, f"</{name}rule>"]
