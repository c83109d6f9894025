-- How many changes of some runs were made, by kind. Locks nothing. Index: change's primary key.
select c.run_id::text, c.kind, count(*)
from dure.changes c
where c.run_id = any(%(ids)s::text[]::uuid[]) and c.tenant_id = %(tenant)s and c.state = 'applied'
group by 1, 2
