-- An agent leaves for good; see dure.retire_agent. Locks: its session, the tenant's tree, the agents, its jobs.
select dure.retire_agent(%(tenant)s, %(agent)s, %(actor)s)
