-- Lists the tables whose rows foreign keys may write to on behalf of these, as they are now. Locks nothing.
with recursive reached (oid) as (
    select coalesce(pg_partition_root(g.oid), g.oid)
    from unnest(%(schemas)s::text[], %(tables)s::text[]) n(schema, name)
    cross join lateral (select to_regclass(format('%%I.%%I', n.schema, n.name))::oid as oid) g where g.oid is not null
    union
    select coalesce(pg_partition_root(f.conrelid), f.conrelid)
    from reached join pg_catalog.pg_constraint f on f.confrelid = reached.oid and f.contype = 'f'
    where f.confdeltype in ('c', 'n', 'd') or f.confupdtype in ('c', 'n', 'd')
)
select format('%%I.%%I', n.nspname, c.relname)
from reached join pg_catalog.pg_class c on c.oid = reached.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by 1
