-- Lists the triggers of users that what was written fired, as far as one can tell from which rows were written where.
select format('%%I.%%I', n.nspname, c.relname) as table, t.tgname::text as name
from unnest(%(oids)s::bigint[], %(inserted)s::bigint[], %(updated)s::bigint[], %(deleted)s::bigint[]) g(oid, inserted, updated, deleted)
join pg_catalog.pg_class c on c.oid = g.oid::oid or c.oid in (select p.relid from pg_catalog.pg_partition_tree(g.oid::oid) p)
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A')
where (g.inserted > 0 and t.tgtype & 4 > 0) or (g.deleted > 0 and t.tgtype & 8 > 0) or (g.updated > 0 and t.tgtype & 16 > 0)
order by 1, 2
