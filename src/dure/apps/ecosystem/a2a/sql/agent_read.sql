-- One agent as its card shows it; none that is retired. Locks nothing. Index: agent's primary key.
select agent_id, class, version from dure.agent
where tenant_id = %(tenant_id)s and agent_id = %(agent_id)s and retired_at is null
