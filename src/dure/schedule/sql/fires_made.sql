-- Which fires of a range made a job, and how that job stands; a job that was removed since has done its work. Locks nothing.
-- Index: fire's primary key.
select f.fire_at, coalesce(j.state, 'completed')
from dure.fire f left join dure.job j on j.id = f.job_id
where f.schedule_id = %(id)s::text::uuid and f.fire_at between %(from)s and %(until)s and f.outcome = 'made' and f.cause = 'due'
