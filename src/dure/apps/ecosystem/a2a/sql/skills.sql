-- What the agents of a tenant can do now, with the classes that can; one agent's, or all. Locks nothing.
-- Index: agent's primary key.
select c, array_agg(distinct a.class order by a.class)
from dure.agent a cross join unnest(a.capabilities) c
where a.tenant_id = %(tenant_id)s and (%(agent_id)s::text is null or a.agent_id = %(agent_id)s)
  and (%(agent_id)s::text is not null or a.epoch is not null)
group by c
order by c
limit %(limit)s
