-- Gives agents that no process stands behind no work. Locks their rows. Index: agent's primary key.
update dure.agent set hold = '{"code": "example"}'
where tenant_id = %(tenant)s and agent_id = any (%(agents)s) and epoch is not null and hold is null
