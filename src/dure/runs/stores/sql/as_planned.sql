-- Counts the rows of updates that are by now as the plan has them: a foreign key may have brought them along.
select count(*)
from dure.change c join {table} t on {match}
where c.run_id = %(run_id)s and {picked} and c.kind = 'update' and {image} = c.after
