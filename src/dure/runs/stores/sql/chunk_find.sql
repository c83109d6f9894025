-- Answers the range of a chunk's changes, and whether they are all of one kind in one store: that of the first. Locks nothing.
select k.first_seq, k.last_seq, s.changes, s.asks > 0 as asks, f.store, f.kind, s.alike = s.changes as is_uniform
from dure.chunk k
left join lateral (
    select c.store, c.kind from dure.change c
    where c.run_id = k.run_id and c.seq between k.first_seq and k.last_seq and c.kind <> 'keep'
    order by c.seq limit 1) f on true
cross join lateral (
    select count(*) as changes, count(*) filter (where c.ask) as asks,
           count(*) filter (where c.store = f.store and c.kind = f.kind) as alike
    from dure.change c
    where c.run_id = k.run_id and c.seq between k.first_seq and k.last_seq and c.kind <> 'keep') s
where k.run_id = %(run_id)s and k.no = %(chunk)s
