-- Tasks that a session has been given and does not know of: the answer was lost on its way. Locks nothing. Index: claim_worker.
select j.id::text, j.claim_id, j.handler, j.params, j.attempt, coalesce(t.title, ''), t.from_agent, t.trace_id, t.root_id::text,
       coalesce(t.depth, 0), j.deadline_at, j.timeout_s, j.priority, coalesce(n.capabilities, '{}')
from dure.agent a join dure.claim c on c.worker_id = a.epoch
cross join lateral unnest(c.job_ids) as i(id)
join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
left join dure.task t on t.job_id = j.id
left join dure.need n on n.need_id = t.need_id
where a.tenant_id = %(tenant)s and a.agent_id = %(agent)s and a.epoch = %(epoch)s and c.claim_id <> all (%(holding)s::bigint[])
order by j.id limit %(most)s
