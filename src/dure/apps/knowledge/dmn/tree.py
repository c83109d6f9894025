"""XML that nobody vouches for, read into a small tree that remembers where each element stands in the bytes."""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from dure.errors import DureError
from dure.lang import say

XML_BYTES_MAX = 4 * 1024 * 1024
DEPTH_MAX = 64
ELEMENTS_MAX = 200_000

TAG = re.compile(rb"<[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*>")
"""One tag from its `<` to its `>`; a quoted attribute may hold a `>`."""


class RulesError(DureError):
    """Decision rules cannot be used as they were meant to; `reason` is a key of the catalogue, in `[knowledge.rules]`.

    Example: `except RulesError as error: print(error.reason, error.text("ko"))`.
    """

    code = "rules_unreadable"
    status = 422

    def __init__(self, reason: str, /, **params: object) -> None:
        super().__init__(reason, **params)
        self.reason = reason

    def text(self, lang: str | None = None) -> str:
        """Answer why not, in `lang`."""
        return say(f"knowledge.rules.{self.reason}", lang, **self.params)


class Unreadable(RulesError):
    """A document cannot be read as decision rules.

    Example: `raise Unreadable("not_dmn", root="html")`.
    """


class Unchangeable(RulesError):
    """A document cannot be changed as asked: what was named is not there, or more than once.

    Example: `raise Unchangeable("no_such_rule", rule="Rule_9")`.
    """

    code = "rules_unchangeable"
    status = 409
    exit_code = 6


@dataclass(slots=True)
class Element:
    """One element: its name without a prefix, what is in it, and the bytes it takes, `[start, end)`.

    Example: `parse("<a><b>1</b></a>").children[0].text == "1"`.
    """

    tag: str
    prefix: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text that stands directly in it."""
        return "".join(self.pieces)

    def all(self, tag: str) -> list["Element"]:
        """Answer its children of this name."""
        return [child for child in self.children if child.tag == tag]

    def first(self, tag: str) -> "Element | None":
        """Answer its first child of this name."""
        return next((child for child in self.children if child.tag == tag), None)

    def inside(self, tag: str) -> str:
        """Answer the text of its first child of this name, without the space around it."""
        child = self.first(tag)
        return child.text.strip() if child else ""


def parse(xml: str) -> Element:
    """Answer the root element; `Unreadable` for what is not XML, has a DTD, or is too large or too deep.

    Example: `parse('<definitions name="x"/>').attributes["name"] == "x"`.
    """
    return _Builder(to_bytes(xml)).build()


def to_bytes(xml: str) -> bytes:
    """Answer the bytes that the places of elements count in."""
    try:
        data = xml.encode()
    except UnicodeEncodeError:
        raise Unreadable("not_xml", line=1, column=0, message="not Unicode") from None
    if len(data) > XML_BYTES_MAX:
        raise Unreadable("too_large", size_bytes=len(data), max_bytes=XML_BYTES_MAX)
    return data


class _Builder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.stack: list[Element] = []
        self.root: Element | None = None
        self.elements = 0
        # The text was decoded already, so what its declaration says of an encoding no longer holds.
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype

    def build(self) -> Element:
        try:
            self.parser.Parse(self.data, True)
        except expat.ExpatError as error:
            message = expat.ErrorString(error.code)
            raise Unreadable("not_xml", line=error.lineno, column=error.offset, message=message) from None
        assert self.root is not None
        return self.root

    def _doctype(self, *_: object) -> None:
        # Without a DTD there are no entities but XML's own five: nothing to expand, nothing to fetch.
        raise Unreadable("dtd")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > ELEMENTS_MAX:
            raise Unreadable("too_many_elements", max=ELEMENTS_MAX)
        if len(self.stack) >= DEPTH_MAX:
            raise Unreadable("too_deep", max=DEPTH_MAX)
        prefix, _, tag = name.rpartition(":")
        element = Element(tag, prefix, attributes, self.parser.CurrentByteIndex)
        if self.stack:
            self.stack[-1].children.append(element)
        else:
            self.root = element
        self.stack.append(element)

    def _end(self, _: str) -> None:
        element = self.stack.pop()
        opening = TAG.match(self.data, element.start)
        assert opening is not None
        if opening[0].endswith(b"/>"):
            element.end = opening.end()
            return
        # The closing tag holds no attribute, so its end is the next one there is.
        element.end = self.data.index(b">", self.parser.CurrentByteIndex) + 1

    def _text(self, text: str) -> None:
        if self.stack:
            self.stack[-1].pieces.append(text)
