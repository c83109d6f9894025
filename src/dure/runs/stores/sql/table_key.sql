-- Answers the columns of the primary key, or of the unique index on exactly the columns that the user names; the first
-- that fits. A partial index, one over expressions, one that is not valid, says nothing about every row. Locks nothing.
select array(select a.attname::text from unnest(i.indkey[0 : i.indnkeyatts - 1]) with ordinality k(attnum, at)
             join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.at) as columns
from pg_catalog.pg_index i
where i.indrelid = %(oid)s::oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
  and case when cardinality(%(key)s::text[]) = 0 then i.indisprimary
           else i.indnkeyatts = cardinality(%(key)s::text[])
            and not exists (select from unnest(i.indkey[0 : i.indnkeyatts - 1]) k(attnum)
                            join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                            where a.attname::text <> all (%(key)s::text[])) end
order by i.indexrelid
limit 1
