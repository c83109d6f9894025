-- An agent registers; see dure.register_agent. Locks: what that says.
select dure.register_agent(%(tenant)s, %(agent)s::text::jsonb, %(key)s::uuid)
