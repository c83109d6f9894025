-- The agents that have memories of this tenant. Reads the whole table, once a run.
select distinct m.{payload} ->> 'agent_id' from {table} m
where m.{payload} ->> 'agent_id' <> '' and coalesce({tenant}, %(untagged)s) = %(tenant)s
  and (%(agent)s::text is null or m.{payload} ->> 'agent_id' = %(agent)s)
