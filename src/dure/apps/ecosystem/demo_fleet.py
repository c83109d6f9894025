"""The processes of the demo's agents: started, killed, started again as another version, and gone at the end."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from dure.agent import UPGRADE_EXIT

MODULE = "dure.apps.ecosystem.demo_agent"
STOP_S = 4.0
"""So long may agents take to say goodbye."""
SAID_CHARS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent as it is to be started."""

    id: str
    class_: str
    version: str
    capability: str
    kind: str = "child"
    parent_id: str | None = None
    lease_s: float = 4.0

    def arguments(self, url: str) -> str:
        """Answer what its process is told."""
        told = {
            "url": url, "id": self.id, "class": self.class_, "version": self.version, "capability": self.capability,
            "kind": self.kind, "parent_id": self.parent_id, "lease_s": self.lease_s,
        }  # fmt: skip
        return json.dumps(told)


class Fleet:
    """All of them. Example: `fleet = Fleet(url); await fleet.start(member); …; await fleet.stop()`."""

    def __init__(self, url: str, *, upgraded: Callable[[Member], None]) -> None:
        self.failed: tuple[str, str] | None = None
        """Who ended that should not have, and its last words."""
        self._url = url
        self._upgraded = upgraded
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._members: dict[str, Member] = {}
        self._watching: set[asyncio.Task[None]] = set()

    async def start(self, member: Member) -> int:
        """Start an agent's process and answer its number; it is started again as whatever it is to be."""
        with tempfile.TemporaryFile() as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, member.arguments(self._url),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
                # Ctrl-C is for the story, which lets them go in order.
                start_new_session=True, env={**os.environ, "NO_PROXY": "127.0.0.1"},
            )  # fmt: skip
            self._processes[member.id], self._members[member.id] = process, member
            watching = asyncio.create_task(self._watch(member, process, os.dup(errors.fileno())))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        return process.pid

    def pid(self, agent_id: str) -> int:
        """Answer the number of an agent's process."""
        return self._processes[agent_id].pid

    def kill(self, agent_id: str) -> Member:
        """Kill an agent's process, as a machine that loses power would; answer what it was."""
        self._processes[agent_id].send_signal(signal.SIGKILL)
        return self._members[agent_id]

    async def stop(self) -> None:
        """Let all end: first asked, then killed; may be called twice."""
        for watching in tuple(self._watching):
            watching.cancel()
        processes, self._processes = tuple(self._processes.values()), {}
        for process in processes:
            with suppress(ProcessLookupError):
                process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*(process.wait() for process in processes))
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _watch(self, member: Member, process: asyncio.subprocess.Process, errors: int) -> None:
        assert process.stdout is not None
        try:
            said = (await process.stdout.read()).decode()
            code = await process.wait()
            if code == UPGRADE_EXIT:
                wanted = replace(member, version=said.strip())
                await self.start(wanted)
                self._upgraded(wanted)
            elif code not in (0, -signal.SIGKILL):
                os.lseek(errors, 0, os.SEEK_SET)
                words = os.read(errors, 1_000_000).decode(errors="replace")[-SAID_CHARS_MAX:]
                self.failed = (member.id, f"{code} {words.strip().splitlines()[-1:]}")
        finally:
            os.close(errors)
