-- Makes the channels that every tenant has, if it has them not; see dure.begin_agents. Locks them when it makes them.
select dure.begin_agents(%(tenant_id)s)
