-- Writes a plan of one kind of change in one table, where nothing hangs on anything: in the order in which it was gathered.
insert into dure.change (run_id, seq, chunk, tenant_id, store, kind, key, to_key, before, after, revision)
select %(run)s::text::uuid, n.seq, (n.seq - 1) / %(chunk)s, %(tenant_id)s, (%(stores)s::text[])[n.tbl], n.kind, n.key, n.to_key, n.before,
       n.after, n.revision
from (select *, row_number() over () as seq from pg_temp.dure_rehearsed) n
