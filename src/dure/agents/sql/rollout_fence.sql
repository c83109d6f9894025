-- Ends sessions at once; see dure.fence_agents. Locks the sessions, then what they hold.
select dure.fence_agents(%(tenant_id)s, %(agents)s::text[], %(reason)s)
