-- The tables with triggers of ours, which must not fire for rows that are put back as they were. Parts have copies of what
-- their table has.
select distinct c.relname::text collate "C" as "table", c.relispartition as is_part
from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
where c.relnamespace = 'dure'::regnamespace and c.relkind in ('r', 'p') and not t.tgisinternal
order by 1
