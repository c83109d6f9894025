-- Answers what tables look like now: their columns with their types, and whether triggers of users would fire.
-- Wants a search_path of pg_catalog alone, so that types are named as the plan's shapes name them. Locks nothing.
select given.store,
       array(select a.attname::text from pg_catalog.pg_attribute a
             where a.attrelid = given.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as names,
       array(select case when a.attgenerated <> '' then 'generated' else format_type(a.atttypid, a.atttypmod) end
             from pg_catalog.pg_attribute a
             where a.attrelid = given.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as types,
       exists (select from pg_catalog.pg_trigger t
               where t.tgrelid in (select given.oid union all select p.relid from pg_catalog.pg_partition_tree(given.oid) p)
                 and not t.tgisinternal and t.tgenabled in ('O', 'A')) as user_triggers
from (select store, to_regclass(format('%%I.%%I', schema, name)) as oid
      from unnest(%(stores)s::text[], %(schemas)s::text[], %(tables)s::text[]) n(store, schema, name)) given
