-- Lists the foreign keys from and to a table, with the name that the operation gave the other table, if it declared it.
-- Those of single partitions follow from the ones that are listed. Locks nothing.
select con.conrelid = %(oid)s::oid as is_out,
       con.confrelid = %(oid)s::oid as is_in,
       con.conname::text as name,
       n.nspname::text as schema,
       c.relname::text as table,
       (select d.name from unnest(%(declared)s::text[]) d(name) where to_regclass(d.name) = coalesce(pg_partition_root(con.conrelid), con.conrelid) limit 1) as store,
       (select d.name from unnest(%(declared)s::text[]) d(name) where to_regclass(d.name) = con.confrelid limit 1) as target,
       array(select a.attname::text from unnest(con.conkey) with ordinality k(attnum, at)
             join pg_catalog.pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum order by k.at) as columns,
       array(select a.attname::text from unnest(con.confkey) with ordinality k(attnum, at)
             join pg_catalog.pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.attnum order by k.at) as refers,
       -- Of PostgreSQL 15 and newer: the columns that ON DELETE SET NULL sets, when not all.
       array(select a.attname::text from jsonb_array_elements_text(
                 case when jsonb_typeof(to_jsonb(con) -> 'confdelsetcols') = 'array' then to_jsonb(con) -> 'confdelsetcols'
                      else '[]' end) k(attnum)
             join pg_catalog.pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum::int2) as set_columns,
       con.confdeltype::text as on_delete,
       con.confupdtype::text as on_update
from pg_catalog.pg_constraint con
join pg_catalog.pg_class c on c.oid = con.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where con.contype = 'f' and con.conparentid = 0 and %(oid)s::oid in (con.conrelid, con.confrelid)
order by n.nspname, c.relname, con.conname
