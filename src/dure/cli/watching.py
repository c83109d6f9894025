"""A job's story as it happens, for a person's eyes: remarks on stderr, log lines where they are asked for."""

from dure.cli import output
from dure.queue.jobs import Jobs
from dure.queue.views import JobEvent

POLL_S = 0.1
PAGE = 500


async def follow(jobs: Jobs, tenant_id: str, job_id: str) -> None:
    """Tell on stderr what happens to a job until it has ended."""
    async for event in jobs.watch(tenant_id, job_id, poll_s=POLL_S):
        if event.kind != "end" and not output.wants_json():
            output.note(told(event))


async def print_log(jobs: Jobs, tenant_id: str, job_id: str) -> None:
    """Print all lines that there are."""
    after = 0
    lines = []
    while page := await jobs.logs(tenant_id, job_id, after=after, limit=PAGE):
        after = page[-1].id
        lines += page
        if not output.wants_json():
            for line in page:
                output.line(f"{output.cell(line.at)}  {line.level:<7}  {line.message}")
    if output.wants_json():
        output.document({"items": lines, "next_cursor": None})


async def follow_log(jobs: Jobs, tenant_id: str, job_id: str) -> None:
    """Print lines as they come, one JSON document a line if JSON is wanted, until the job has ended."""
    async for event in jobs.watch(tenant_id, job_id, poll_s=POLL_S):
        if event.kind == "log":
            output.document(dict(event.data)) if output.wants_json() else output.line(told(event))


def told(event: JobEvent) -> str:
    """Answer one line about an event."""
    data = event.data
    match event.kind:
        case "progress":
            total = f"/{data['total']}" if data.get("total") else ""
            return f"{data['done']}{total} {data.get('note') or ''}".rstrip()
        case "log":
            return f"{data.get('at', '')}  {data.get('level', ''):<7}  {data.get('message', '')}"
        case _:
            extra = data.get("error") or ""
            return f"{data.get('state', event.kind)} {extra}".rstrip()
