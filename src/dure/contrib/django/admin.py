"""Admin pages: everything is read-only, and what may be done is done by Dure's services, under the user's name.

To see needs `view_…`, to act needs `change_…`, and to approve or reject a run needs `approve_run`; who has none of
them sees nothing. Nothing can be added, edited or deleted here.
"""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dure.contrib.django import services
from dure.contrib.django.conf import conf
from dure.contrib.django.models import Attempt, Change, Fire, Job, Run, Schedule, Trouble, Window
from dure.contrib.django.words import language, tell, word
from dure.errors import DureError

if TYPE_CHECKING:
    from dure.runtime.parts import Runtime

COUNT_MAX = 10_000
"""A list is counted no further: there may be millions of jobs, and nobody turns that many pages."""
LINES_MAX = 100
TEXT_CHARS_MAX = 500
TROUBLE = frozenset({"failed", "cancelled", "quarantined"})
Act = Callable[[Any, Any, str], Awaitable[object]]


class BoundedPaginator(Paginator):
    """Pages of the newest rows."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, or `COUNT_MAX`."""
        return int(self.object_list[:COUNT_MAX].count())


class ReadOnlyAdmin(admin.ModelAdmin):
    """A page that shows one tenant's rows and changes nothing."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions_on_bottom = True
    search_fields: tuple[str, ...] = ("id",)
    begins: str | None = None
    """The column of which a search may give the beginning."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: forms are for reading. Actions ask `has_act_permission`."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for `view_…` itself; that somebody may act does not mean that they may read."""
        return bool(request.user.has_perm(f"dure.view_{self.opts.model_name}"))

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Ask for `change_…`, for the actions."""
        return bool(request.user.has_perm(f"dure.change_{self.opts.model_name}"))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Answer the rows of the project's own tenant."""
        rows: QuerySet = super().get_queryset(request).using(conf().alias).filter(tenant_id=conf().tenant)
        return rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Find by id, or by the beginning of a name."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(id=UUID(term)), False
        except ValueError:
            pass
        if self.begins is None:
            return queryset.none(), False
        return queryset.filter(**{f"{self.begins}__startswith": term}), False

    def _act(self, request: HttpRequest, rows: QuerySet, done: str, act: Act) -> None:
        """Do something to each chosen row, and say how many it was and why it was not the others."""
        actor = f"django:{request.user.get_username()}"
        chosen = list(rows.values_list("id", flat=True)[:COUNT_MAX])

        async def work(runtime: "Runtime") -> list[DureError]:
            refused = []
            for row_id in chosen:
                try:
                    await act(runtime, str(row_id), actor)
                except DureError as error:
                    refused.append(error)
            return refused

        refused = services.call(work)
        if count := len(chosen) - len(refused):
            self.message_user(request, tell(done, count=count), messages.SUCCESS)
        for error in refused[:LINES_MAX]:
            self.message_user(request, error.text(language()), messages.ERROR)


