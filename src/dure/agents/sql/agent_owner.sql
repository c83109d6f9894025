-- Which key a session was registered with. Locks nothing. Index: agent's primary key.
select a.key_id::text from dure.agent a where a.tenant_id = %(tenant)s and a.agent_id = %(agent)s and a.epoch = %(epoch)s
