-- Notes the changes of a table that is not any more what it was: nothing of it can be put back. Locks nothing.
insert into pg_temp.dure_undo (seq, chunk, store, unit, subject, scope, kind, key, to_key, wanted, code, params, does)
select c.seq, c.chunk, c.store, c.unit, c.subject, c.scope, c.kind, c.key, c.to_key, c.was, 'undo_irreversible', %(told)s::jsonb, false
from ({source}) c
