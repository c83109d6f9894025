-- What a need can be anchored to for an agent, as notifications name it. Locks nothing. Index: agent's primary key.
select dure.anchors_of(a) from dure.agent a where a.tenant_id = %(tenant)s and a.agent_id = %(agent)s
