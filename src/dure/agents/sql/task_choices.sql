-- The choices made for a task, the first one first. Locks nothing. Index: choice's primary key, choice_job.
select c.strategy, c.chosen, c.reason, c.candidates, c.at
from dure.choice c join dure.task t on c.choice_id = t.choice_id or c.job_id = t.job_id
where t.job_id = %(task)s::uuid order by c.choice_id
