-- Counts what was gathered of a table.
select count(*) filter (where kind = 'create'), count(*) filter (where kind = 'update'), count(*) filter (where kind = 'delete')
from pg_temp.dure_rehearsed where tbl = %(tbl)s
