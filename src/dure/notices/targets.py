"""Who is told: the targets of `DURE_NOTICE_TARGETS`, by name."""

from dataclasses import dataclass

from pydantic import SecretStr

from dure.queue.retry import Final
from dure.settings import Settings


class NoTarget(Final):
    """No target of this name is set any more, so nobody can be told."""


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver. Its URL is shown nowhere. Example: `targets(settings)["ops"].is_webhook`."""

    name: str
    url: SecretStr

    @property
    def is_webhook(self) -> bool:
        """Whether it is told by a webhook; all else goes through Apprise."""
        return self.url.get_secret_value().lower().startswith(("https://", "http://"))


def targets(settings: Settings) -> dict[str, Target]:
    """Answer the targets that are set, by name."""
    pairs = (given.get_secret_value().partition("=") for given in settings.notice_targets)
    return {name: Target(name, SecretStr(url)) for name, _, url in pairs}


def find(settings: Settings, name: str) -> Target:
    """Answer the target of this name; raises `NoTarget` when it was removed meanwhile."""
    target = targets(settings).get(name)
    if target is None:
        raise NoTarget(f"no target named {name!r} in DURE_NOTICE_TARGETS of this worker; it was there when asked for")
    return target
