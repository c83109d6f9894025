-- What a task waits for that is pending: jobs that are open, its time, or an agent. Locks nothing. Index: primary keys, agent_capabilities.
select j.blocked_by, j.run_at, j.run_at > dure.now(), h.paused_at is not null, t.agent_id,
       (select dure.agent_state(a) from dure.agent a where a.tenant_id = t.tenant_id and a.agent_id = t.agent_id),
       (select jsonb_agg(jsonb_build_object('agent_id', c.agent_id, 'state', c.state, 'reason', c.reason, 'in_hand', c.in_hand, 'capacity', c.capacity))
        from (select * from dure.candidates(n, t.job_id::text) limit 20) c),
       (select array_agg(d.depends_on_id::text) from dure.dependency d where d.job_id = t.job_id and not d.met)
from dure.task t join dure.job j on j.id = t.job_id join dure.need n on n.need_id = t.need_id join dure.handler h on h.handler = j.handler
where t.job_id = %(task)s::uuid
