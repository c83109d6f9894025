-- Lists the columns of a table in their order: their types as SQL names them, and which way their text goes out and back.
--
-- `way`: a cast to text and back is a type's own output and input function, but not for all. Those that point at objects
-- would depend on search_path: they go as their oid. Where a cast is a function of its own (trailing blanks of bpchar
-- without a length, casts that users made), the text goes through an array literal, which calls the functions themselves.
-- Wants a search_path of pg_catalog alone, so that every other type is named with its schema. Locks nothing.
select a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       case when base.typname like 'reg%%' and base.typnamespace = 'pg_catalog'::regnamespace then 'oid'
            when element.typname like 'reg%%' and element.typnamespace = 'pg_catalog'::regnamespace then 'oids'
            when base.oid = 'pg_catalog.bpchar'::regtype and base.typmod = -1 then 'array'
            when exists (select from pg_catalog.pg_cast k
                         where k.castmethod = 'f' and k.oid >= 16384
                           and (k.castsource, k.casttarget) in ((base.oid, 25::oid), (25::oid, base.oid))) then 'array'
            else 'cast' end as way,
       base.typname::text as base,
       case when a.attcollation <> 0
            then (select format('%%I.%%I', n.nspname, l.collname) from pg_catalog.pg_collation l
                  join pg_catalog.pg_namespace n on n.oid = l.collnamespace where l.oid = a.attcollation) end as collation,
       a.attnotnull as not_null,
       a.attgenerated <> '' as generated,
       a.attidentity::text as identity,
       a.attidentity <> '' or a.atthasdef or base.has_default as has_default
from pg_catalog.pg_attribute a
cross join lateral (
    with recursive under (oid, typmod, has_default) as (
        select a.atttypid, a.atttypmod, false
        union all
        select t.typbasetype, t.typtypmod, u.has_default or t.typdefault is not null
        from under u join pg_catalog.pg_type t on t.oid = u.oid where t.typtype = 'd'
    )
    select t.oid, t.typname, t.typnamespace, t.typelem, t.typcategory, u.typmod, u.has_default
    from under u join pg_catalog.pg_type t on t.oid = u.oid where t.typtype <> 'd') base
left join pg_catalog.pg_type element on element.oid = base.typelem and base.typcategory = 'A'
where a.attrelid = %(oid)s::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
