-- Answers the range of a chunk's changes, how many there are, and the store and kind of the first and the last of them.
-- Primary keys of dure.chunk and dure.change; locks nothing.
select k.first_seq, k.last_seq, k.changes, f.store, f.kind, f.store = l.store and f.kind = l.kind as is_alike
from dure.chunk k
cross join lateral (
    select c.store, c.kind from dure.change c
    where c.run_id = k.run_id and c.seq between k.first_seq and k.last_seq and c.kind <> 'keep' order by c.seq limit 1) f
cross join lateral (
    select c.store, c.kind from dure.change c
    where c.run_id = k.run_id and c.seq between k.first_seq and k.last_seq and c.kind <> 'keep' order by c.seq desc limit 1) l
where k.run_id = %(run_id)s and k.no = %(chunk)s
