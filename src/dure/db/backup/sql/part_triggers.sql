-- The triggers that a part has of its own, beside the copies of its table's.
select pg_catalog.pg_get_triggerdef(t.oid)
from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
where c.relnamespace = 'dure'::regnamespace and c.relispartition and not t.tgisinternal and t.tgparentid = 0
order by c.relname collate "C", t.tgname collate "C"
