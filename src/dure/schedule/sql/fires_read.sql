-- The fires of a schedule, newest first, with how their jobs stand. Locks nothing. Index: fire's primary key.
select f.schedule_id::text, f.fire_at, f.cause, f.outcome, f.reason, f.job_id::text, f.until_at, f.count, f.actor, f.created_at, j.state
from dure.fire f left join dure.job j on j.id = f.job_id
where f.schedule_id = %(id)s::text::uuid and (%(before)s::timestamptz is null or f.fire_at < %(before)s)
  and (%(outcome)s::text is null or f.outcome = %(outcome)s)
order by f.fire_at desc
limit %(limit)s
