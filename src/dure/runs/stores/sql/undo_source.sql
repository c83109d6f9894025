-- The changes of a run that are done and not taken back, each turned round: what made a record deletes it, and so on.
-- Of a unit all or nothing. Primary keys of dure.change, dure.outcome; locks nothing.
select c.seq, c.chunk, c.store, c.unit, c.subject, c.scope,
       case c.kind when 'create' then 'delete' when 'update' then 'update' else 'create' end as kind,
       case when c.kind = 'update' then coalesce(c.to_key, c.key) else c.key end as key,
       case when c.kind = 'update' and c.to_key is not null then c.key end as to_key,
       case when c.kind in ('create', 'update') then coalesce(c.found, c.after) end as done,
       case when c.kind <> 'create' then c.before end as was
from dure.changes c
where c.run_id = %(source)s::text::uuid and c.store = %(store)s and c.state = 'applied' and c.kind <> 'keep'
  and not exists (select from dure.undone(%(source)s::text::uuid) u(seq) where u.seq = c.seq)
  and (%(all)s or c.subject = any (%(subjects)s::text[]) or c.seq = any (%(seqs)s::bigint[])
       or c.unit in (select m.unit from dure.change m
                     where m.run_id = %(source)s::text::uuid and m.unit is not null
                       and (m.subject = any (%(subjects)s::text[]) or m.seq = any (%(seqs)s::bigint[]))))
