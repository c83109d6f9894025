-- Locks the rows of changes by their keys and compares them with the plan, byte by byte: the image of what differs, else null.
-- A row that is not there brings no row. Locks in the order of the plan.
select c.seq, case when {image} = c.before then null else {image} end, c.before
from dure.change c join {table} t on {match}
where c.run_id = %(run_id)s and c.seq = any (%(seqs)s)
order by c.seq
for update of t
