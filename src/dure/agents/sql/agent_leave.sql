-- An agent ends its own session in order: what it holds goes back into line, and nobody has died. Locks: as dure.fence_agents.
select dure.fence_agents(%(tenant)s, array[%(agent)s::text], 'left')
where exists (select from dure.agent a where a.tenant_id = %(tenant)s and a.agent_id = %(agent)s and a.epoch = %(epoch)s)
