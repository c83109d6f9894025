-- The same as people see it. Locks nothing. Index: agent_class, rollout_agent's primary key.
select a.agent_id, a.version, dure.agent_state(a), c.agent_id is not null, c.healthy_at, a.hold, a.target_version
from dure.rollout r
join dure.agent a on a.tenant_id = r.tenant_id and a.class = r.class
left join dure.rollout_agent c on c.rollout_id = r.id and c.agent_id = a.agent_id
where r.id = %(id)s::text::uuid and (a.epoch is not null or c.agent_id is not null)
order by md5(r.id::text || a.agent_id)
limit %(limit)s
