-- Changes of a run in the order of its plan, at most %(limit)s. Locks nothing. Index: change's primary key.
select c.run_id::text, c.seq, c.store, c.kind, c.state, c.ask, c.accepted, c.unit, c.subject, c.scope, c.key, c.to_key, c.before,
       coalesce(c.found, c.after), c.reason, c.outcome
from dure.changes c
where c.run_id = %(id)s::text::uuid and c.seq > %(after)s
  and (%(seq)s::bigint is null or c.seq = %(seq)s)
  and (%(kind)s::text is null or c.kind = %(kind)s)
  and (%(state)s::text is null or c.state = %(state)s)
  and (%(store)s::text is null or c.store = %(store)s)
  and (%(subject)s::text is null or c.subject = %(subject)s)
order by c.seq
limit %(limit)s
