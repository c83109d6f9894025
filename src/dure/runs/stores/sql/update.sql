-- Gives the rows of a group of changes their values afterwards. Locks them in the order of the plan. The image is taken out
-- of its storage once and not once a column.
update {table} t set {assignments}
from (select c.key, c.revision, c.after || '{{}}'::text[] as after from dure.change c
      where c.run_id = %(run_id)s and {picked} and c.kind <> 'keep' order by c.seq offset 0) c
where {match}