class StateFilter(admin.SimpleListFilter):
    """Jobs of one state; those in trouble are found by their own list, however many others there are."""

    title = word("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Answer the states."""
        return Job._meta.get_field("state").choices

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Answer the rows of the state that was chosen."""
        state = self.value()
        if state is None:
            return queryset
        if state in TROUBLE:
            found = Trouble.objects.using(conf().alias).of_tenant().filter(state=state)
            return queryset.filter(id__in=found.values("job_id"))
        return queryset.filter(state=state)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs: what waits, what runs, what failed and why."""

    list_display = ("id", "handler", "state", "created_at", "finished_at", "attempt", "error_class")
    list_filter = (StateFilter,)
    begins = "handler"
    actions = ("retry", "cancel")
    readonly_fields = ("attempts",)

    @admin.action(description=word("retry"), permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Give failed, cancelled and quarantined jobs a new life."""
        tenant = conf().tenant
        self._act(request, queryset, "retried", lambda dure, job, actor: dure.jobs.retry(tenant, job, actor=actor))

    @admin.action(description=word("cancel"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Cancel jobs; one that runs is asked to stop."""
        tenant, reason = conf().tenant, tell("by_admin")
        self._act(
            request,
            queryset,
            "cancelled",
            lambda dure, job, actor: dure.jobs.cancel(tenant, job, reason=reason, actor=actor),
        )

    @admin.display(description=word("attempts"))
    def attempts(self, job: Job) -> SafeString:
        """Show the starts that did not complete the job."""
        rows = Attempt.objects.using(conf().alias).filter(job_id=job.pk).order_by("attempt")[:LINES_MAX]
        return _table((row.attempt, row.outcome, row.ended_at, row.error_class, row.error) for row in rows)


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Schedules: when they fire, and what they fired."""

    list_display = ("name", "handler", "operation", "zone", "next_fire_at", "last_fire_at", "paused_at", "disabled_at")
    list_filter = (("paused_at", admin.EmptyFieldListFilter), ("disabled_at", admin.EmptyFieldListFilter))
    begins = "name"
    actions = ("pause", "resume", "run_now")
    readonly_fields = ("fires",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Leave out deleted ones, and those that belong to windows."""
        return super().get_queryset(request).filter(deleted_at=None, window_id=None)

    @admin.action(description=word("pause"), permissions=["act"])
    def pause(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Let schedules fire no more until they are resumed."""
        tenant = conf().tenant
        self._act(request, queryset, "paused", lambda dure, ref, actor: dure.schedules.pause(tenant, ref, actor=actor))

    @admin.action(description=word("resume"), permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Let schedules fire again."""
        tenant = conf().tenant
        self._act(
            request, queryset, "resumed", lambda dure, ref, actor: dure.schedules.resume(tenant, ref, actor=actor)
        )

    @admin.action(description=word("run_now"), permissions=["act"])
    def run_now(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Fire schedules once, now."""
        tenant = conf().tenant
        self._act(request, queryset, "fired", lambda dure, ref, actor: dure.schedules.run(tenant, ref, actor=actor))

    @admin.display(description=word("fires"))
    def fires(self, schedule: Schedule) -> SafeString:
        """Show the last fires, and why some made no job."""
        rows = Fire.objects.using(conf().alias).filter(schedule_id=schedule.pk).order_by("-fire_at")[:LINES_MAX]
        return _table((row.fire_at, row.cause, row.outcome, row.count, row.job_id, row.reason) for row in rows)


@admin.register(Window)
class WindowAdmin(ReadOnlyAdmin):
    """Windows: which are open, and how the others closed."""

    list_display = ("key", "state", "started_at", "ends_at", "closed_at", "closed_by")
    list_filter = ("state",)
    begins = "key"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs: what is planned, who approved it, what was done."""

    list_display = ("id", "operation", "state", "author", "created_at", "finished_at", "rollback_of")
    list_filter = ("state", "created_at")
    begins = "operation"
    actions = ("approve", "reject")
    readonly_fields = ("changes",)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Ask for `approve_run`."""
        return bool(request.user.has_perm("dure.approve_run"))

    @admin.action(description=word("approve"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Say yes to plans; one that its guards refused needs more than that, and is refused here."""
        tenant = conf().tenant
        self._act(request, queryset, "approved", lambda dure, run, actor: dure.runs.approve(tenant, run, actor=actor))

    @admin.action(description=word("reject"), permissions=["approve"])
    def reject(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Say no to plans; they can never be applied."""
        tenant, reason = conf().tenant, tell("by_admin")
        self._act(
            request,
            queryset,
            "rejected",
            lambda dure, run, actor: dure.runs.reject(tenant, run, actor=actor, reason=reason),
        )

    @admin.display(description=word("changes"))
    def changes(self, run: Run) -> SafeString:
        """Show the first changes of the plan."""
        rows = Change.objects.using(conf().alias).filter(run_id=run.pk).order_by("seq")[:LINES_MAX]
        return _table((row.seq, row.kind, row.state, row.store, row.key, row.before, row.after) for row in rows)


def _table(rows: Any) -> SafeString:
    """Lay rows out; what they hold is somebody's data, so every cell is escaped."""
    lines = [format_html_join("", "<td>{}</td>", ([_cell(value)] for value in row)) for row in rows]
    return format_html("<table>{}</table>", format_html_join("", "<tr>{}</tr>", ([line] for line in lines)))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text[:TEXT_CHARS_MAX]
