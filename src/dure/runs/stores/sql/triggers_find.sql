-- Lists the triggers of users that would fire on these tables and their partitions. Locks nothing.
select n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled = 'A' as always
from unnest(%(schemas)s::text[], %(tables)s::text[]) given(schema, name)
cross join lateral (select to_regclass(format('%%I.%%I', given.schema, given.name)) as oid) root
join pg_catalog.pg_class c on c.oid = root.oid or c.oid in (select p.relid from pg_catalog.pg_partition_tree(root.oid) p)
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A')
order by n.nspname, c.relname, t.tgname
