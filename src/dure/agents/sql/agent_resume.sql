-- Takes a drain or a retirement back; see dure.resume_agents. Locks: the tenant's tree, the agents.
select dure.resume_agents(%(tenant)s, %(agent)s, %(cascade)s, %(actor)s)
