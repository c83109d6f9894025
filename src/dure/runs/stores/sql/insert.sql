-- Creates the rows of a group of changes, each column as the plan has it, numbers that the database gives itself too.
-- The image is taken out of its storage once and not once a column.
insert into {table} ({columns}) overriding system value
select {values}
from (select c.after || '{{}}'::text[] as after from dure.change c
      where c.run_id = %(run_id)s and {picked} and c.kind <> 'keep' order by c.seq offset 0) c
