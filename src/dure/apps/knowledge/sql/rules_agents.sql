-- The agents that have decision rules of this tenant. Reads the whole table, once a run.
select distinct r.owner::text from {table} r
where lower(r.type::text) = 'dmn' and r.owner::text <> '' and {is_there} and coalesce({tenant}, %(untagged)s) = %(tenant)s
  and (%(agent)s::text is null or r.owner::text = %(agent)s)
