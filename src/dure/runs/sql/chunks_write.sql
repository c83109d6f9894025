-- The chunks of changes that were just written, each with the hash of what it holds. Index: change's primary key.
insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash)
select %(id)s::text::uuid, k.no, %(tenant_id)s, k.place, k.first_seq, k.last_seq, k.changes, dure.hash_changes(%(id)s::text::uuid, k.first_seq, k.last_seq)
from unnest(%(nos)s::integer[], %(places)s::text[], %(firsts)s::bigint[], %(lasts)s::bigint[], %(counts)s::integer[])
    as k(no, place, first_seq, last_seq, changes)
