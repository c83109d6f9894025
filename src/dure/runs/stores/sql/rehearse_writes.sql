-- Answers what this transaction wrote so far, rows by table, everything included; partitions with the table that they belong to.
-- What was taken back inside a function is counted too, so sums that do not fit show it. Locks nothing.
select r.oid::bigint as oid, format('%%I.%%I', rn.nspname, r.relname) as name,
       case when n.nspname = 'dure' then 'engine'
            when n.nspname in ('pg_catalog', 'information_schema') then 'system'
            when c.relpersistence = 't' then 'temporary' end as problem,
       bool_or(r.oid in (select to_regclass(l.name) from unnest(%(leaves)s::text[]) l(name))
               or c.oid in (select to_regclass(l.name) from unnest(%(leaves)s::text[]) l(name))) as is_leaf,
       sum(w.inserted)::bigint as inserted, sum(w.updated)::bigint as updated, sum(w.deleted)::bigint as deleted
from pg_catalog.pg_class c
cross join lateral (select pg_stat_get_xact_tuples_inserted(c.oid) as inserted, pg_stat_get_xact_tuples_updated(c.oid) as updated,
                           pg_stat_get_xact_tuples_deleted(c.oid) as deleted) w
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class r on r.oid = coalesce(pg_partition_root(c.oid), c.oid)
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
where c.relkind in ('r', 'm') and n.nspname <> 'pg_toast' and n.nspname not like 'pg\_toast\_temp\_%%' and w.inserted + w.updated + w.deleted > 0
group by r.oid, rn.nspname, r.relname, n.nspname, c.relpersistence
order by 2
