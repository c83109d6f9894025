-- The rows before that the other transaction ended, and that are not there any more under their keys. One scan.
insert into pg_temp.dure_rehearsed (tbl, kind, key, before, revision)
select %(tbl)s, 'delete', {key}, {image}, {revision}
from {table} t
where t.xmax = {xid}::xid and not exists (select from pg_temp.dure_rehearsed_after c where {match})
