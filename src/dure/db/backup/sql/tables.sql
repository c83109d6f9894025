-- The tables of the schema dure that hold rows of their own: partitions are read through what they are parts of. A row a
-- column, in the order of the table. unordered: a type that has no order, or text whose order differs between servers;
-- the key then needs an order of its own. plain: a type whose text needs no escapes.
select c.relname::text as "table", a.attname::text as "column",
       array_position(i.indkey::smallint[], a.attnum) as key_place,
       a.attcollation <> 0 and coalesce(l.collname, '') <> 'C' as is_worded,
       t.typcategory in ('B', 'D', 'N', 'T') or t.typname in ('uuid', 'bytea', 'jsonb') as is_plain
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_collation l on l.oid = a.attcollation
left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
where c.relnamespace = 'dure'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname collate "C", a.attnum
