-- Writes the chunks of changes that were just written as slice 0, each with the hash of what it holds.
insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash)
select k.run_id, k.chunk, k.tenant_id, 'tables', k.first_seq, k.last_seq, k.changes, dure.hash_changes(k.run_id, k.first_seq, k.last_seq)
from (select run_id, chunk, tenant_id, min(seq) as first_seq, max(seq) as last_seq, count(*) filter (where kind <> 'keep') as changes
      from dure.change where run_id = %(run)s::text::uuid and seq < %(end)s group by run_id, chunk, tenant_id) k
