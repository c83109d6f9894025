"""An agent of a few lines: `python worker.py`. It counts words."""

import os

from dure.agent import Agent, Task

agent = Agent(
    os.environ.get("DURE_URL", "http://127.0.0.1:8000"),
    key=os.environ.get("DURE_KEY"),
    id=os.environ.get("AGENT", "research-1"),
    class_="research",
    version="1.9.0",
    capacity=4,
)


@agent.task("count")
async def count(params: dict, task: Task) -> dict:
    words = params["text"].split()
    task.progress(len(words), len(words), "all counted")
    return {"words": len(words)}


if __name__ == "__main__":
    agent.run()
