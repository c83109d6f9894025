-- The decision rules of some agents of one tenant, the older first.
select array[{key}], r.owner::text, {name}, {created_at}, r.bpmn::text
from {table} r
where lower(r.type::text) = 'dmn' and r.owner::text = any (%(agents)s) and {is_there}
  and coalesce({tenant}, %(untagged)s) = %(tenant)s
order by 2, 4 nulls last, 1
