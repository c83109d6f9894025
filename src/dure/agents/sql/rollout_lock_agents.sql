-- Holds agents, those of two versions together, before either are written: always in the order of their ids. Index: agent's primary key.
select from dure.agent a where a.tenant_id = %(tenant_id)s and a.agent_id = any (%(agents)s::text[]) order by a.agent_id for update
