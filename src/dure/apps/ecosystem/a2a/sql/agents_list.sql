-- The agents of a tenant as the catalog lists them, by name; none that is retired. Locks nothing. Index: agent's primary key.
select agent_id, class, version, registered_at from dure.agent
where tenant_id = %(tenant_id)s and retired_at is null
order by agent_id
limit %(limit)s
