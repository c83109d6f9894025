-- Schedules whose time has come, the latest overdue first, with the time by which they are due. Locks their rows, and passes
-- by those that another worker has in hand. Index: schedule_due.
select s.id::text, s.next_fire_at, dure.now() as now,
       exists (select from dure.job j where j.id = any (s.open_jobs) and j.state in ('pending', 'processing')) as is_busy,
       (select count(*) from dure.fire f where f.schedule_id = s.id and f.outcome = 'waiting')::integer as waiting,
       c.entries
from dure.schedule s
left join dure.calendar c on c.tenant_id = s.tenant_id and c.name = s.calendar
where s.next_fire_at <= (select dure.now()) and s.paused_at is null and s.disabled_at is null and s.deleted_at is null
  and (s.snoozed_until is null or s.snoozed_until <= (select dure.now()))
  and (%(id)s::text is null or s.id = %(id)s::text::uuid)
order by s.next_fire_at
limit %(limit)s
for update of s skip locked
