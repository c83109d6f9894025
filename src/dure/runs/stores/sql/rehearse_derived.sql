-- Counts, by table, the records that a foreign key wrote to.
select r.tbl, count(distinct e.child)
from pg_temp.dure_rehearsed_edge e join pg_temp.dure_rehearsed r on r.id = e.child
where e.reason is not null group by r.tbl
