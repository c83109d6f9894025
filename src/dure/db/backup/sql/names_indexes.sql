-- The indexes of the schema, those of partitions left out: they follow their tables'.
select x.relname, case when i.indisvalid then 'ok' else 'invalid' end
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_class x on x.oid = i.indexrelid
where c.relnamespace = 'dure'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
