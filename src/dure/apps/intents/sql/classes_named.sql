-- The classes that a request names, by name or by id; `here` says whether one is open. Locks nothing.
-- Indexes: class_name, the key.
select c.id, c.name, c.capacity, c.closed_on is null as here, concat_ws(' ', c.teacher, c.opened_on) as about
from unnest(%(named)s::text[], %(ids)s::uuid[]) as g (named, id)
join academy.class c on c.tenant_id = %(tenant)s and (c.name = g.named or c.id = g.id)
order by c.id
