-- Answers the expressions that give the columns of a table their values when nothing else does; wants a search_path of
-- pg_catalog alone, so that they can be evaluated under any other. Locks nothing.
select a.attname::text,
       case when a.attidentity <> '' then format('nextval(%%L::regclass)', pg_get_serial_sequence(c.oid::regclass::text, a.attname))
            when a.atthasdef then pg_get_expr(d.adbin, d.adrelid)
            else (with recursive under (oid) as (
                      select a.atttypid
                      union all
                      select t.typbasetype from under u join pg_catalog.pg_type t on t.oid = u.oid
                      where t.typtype = 'd' and t.typdefaultbin is null)
                  select pg_get_expr(t.typdefaultbin, 0) from under u join pg_catalog.pg_type t on t.oid = u.oid
                  where t.typdefaultbin is not null) end as expression
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where (n.nspname, c.relname) = (%(schema)s, %(table)s) and a.attname = any (%(columns)s::text[])
