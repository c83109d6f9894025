-- Answers which tables this transaction wrote to so far and how many rows it inserted, updated and deleted there, undone
-- attempts included; partitions with the table that they belong to. Not those of the engine, of the system and temporary ones.
select rn.nspname::text, r.relname::text, sum(w.inserted)::bigint, sum(w.updated)::bigint, sum(w.deleted)::bigint,
       r.oid in (select to_regclass(l.name) from unnest(%(leaves)s::text[]) l(name))
       or c.oid in (select to_regclass(l.name) from unnest(%(leaves)s::text[]) l(name)) as is_leaf
from pg_catalog.pg_class c
cross join lateral (select pg_stat_get_xact_tuples_inserted(c.oid) as inserted, pg_stat_get_xact_tuples_updated(c.oid) as updated,
                           pg_stat_get_xact_tuples_deleted(c.oid) as deleted) w
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
where c.relkind = 'r' and w.inserted + w.updated + w.deleted > 0
  and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema', 'dure') and n.nspname not like 'pg\_temp\_%%'
group by rn.nspname, r.relname, r.oid, c.oid
