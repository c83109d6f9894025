-- The changes outside the database that a run made and nobody took back, the last first. Index: change's primary key.
select c.seq, c.store, c.kind, c.unit, c.subject, c.scope, c.key, c.to_key, c.before, coalesce(c.found, c.after)
from dure.changes c
where c.run_id = %(source)s::text::uuid and c.state = 'applied' and c.store = any (%(stores)s::text[])
  and (cardinality(%(subjects)s::text[]) = 0 or c.subject = any (%(subjects)s::text[]))
  and (cardinality(%(seqs)s::bigint[]) = 0 or c.seq = any (%(seqs)s::bigint[]) or c.unit = any (%(seqs)s::bigint[])
       or c.unit in (select o.unit from dure.change o where o.run_id = c.run_id and o.seq = any (%(seqs)s::bigint[])))
  and c.seq not in (select u from dure.undone(%(source)s::text::uuid) u)
order by c.seq desc
