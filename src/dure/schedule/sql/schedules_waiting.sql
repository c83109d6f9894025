-- Schedules with a fire that waits for the job before it, which has ended: the oldest such fire of each. Locks their rows, and
-- passes by those that another worker has in hand. Index: fire_waiting.
select s.id::text, f.fire_at, dure.now() as now
from dure.schedule s
cross join lateral (
    select w.fire_at from dure.fire w where w.schedule_id = s.id and w.outcome = 'waiting' order by w.fire_at limit 1) f
where s.id in (select distinct w.schedule_id from dure.fire w where w.outcome = 'waiting')
  and s.paused_at is null and s.disabled_at is null and s.deleted_at is null
  and not exists (select from dure.job j where j.id = any (s.open_jobs) and j.state in ('pending', 'processing'))
  and (%(id)s::text is null or s.id = %(id)s::text::uuid)
limit %(limit)s
for update of s skip locked
