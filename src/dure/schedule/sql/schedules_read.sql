-- Schedules as people see them, newest first. Those of windows and deleted ones only by their id. Locks nothing.
-- Index: schedule_tenant, schedule_name, or the primary key.
select s.id::text, s.tenant_id, s.name, s.rule, s.zone, s.handler, s.operation, s.params, s.mode, s.catch_up, s.catch_up_max, s.overlap,
       s.jitter_s, s.calendar, s.starts_at, s.ends_at, s.options, s.next_fire_at, s.last_fire_at, s.last_job_id::text, s.paused_at, s.paused_by,
       s.snoozed_until, s.disabled_at, s.disabled_reason, s.window_id::text, s.revision, s.author, s.created_at, s.updated_at, s.deleted_at
from dure.schedule s
where (%(id)s::text is null or s.id = %(id)s::text::uuid)
  and (%(ids)s::text[] is null or s.id = any (%(ids)s::text[]::uuid[]))
  and (%(name)s::text is null or s.name = %(name)s)
  and (%(id)s::text is not null or %(ids)s::text[] is not null or (s.deleted_at is null and s.window_id is null))
  and (%(tenant_id)s::text is null or s.tenant_id = %(tenant_id)s)
  and (%(before)s::text is null or s.id < %(before)s::text::uuid)
order by s.id desc
limit %(limit)s
