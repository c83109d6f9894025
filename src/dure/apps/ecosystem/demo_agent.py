"""One agent of the demo, as a program of its own: all that it knows is the address of a Dure server.

    python -m dure.apps.ecosystem.demo_agent '{"url": "http://127.0.0.1:8000", "id": "research-1", …}'

It ends with whatever started it: its standard input is closed then. When another version is wanted it says which, and
ends with `UPGRADE_EXIT`.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

from dure import logs
from dure.agent import Agent, Task
from dure.agent.wire import Wire
from dure.queue.retry import Retryable

BAD_VERSION = "1.9.0"
"""The executor that fails at whatever it is given."""
STEPS = 10
"""A slow task says so many times how far it is."""
NOTES: Mapping[str, tuple[str, ...]] = {
    "returns": ("a return is free for 30 days", "a refund takes 5 days"),
    "delivery": ("delivery takes 2 days", "delivery is free from 50 euros"),
    "warranty": ("the warranty lasts 2 years", "a repair is free"),
    "payment": ("payment by card or transfer", "a refund goes to the same card"),
}


class Work:
    """What the five classes can do. Example: `Work(agent, "http://127.0.0.1:8000").add("search")`."""

    def __init__(self, agent: Agent, url: str) -> None:
        self._agent = agent
        self._wire = Wire(url, None, "default")
        self._verbs = {
            "plan": self.plan, "search": self.search, "index": self.index, "answer": self.answer, "check": self.check,
        }  # fmt: skip

    def add(self, capability: str) -> None:
        """Let the agent do one of them."""
        self._agent.task(capability)(self._verbs[capability])

    async def plan(self, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """The orchestrator: fan a goal out; what needs another's result waits for it."""
        searches = [
            await self._ask("research", "search", {"topic": topic, "pause_s": params["pause_s"]}, topic)
            for topic in params["topics"]
        ]
        index = await self._ask("indexing", "index", {"searches": searches}, "", searches)
        answers = [
            await self._ask("executor", "answer", {"index": index, "word": word}, word, [index])
            for word in params["words"]
        ]
        check = await self._ask("test-system", "check", {"answers": answers}, "", answers)
        return {"index": index, "check": check}

    async def search(self, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """Research: what is known of a topic. It takes its time."""
        for step in range(STEPS):
            task.progress(step, STEPS, params["topic"])
            await asyncio.sleep(params["pause_s"] / STEPS)
        return {"topic": params["topic"], "notes": list(NOTES[params["topic"]])}

    async def index(self, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """Indexing: which words are in which notes."""
        words: dict[str, list[str]] = {}
        for search in params["searches"]:
            for note in (await self._result(search))["notes"]:
                for word in sorted(set(note.split())):
                    words.setdefault(word, []).append(note)
        return {"words": words}

    async def answer(self, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """An executor: what the index says of a word."""
        if self._agent.version == BAD_VERSION:
            raise Retryable(f"executor {BAD_VERSION} cannot read the index")
        await asyncio.sleep(params.get("pause_s", 0))
        words = (await self._result(params["index"]))["words"]
        return {"word": params["word"], "notes": words.get(params["word"], [])}

    async def check(self, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
        """The test system: whether answers are what the notes say."""
        known = [note for notes in NOTES.values() for note in notes]
        wrong = []
        for one in params["answers"]:
            answer = await self._result(one)
            if sorted(answer["notes"]) != sorted(note for note in known if answer["word"] in note.split()):
                wrong.append(answer["word"])
        return {"checked": len(params["answers"]), "wrong": wrong}

    async def _ask(
        self, class_: str, capability: str, params: Mapping[str, Any], of: str, depends_on: list[str] | None = None
    ) -> str:
        asked = await self._agent.submit(
            params,
            title=f"{capability} {of}".strip(),
            class_=class_,
            capabilities=[capability],
            tree=self._agent.id,
            depends_on=depends_on or [],
        )
        return str(asked["id"])

    async def _result(self, task_id: str) -> Any:
        return (await self._wire.insist("GET", f"/v1/tasks/{task_id}"))["result"]


def main() -> None:
    """Be the agent that the first argument describes."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logs.configure(log_level="error")
    url, capability = given.pop("url"), given.pop("capability")
    agent = Agent(url, class_=given.pop("class"), grace_s=2.0, **given)
    Work(agent, url).add(capability)
    try:
        agent.run()
    finally:
        sys.stdout.write(agent.upgrade_to or "")


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock would be in the way of the interpreter's end.
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
