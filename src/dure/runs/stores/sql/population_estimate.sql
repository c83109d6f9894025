-- Answers how many rows a table has by its statistics; 0 when there are none. Locks nothing.
select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
from pg_catalog.pg_class c
where c.oid in (select to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
                union all select p.relid from pg_catalog.pg_partition_tree(to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))) p)
  and c.relkind = 'r'
