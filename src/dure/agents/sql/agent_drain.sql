-- No more work for an agent, and for all below it; see dure.drain_agents. Locks: the tenant's tree, the agents, what waits for them.
select dure.drain_agents(%(tenant)s, %(agent)s, %(cascade)s, %(actor)s)
