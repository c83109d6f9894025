-- Takes this key for the transaction, or says at once that another request holds it.
select pg_try_advisory_xact_lock(hashtextextended(%(tenant_id)s || ' ' || %(key)s, 6148))
