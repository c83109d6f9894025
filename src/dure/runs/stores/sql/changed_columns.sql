-- Says of each column whether any change of a group gives it another value. The images are taken out of their storage once
-- and not once a column.
select {changed}
from (select c.before || '{{}}'::text[] as before, c.after || '{{}}'::text[] as after from dure.change c
      where c.run_id = %(run_id)s and {picked} and c.kind = 'update' offset 0) c
