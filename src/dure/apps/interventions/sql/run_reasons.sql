-- What the plans of some runs hold, by kind of change and by reason; a missing record by which one it is. Locks nothing.
-- Index: change's primary key. Reads every change of the runs.
select c.run_id::text, c.kind, c.reason ->> 'code', c.reason -> 'params' -> 'kinds', count(*)
from dure.change c
where c.run_id = any(%(ids)s::text[]::uuid[]) and c.tenant_id = %(tenant)s
group by 1, 2, 3, 4
