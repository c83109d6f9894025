"""Dure's tables, for reading with the ORM. Whatever changes them goes through Dure's services.

They have no tenant of their own mind: a query sees all tenants that the login's role sees, so name one, as the admin
does: `Job.objects.of_tenant()`.
"""

# ruff: noqa: D106 - what a Meta is, Django says.

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from dure.contrib.django.conf import conf
from dure.contrib.django.words import word

READ_ONLY = "Dure's tables are read-only here: use Dure's services, or dure.contrib.django.enqueue"


class Texts(models.Field):
    """A list of texts, as the driver reads it; `django.contrib.postgres` need not be installed for it."""

    def db_type(self, connection: Any) -> str:
        """Answer PostgreSQL's own type."""
        return "text[]"


class ReadOnlyQuerySet(models.QuerySet):
    """A query that may only read."""

    def of_tenant(self, tenant_id: str | None = None) -> ReadOnlyQuerySet:
        """Answer one tenant's rows, by default the project's own. Example: `Run.objects.of_tenant().latest("id")`."""
        found: ReadOnlyQuerySet = self.filter(tenant_id=tenant_id or conf().tenant)
        return found

    def _refuse(self, *_given: Any, **_options: Any) -> NoReturn:
        raise TypeError(READ_ONLY)

    create = bulk_create = get_or_create = update_or_create = _refuse
    update = bulk_update = delete = _raw_delete = _update = _insert = _refuse


class ReadOnly(models.Model):
    """What the read-only models have in common."""

    objects = ReadOnlyQuerySet.as_manager()

    class Meta:
        abstract = True
        managed = False
        default_permissions = ("view", "change")

    def save(self, *_given: Any, **_options: Any) -> NoReturn:
        """Refuse."""
        raise TypeError(READ_ONLY)

    def delete(self, *_given: Any, **_options: Any) -> NoReturn:
        """Refuse."""
        raise TypeError(READ_ONLY)


def _choices(*names: str) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


class Job(ReadOnly):
    """A job. Example: `Job.objects.of_tenant().filter(handler="mail.send", state="failed")`."""

    id = models.UUIDField(primary_key=True)
    tenant_id = models.TextField()
    handler = models.TextField()
    state = models.TextField(
        choices=_choices("pending", "processing", "completed", "failed", "cancelled", "quarantined")
    )
    priority = models.SmallIntegerField()
    attempt = models.IntegerField()
    retry_count = models.SmallIntegerField()
    max_retries = models.SmallIntegerField()
    crash_count = models.SmallIntegerField()
    blocked_by = models.IntegerField()
    timeout_s = models.FloatField(null=True)
    created_at = models.DateTimeField()
    run_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    worker_id = models.BigIntegerField(null=True)
    parent_id = models.UUIDField(null=True)
    unique_key = models.TextField(null=True)
    limit_key = models.TextField(null=True)
    tags = Texts(null=True)
    params = models.JSONField()
    result = models.JSONField(null=True)
    error_class = models.TextField(null=True)
    error = models.TextField(null=True)

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."job"'
        ordering = ("-id",)
        verbose_name = word("job")
        verbose_name_plural = word("jobs")

    def __str__(self) -> str:
        return f"{self.handler} {self.id}"


class Attempt(ReadOnly):
    """A start of a job that did not complete it."""

    pk = models.CompositePrimaryKey("job_id", "attempt", "outcome")
    job_id = models.UUIDField()
    attempt = models.IntegerField()
    outcome = models.TextField()
    tenant_id = models.TextField()
    worker_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    error_class = models.TextField(null=True)
    error = models.TextField(null=True)
    traceback = models.TextField(null=True)

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."attempt"'
        verbose_name = word("attempt")
        verbose_name_plural = word("attempts")


class Trouble(ReadOnly):
    """Which jobs ended otherwise than completed: few, and found at once among millions."""

    job_id = models.UUIDField(primary_key=True)
    tenant_id = models.TextField()
    state = models.TextField()

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."trouble"'
        verbose_name = word("trouble")
        verbose_name_plural = word("trouble")


