-- Lists what is to be done of a range of changes, and whether it may be: a question only after somebody said yes to it.
-- In a later round only what is intended again. Primary keys of dure.change, dure.answer and dure.outcome; locks nothing.
select c.seq, c.store, c.kind, c.unit, not c.ask or coalesce(a.accepted, false) as may, c.ask
from dure.change c
left join dure.answer a on a.run_id = c.run_id and a.seq = c.seq
where c.run_id = %(run_id)s and c.seq between %(first)s and %(last)s and c.kind <> 'keep'
  and (not %(again)s or exists (select from dure.outcome o
                                where o.run_id = c.run_id and o.seq = c.seq and o.state = 'intended'))
order by c.seq
