-- What a look has done for schedules that the caller holds: the next fire, the last one and the jobs that it made; of open_jobs
-- those that have ended go. A snooze that is over is forgotten. Locks nothing more.
update dure.schedule s set
    next_fire_at = n.next_at,
    last_fire_at = coalesce(n.last_at, s.last_fire_at),
    last_job_id = coalesce(n.jobs[cardinality(n.jobs)], s.last_job_id),
    open_jobs = (array(select j.id from dure.job j where j.id = any (s.open_jobs) and j.state in ('pending', 'processing'))
                 || coalesce(n.jobs, '{}'))[1:%(most)s],
    snoozed_until = case when s.snoozed_until > dure.now() then s.snoozed_until end
from (select i.id::uuid as id, i.next_at, i.last_at, string_to_array(nullif(i.jobs, ''), ',')::uuid[] as jobs
      from unnest(%(ids)s::text[], %(next)s::timestamptz[], %(last)s::timestamptz[], %(jobs)s::text[]) as i(id, next_at, last_at, jobs)) n
where s.id = n.id
