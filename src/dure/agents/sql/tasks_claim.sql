-- Takes tasks for an agent, each under a claim of its own; see dure.claim_tasks. Locks: places in line (SKIP LOCKED), then the jobs.
select j.id::text, j.claim_id, j.handler, j.params, j.attempt, coalesce(t.title, ''), t.from_agent, t.trace_id, t.root_id::text,
       coalesce(t.depth, 0), j.deadline_at, j.timeout_s, j.priority, coalesce(n.capabilities, '{}')
from dure.claim_tasks(%(tenant)s, %(agent)s, %(epoch)s, %(most)s) j left join dure.task t on t.job_id = j.id
left join dure.need n on n.need_id = t.need_id
