-- The classes whose names stand in a sentence, the open before the closed. Locks nothing.
-- Reads the tenant's names. Index: class_name.
select c.name
from academy.class c
where c.tenant_id = %(tenant)s and position(c.name in %(sentence)s) > 0
group by c.name
order by bool_or(c.closed_on is null) desc, length(c.name) desc, c.name
limit %(limit)s
