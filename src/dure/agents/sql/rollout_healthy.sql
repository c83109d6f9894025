-- Notes which agents are healthy for the first time. Index: rollout_agent's primary key.
update dure.rollout_agent set healthy_at = dure.now()
where rollout_id = %(id)s::text::uuid and agent_id = any (%(agents)s::text[]) and healthy_at is null
