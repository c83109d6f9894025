-- Lists the rows to create whose key is there already and does not become free by an earlier change of the same chunk.
select c.seq
from dure.change c
where c.run_id = %(run_id)s and c.seq = any (%(seqs)s)
  and exists (select from {table} t where {match})
  and not exists (select from dure.change d
                  where d.run_id = c.run_id and d.seq between %(first)s and c.seq and d.store = c.store and d.key = c.key
                    and (d.kind in ('delete', 'move') or d.to_key is not null))