class Schedule(ReadOnly):
    """A standing rule that makes jobs; a deleted one stays for its history."""

    id = models.UUIDField(primary_key=True)
    tenant_id = models.TextField()
    name = models.TextField()
    rule = models.JSONField()
    zone = models.TextField()
    handler = models.TextField(null=True)
    operation = models.TextField(null=True)
    params = models.JSONField()
    mode = models.TextField(null=True, choices=_choices("plan", "approve", "apply"))
    options = models.JSONField()
    catch_up = models.TextField(choices=_choices("latest", "none", "all"))
    catch_up_max = models.IntegerField()
    overlap = models.TextField(choices=_choices("skip", "queue", "allow"))
    jitter_s = models.IntegerField()
    calendar = models.TextField(null=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    next_fire_at = models.DateTimeField(null=True)
    last_fire_at = models.DateTimeField(null=True)
    last_job_id = models.UUIDField(null=True)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.TextField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.JSONField(null=True)
    window_id = models.UUIDField(null=True)
    revision = models.IntegerField()
    author = models.TextField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."schedule"'
        ordering = ("-id",)
        verbose_name = word("schedule")
        verbose_name_plural = word("schedules")

    def __str__(self) -> str:
        return str(self.name)


class Fire(ReadOnly):
    """A fire of a schedule: the job that it made, or why it made none."""

    pk = models.CompositePrimaryKey("schedule_id", "fire_at")
    schedule_id = models.UUIDField()
    fire_at = models.DateTimeField()
    tenant_id = models.TextField()
    cause = models.TextField()
    outcome = models.TextField()
    reason = models.JSONField(null=True)
    job_id = models.UUIDField(null=True)
    until_at = models.DateTimeField(null=True)
    count = models.BigIntegerField()
    actor = models.TextField(null=True)
    created_at = models.DateTimeField()

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."fire"'
        verbose_name = word("fire")
        verbose_name_plural = word("fires")


class Window(ReadOnly):
    """A schedule that closes itself."""

    id = models.UUIDField(primary_key=True)
    tenant_id = models.TextField()
    key = models.TextField()
    schedule_id = models.UUIDField()
    state = models.TextField(choices=_choices("open", "stopped", "elapsed", "failed"))
    every_s = models.IntegerField()
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(null=True)
    reason = models.JSONField(null=True)
    author = models.TextField()

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."window"'
        ordering = ("-id",)
        verbose_name = word("window")
        verbose_name_plural = word("windows")

    def __str__(self) -> str:
        return str(self.key)


class Run(ReadOnly):
    """One execution of an operation."""

    id = models.UUIDField(primary_key=True)
    tenant_id = models.TextField()
    operation = models.TextField()
    rollback_of = models.UUIDField(null=True)
    mode = models.TextField(null=True)
    params = models.JSONField()
    author = models.TextField()
    note = models.TextField()
    state = models.TextField(
        choices=_choices(
            "planning", "planned", "approved", "applying", "applied", "partial", "failed", "cancelled", "rejected",
            "expired", "refused", "empty",
        )
    )  # fmt: skip
    reason = models.JSONField(null=True)
    counts = models.JSONField()
    guards = models.JSONField()
    notes = models.JSONField()
    population = models.BigIntegerField(null=True)
    plan_hash = models.TextField(null=True)
    job_id = models.UUIDField(null=True)
    paused_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    planned_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."run"'
        ordering = ("-id",)
        permissions = [("approve_run", "Can approve or reject run")]  # noqa: RUF012
        verbose_name = word("run")
        verbose_name_plural = word("runs")

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"


class Change(ReadOnly):
    """One change of a run's plan, with what became of it."""

    pk = models.CompositePrimaryKey("run_id", "seq")
    run_id = models.UUIDField()
    seq = models.BigIntegerField()
    tenant_id = models.TextField()
    store = models.TextField()
    kind = models.TextField()
    state = models.TextField()
    subject = models.TextField(null=True)
    scope = models.TextField()
    key = Texts()
    before = Texts(null=True)
    after = Texts(null=True)
    reason = models.JSONField(null=True)
    outcome = models.JSONField(null=True)

    class Meta(ReadOnly.Meta):
        db_table = '"dure"."changes"'
        ordering = ("seq",)
        verbose_name = word("change")
        verbose_name_plural = word("changes")
