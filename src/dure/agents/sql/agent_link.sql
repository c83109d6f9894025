-- Makes an agent another's child; see dure.link_agent. Locks: the tenant's tree, the agents below.
select dure.link_agent(%(tenant)s, %(child)s, %(parent)s, %(protocol)s, %(settings)s::text::jsonb)
