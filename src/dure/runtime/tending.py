"""Which chores go with the rounds of the agents' tender."""

from dure.agents import channels, metrics, rollouts
from dure.agents.tender import Tender
from dure.db.pool import Database
from dure.settings import Settings


def tender_of(database: Database, settings: Settings) -> Tender:
    """Answer the tender of a worker process. Example: `await tender_of(database, settings).start()`."""
    return Tender(database, settings, chores=(metrics.roll_up, rollouts.step, channels.tend))
