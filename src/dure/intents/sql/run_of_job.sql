-- What became of the run that a request asked for: of the job that began it, and whether this start of the request's job is
-- the one that waited for it (and not a later life of it). Locks nothing. Index: job_parent, attempt's primary key.
select j.state, j.result, j.error,
       (select a.outcome from dure.attempt a where a.job_id = %(job)s::uuid order by a.attempt desc limit 1) = 'waited'
from dure.job j where j.parent_id = %(job)s::uuid and j.handler = 'dure.run.begin' order by j.id desc limit 1
