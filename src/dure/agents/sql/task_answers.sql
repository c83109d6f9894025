-- What became of the tasks of a broadcast, in the order of their agents. Locks nothing. Index: job_parent, task's primary key.
select t.agent_id, t.job_id::text, j.state, j.result, j.error_class, j.error
from dure.job j join dure.task t on t.job_id = j.id
where j.parent_id = %(task)s::uuid order by t.agent_id
