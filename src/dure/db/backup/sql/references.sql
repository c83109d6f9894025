-- The foreign keys between Dure's tables, which are taken off while rows come in and put on again after.
select c.relname::text as "table", k.conname::text as name, pg_catalog.pg_get_constraintdef(k.oid) as definition
from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
where c.relnamespace = 'dure'::regnamespace and k.contype = 'f' and k.conparentid = 0
order by c.relname collate "C", k.conname collate "C"
