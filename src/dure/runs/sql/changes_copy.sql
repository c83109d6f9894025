-- The changes of a plan, by COPY. Locks the new rows.
copy dure.change (run_id, seq, chunk, tenant_id, store, kind, ask, unit, undoes, subject, scope, key, to_key, before, after, revision, reason)
from stdin
