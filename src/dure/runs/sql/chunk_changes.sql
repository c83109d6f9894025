-- The changes of a chunk that are to be done one after the other, each with its outcome so far. Keeps and questions that
-- nobody accepted are not among them. Index: change's primary key.
select c.seq, c.store, c.kind, c.unit, c.key, c.to_key, c.before, c.after, c.scope, o.state
from dure.change c
left join dure.outcome o on o.run_id = c.run_id and o.seq = c.seq
left join dure.answer a on a.run_id = c.run_id and a.seq = c.seq
where c.run_id = %(id)s::text::uuid and c.seq between %(first)s and %(last)s and c.chunk = %(no)s
  and c.kind <> 'keep' and (not c.ask or a.accepted)
order by c.seq
