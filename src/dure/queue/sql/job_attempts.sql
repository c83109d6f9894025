-- The attempts of a job, oldest first, at most the newest %(limit)s; the job's row itself tells of one that runs or has
-- completed, which has no row of its own. Locks nothing. Index: attempt's primary key, job's primary key.
select * from (
    select a.attempt, a.outcome, a.worker_id, a.started_at, a.ended_at, a.error_class, a.error, a.traceback
    from dure.attempt a where a.job_id = %(id)s::text::uuid
    union all
    select j.attempt, case j.state when 'completed' then 'completed' end, j.worker_id, j.started_at, j.finished_at, null, null, null
    from dure.job j where j.id = %(id)s::text::uuid and j.state in ('processing', 'completed')
    order by 1 desc, 5 desc nulls first
    limit %(limit)s) newest
order by attempt, ended_at nulls last
