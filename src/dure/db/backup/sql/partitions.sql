-- The parts of partitioned tables, outer ones first, with what makes each again.
with recursive part as (
    select c.oid, 0 as depth from pg_catalog.pg_class c
    where c.relnamespace = 'dure'::regnamespace and c.relkind = 'p' and not c.relispartition
    union all
    select i.inhrelid, p.depth + 1 from part p join pg_catalog.pg_inherits i on i.inhparent = p.oid
)
select c.relname::text as "table",
       (select r.relname::text from pg_catalog.pg_inherits i join pg_catalog.pg_class r on r.oid = i.inhparent where i.inhrelid = c.oid) as parent,
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound,
       case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as split_by,
       c.relrowsecurity as is_protected
from part p join pg_catalog.pg_class c on c.oid = p.oid
where p.depth > 0
order by p.depth, c.relname collate "C"
