-- The sequences of the schema dure, those of identity columns too.
select c.relname::text as sequence
from pg_catalog.pg_class c
where c.relnamespace = 'dure'::regnamespace and c.relkind = 'S'
order by c.relname collate "C"
