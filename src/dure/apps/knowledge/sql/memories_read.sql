-- The memories of some agents of one tenant, the older first. An index on (payload ->> 'agent_id') serves it.
select array[{key}], m.{payload} ->> 'agent_id', coalesce(m.{payload} ->> 'user_id', ''), coalesce(m.{payload} ->> 'run_id', ''),
       coalesce(m.{payload} ->> 'data', ''), coalesce(m.{payload} ->> 'created_at', ''), {vector}
from {table} m
where m.{payload} ->> 'agent_id' = any (%(agents)s) and coalesce({tenant}, %(untagged)s) = %(tenant)s
order by 2, 6, 1
