-- The class of an agent, and whose key it came with. Locks nothing. Index: agent's primary key.
select a.class, a.key_id::text from dure.agent a where a.tenant_id = %(tenant_id)s and a.agent_id = %(agent_id)s and a.retired_at is null
