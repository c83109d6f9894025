-- Lists the foreign keys from and to a table, both tables by name. Locks nothing.
select con.conname::text as name,
       con.conrelid = r.oid as is_out, con.confrelid = r.oid as is_in,
       cn.nspname::text as child_schema, c.relname::text as child, pn.nspname::text as parent_schema, p.relname::text as parent,
       array(select a.attname::text from unnest(con.conkey) with ordinality k(attnum, at)
             join pg_catalog.pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.attnum order by k.at) as columns,
       array(select a.attname::text from unnest(con.confkey) with ordinality k(attnum, at)
             join pg_catalog.pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.attnum order by k.at) as refers
from (select to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))::oid as oid) r
join pg_catalog.pg_constraint con on con.contype = 'f' and con.conparentid = 0 and r.oid in (con.conrelid, con.confrelid)
join pg_catalog.pg_class c on c.oid = con.conrelid join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
join pg_catalog.pg_class p on p.oid = con.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
order by con.conname
