"""What can go wrong while a process is started or stopped, each with a code and a sentence."""

from typing import ClassVar

from dure.errors import DureError
from dure.lang import say


class StartProblem(DureError):
    """A process cannot do what it was started for; the sentence is `cli.<code>` of the catalogue."""

    code: ClassVar[str] = "start_problem"
    exit_code = 1

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`."""
        return say(f"cli.{self.code}", lang, **self.params)


class PortInUse(StartProblem):
    """Another program listens there. Example: `raise PortInUse(host="127.0.0.1", port=8000)`."""

    code = "port_in_use"


class CannotListen(StartProblem):
    """This machine has no such address, or does not let us use it."""

    code = "cannot_listen"


class NeedsKey(StartProblem):
    """Without keys everything is allowed, so nobody from elsewhere may reach the server."""

    code = "needs_key"
    exit_code = 4


class AlreadyRuns(StartProblem):
    """A detached server of this home runs already."""

    code = "already_runs"
    exit_code = 6


class NotMigrated(StartProblem):
    """The database lacks Dure's tables, or some of them."""

    code = "not_migrated"


class WorkerFailed(StartProblem):
    """A worker process ended before it was ready; `reason` is its own last word."""

    code = "worker_failed"


class DetachedFailed(StartProblem):
    """The background process ended before it was ready; its log says why."""

    code = "detached_failed"
