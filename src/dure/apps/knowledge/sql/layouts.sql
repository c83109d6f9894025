-- What tables look like: their columns with types and the columns of their primary keys; no row for one that is not there.
-- Locks nothing.
select n.name, s.nspname, c.relname,
       (select jsonb_object_agg(a.attname, format_type(a.atttypid, null)) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
       coalesce((select array_agg(a.attname::text order by k.at)
                 from pg_index i cross join lateral unnest(i.indkey) with ordinality k(attnum, at)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where i.indrelid = c.oid and i.indisprimary), '{}') as key
from unnest(%(names)s::text[]) n(name)
join pg_class c on c.oid = to_regclass(n.name) and c.relkind in ('r', 'p')
join pg_namespace s on s.oid = c.relnamespace
