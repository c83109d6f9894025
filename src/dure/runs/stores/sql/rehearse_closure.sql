-- Lists the tables whose rows foreign keys may write to when rows of these are deleted or get other keys. Locks nothing.
with recursive reached (oid) as (
    select g.oid::oid from unnest(%(oids)s::bigint[]) g(oid)
    union
    select coalesce(pg_partition_root(f.conrelid), f.conrelid)
    from reached join pg_catalog.pg_constraint f on f.confrelid = reached.oid and f.contype = 'f'
    where f.confdeltype in ('c', 'n', 'd') or f.confupdtype in ('c', 'n', 'd')
)
select reached.oid::bigint as oid, format('%%I.%%I', n.nspname, c.relname) as name
from reached join pg_catalog.pg_class c on c.oid = reached.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by 2
