"""What staff ask to have kept: it begins a run, which is shown and can be undone."""

from dure.apps.intents.declared_reports import DECLARED
from dure.apps.intents.reports.archiving import Archive
from dure.intents import intent


@intent(DECLARED["report.exec.archive"])
class ArchiveAReport:
    """Make a report and keep it."""

    Params = Archive.Params
    operation = "report.archive"
