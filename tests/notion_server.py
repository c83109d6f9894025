"""A Notion of ours, over real HTTP: what its documented API says of blocks, with its limits and its errors.

What it refuses the real one refuses: a wrong key, a wrong version, more than 100 blocks or 2,000 characters (counted as
JavaScript does), blocks that are archived, ids that are none. `Notion.trouble` makes it fail as a service does.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "ntn_a-key-of-a-test-that-is-secret"
VERSION = "2025-09-03"
PAGE_SIZE_MAX = 100
BLOCKS_MAX = 100
UNITS_MAX = 2_000
BYTES_MAX = 500_000
EDITED = "2026-01-05T09:00:00.000Z"


@dataclass
class Call:
    method: str
    path: str
    at: float
    status: int = 0
    body: Any = None


@dataclass
class Trouble:
    """How the next requests that it fits end: with a status, and perhaps with what was asked done all the same."""

    status: int = 503
    times: int = 1
    fits: Callable[[Call], bool] = lambda _call: True
    headers: dict[str, str] = field(default_factory=dict)
    done_anyway: bool = False
    silent: bool = False


class Notion:
    """Example: `async with serving() as notion: page = notion.page("Buy milk", notion.todo("…", below=…))`."""

    def __init__(self) -> None:
        self.blocks: dict[str, dict[str, Any]] = {}
        self.below: dict[str, list[str]] = {}
        self.calls: list[Call] = []
        self.troubles: list[Trouble] = []
        self.url = ""
        self.hold: asyncio.Event | None = None
        self.app = Starlette(
            routes=[
                Route("/v1/blocks/{id}", self._serve(self._block), methods=["GET"]),
                Route("/v1/blocks/{id}", self._serve(self._update), methods=["PATCH"]),
                Route("/v1/blocks/{id}", self._serve(self._delete), methods=["DELETE"]),
                Route("/v1/blocks/{id}/children", self._serve(self._children), methods=["GET"]),
                Route("/v1/blocks/{id}/children", self._serve(self._append), methods=["PATCH"]),
            ]
        )

    # What a person does in the page, and sees.

    def page(self) -> str:
        page_id = str(uuid4())
        self.blocks[page_id] = _block("child_page", {"title": "Page"}, page_id)
        self.below[page_id] = []
        return page_id

    def add(self, below: str, kind: str, text: str = "", **more: Any) -> str:
        content = (
            {"rich_text": _rich(text), **more} if kind not in ("child_page", "column_list", "column") else {**more}
        )
        block = _block(kind, content)
        self.blocks[block["id"]] = block
        self.below[block["id"]] = []
        self.below[below].append(block["id"])
        self.blocks[below]["has_children"] = True
        return str(block["id"])

    def todo(self, below: str, text: str, *, checked: bool = False) -> str:
        return self.add(below, "to_do", text, checked=checked)

    def edit(self, block_id: str, text: str) -> None:
        self.blocks[block_id]["to_do"]["rich_text"] = _rich(text)

    def check(self, block_id: str, checked: bool = True) -> None:
        self.blocks[block_id]["to_do"]["checked"] = checked

    def remove(self, block_id: str) -> None:
        for inner in self.below[block_id]:
            self.remove(inner)
        self.blocks[block_id].update(archived=True, in_trash=True)

    def checked(self, block_id: str) -> bool:
        return bool(self.blocks[block_id]["to_do"]["checked"])

    def texts(self, block_id: str) -> list[str]:
        """What is written beneath a block, each block's text."""
        return [_plain(self.blocks[inner]) for inner in self.below[block_id]]

    def answers(self, block_id: str) -> list[str]:
        """The same without the markers and to-dos."""
        kinds = [(self.blocks[inner]["type"], _plain(self.blocks[inner])) for inner in self.below[block_id]]
        return [text for kind, text in kinds if kind != "to_do" and not text.startswith("dure:")]

    # What a service does on its bad days.

    def trouble(self, status: int = 503, times: int = 1, **more: Any) -> Trouble:
        made = Trouble(status, times, **more)
        self.troubles.append(made)
        return made

    def writes(self) -> list[Call]:
        return [call for call in self.calls if call.method != "GET" and call.status == 200]

    # The API.

    def _serve(self, endpoint: Callable[[Request, Any], Response]) -> Any:
        async def serve(request: Request) -> Response:
            call = Call(request.method, request.url.path, time.monotonic())
            self.calls.append(call)
            raw = await request.body()
            call.body = json.loads(raw) if raw else None
            if self.hold is not None and call.method == "PATCH":
                await self.hold.wait()
            answer = _refusal(request, raw) or await self._troubled(call, request, endpoint)
            if answer is None:
                answer = endpoint(request, call.body)
            call.status = answer.status_code
            return answer

        return serve

    async def _troubled(self, call: Call, request: Request, endpoint: Any) -> Response | None:
        trouble = next((one for one in self.troubles if one.times > 0 and one.fits(call)), None)
        if trouble is None:
            return None
        trouble.times -= 1
        if trouble.done_anyway:
            endpoint(request, call.body)
        if trouble.silent:
            await asyncio.sleep(3600)
        code = {429: "rate_limited", 401: "unauthorized", 403: "restricted_resource", 500: "internal_server_error"}
        name = code.get(trouble.status, "service_unavailable" if trouble.status == 503 else "service_overload")
        return _error(trouble.status, name, "trouble was asked for", trouble.headers)

    def _block(self, request: Request, _body: Any) -> Response:
        found = self._find(request)
        return found if isinstance(found, Response) else JSONResponse(found)

    def _children(self, request: Request, _body: Any) -> Response:
        found = self._find(request)
        if isinstance(found, Response):
            return found
        ids = [one for one in self.below[found["id"]] if not self.blocks[one]["archived"]]
        size = min(int(request.query_params.get("page_size", PAGE_SIZE_MAX)), PAGE_SIZE_MAX)
        cursor = request.query_params.get("start_cursor")
        if cursor is not None and cursor not in ids:
            return _error(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")
        start = 0 if cursor is None else ids.index(cursor)
        behind = ids[start + size : start + size + 1]
        return JSONResponse(
            {
                "object": "list",
                "results": [self.blocks[one] for one in ids[start : start + size]],
                "next_cursor": behind[0] if behind else None,
                "has_more": bool(behind),
                "type": "block",
                "block": {},
            }
        )

    def _append(self, request: Request, body: Any) -> Response:
        found = self._find(request, writing=True)
        if isinstance(found, Response):
            return found
        children = (body or {}).get("children")
        if not isinstance(children, list):
            return _error(400, "validation_error", "body failed validation: body.children should be defined")
        if (wrong := _wrong_children(children)) is not None:
            return _error(400, "validation_error", f"body failed validation: {wrong}")
        made = [self._make(child) for child in children]
        there = self.below[found["id"]]
        at = there.index(body["after"]) + 1 if body.get("after") in there else len(there)
        there[at:at] = [block["id"] for block in made]
        found["has_children"] = bool(there)
        results = {"object": "list", "results": made, "next_cursor": None, "has_more": False}
        return JSONResponse(results)

    def _update(self, request: Request, body: Any) -> Response:
        found = self._find(request, writing=True)
        if isinstance(found, Response):
            return found
        if found["type"] not in body:
            return _error(400, "validation_error", f"body.{found['type']} should be defined")
        found[found["type"]].update(_read(body[found["type"]]))
        return JSONResponse(found)

    def _delete(self, request: Request, _body: Any) -> Response:
        found = self._find(request, writing=True)
        if isinstance(found, Response):
            return found
        self.remove(found["id"])
        return JSONResponse(found)

    def _make(self, given: dict[str, Any]) -> dict[str, Any]:
        kind = given.get("type") or next(name for name in given if name != "object")
        block = _block(kind, _read(given[kind]))
        self.blocks[block["id"]] = block
        self.below[block["id"]] = []
        return block

    def _find(self, request: Request, *, writing: bool = False) -> dict[str, Any] | Response:
        given = request.path_params["id"]
        try:
            block_id = str(UUID(given))
        except ValueError:
            message = f'path failed validation: path.block_id should be a valid uuid, instead was `"{given}"`.'
            return _error(400, "validation_error", message)
        block = self.blocks.get(block_id)
        if block is None:
            message = f"Could not find block with ID: {block_id}. Make sure it is shared with your integration."
            return _error(404, "object_not_found", message)
        if writing and block["archived"]:
            return _error(400, "validation_error", "Can't edit block that is archived.")
        return block


@asynccontextmanager
async def serving() -> AsyncIterator[Notion]:
    notion = Notion()
    config = uvicorn.Config(notion.app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    notion.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield notion
    finally:
        server.force_exit = True
        server.should_exit = True
        await task


def _refusal(request: Request, raw: bytes) -> Response | None:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return _error(401, "unauthorized", "API token is invalid.")
    if request.headers.get("notion-version") != VERSION:
        return _error(400, "missing_version", "Notion-Version header should be defined")
    if len(raw) > BYTES_MAX:
        return _error(413, "validation_error", "body is too large")
    return None


def _wrong_children(children: list[Any]) -> str | None:
    if len(children) > BLOCKS_MAX:
        return f"body.children.length should be ≤ `{BLOCKS_MAX}`, instead was `{len(children)}`."
    for child in children:
        kind = child.get("type") or next(name for name in child if name != "object")
        for part in child[kind]["rich_text"]:
            if (units := len(part["text"]["content"].encode("utf-16-le")) // 2) > UNITS_MAX:
                return f"rich_text.text.content.length should be ≤ `{UNITS_MAX}`, instead was `{units}`."
    return None


def _block(kind: str, content: dict[str, Any], block_id: str | None = None) -> dict[str, Any]:
    return {
        "object": "block",
        "id": block_id or str(uuid4()),
        "type": kind,
        "has_children": False,
        "archived": False,
        "in_trash": False,
        "created_time": EDITED,
        "last_edited_time": EDITED,
        kind: content,
    }


def _rich(text: str) -> list[dict[str, Any]]:
    """In two parts, as a text with one bold word has them."""
    parts = [text[: len(text) // 2], text[len(text) // 2 :]] if len(text) > 1 else [text]
    return [{"type": "text", "text": {"content": part}, "plain_text": part} for part in parts if part]


def _read(content: dict[str, Any]) -> dict[str, Any]:
    """A block's content as it was sent, with what the service adds to a text."""
    if "rich_text" not in content:
        return content
    texts = [{"type": "text", **part, "plain_text": part["text"]["content"]} for part in content["rich_text"]]
    return {**content, "rich_text": texts}


def _plain(block: dict[str, Any]) -> str:
    return "".join(part["plain_text"] for part in block[block["type"]].get("rich_text", []))


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"object": "error", "status": status, "code": code, "message": message, "request_id": str(uuid4())}
    return JSONResponse(body, status, headers=headers)
