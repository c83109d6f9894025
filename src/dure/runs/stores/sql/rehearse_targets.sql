-- Says what the targets of a statement are: the tables that they belong to, and why they could not be written through a plan.
-- Locks nothing.
select coalesce(pg_partition_root(c.oid), c.oid)::bigint as oid, format('%%I.%%I', rn.nspname, r.relname) as name, r.relkind::text as kind,
       case when n.nspname = 'dure' then 'engine'
            when n.nspname in ('pg_catalog', 'information_schema', 'pg_toast') then 'system'
            when c.relpersistence = 't' then 'temporary'
            when c.relkind in ('v', 'm') then 'view'
            when c.relkind = 'f' then 'foreign' end as problem
from unnest(%(schemas)s::text[], %(tables)s::text[]) g(schema, name)
join pg_catalog.pg_class c on c.oid = to_regclass(format('%%I.%%I', g.schema, g.name))
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
