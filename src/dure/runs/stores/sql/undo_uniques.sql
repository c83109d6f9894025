-- Lists what else than its key is unique about a table: the expressions of each index, as SQL, and of which rows it speaks.
-- Indexes over generated columns are left to the database. Wants a search_path of pg_catalog alone. Locks nothing.
select c.relname::text as name,
       array(select pg_get_indexdef(i.indexrelid, k, false) from generate_series(1, i.indnkeyatts) k) as expressions,
       pg_get_expr(i.indpred, i.indrelid) as condition,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as nulls_equal,
       used.names as columns
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
cross join lateral (
    select array_agg(distinct a.attname::text) as names, coalesce(bool_or(a.attgenerated <> ''), false) as is_generated
    from pg_catalog.pg_attribute a
    where a.attrelid = i.indrelid and a.attnum > 0
      and (a.attnum = any (i.indkey::int2[])
           or a.attnum in (select d.refobjsubid from pg_catalog.pg_depend d
                           where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = i.indrelid))) used
where i.indrelid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
  and i.indisunique and i.indisvalid and not used.is_generated
  and not (i.indpred is null and i.indexprs is null
           and (select array_agg(n order by n) from unnest(used.names) n) = (select array_agg(n order by n) from unnest(%(key)s::text[]) n))
order by i.indexrelid
