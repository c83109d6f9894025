-- What tables look like: their columns with types, and whether each may be null; no row for one that is not there.
-- Locks nothing.
select n.name, s.nspname, c.relname,
       (select jsonb_object_agg(a.attname, format_type(a.atttypid, null)) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from unnest(%(names)s::text[]) n(name)
join pg_class c on c.oid = to_regclass(n.name) and c.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_namespace s on s.oid = c.relnamespace
