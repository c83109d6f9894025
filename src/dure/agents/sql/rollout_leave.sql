-- Forgets agents that are no part of a rollout any more. Index: rollout_agent's primary key.
delete from dure.rollout_agent where rollout_id = %(id)s::text::uuid and agent_id = any (%(agents)s::text[])
