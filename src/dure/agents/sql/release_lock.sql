-- Lets nobody else make or change releases of a class, or begin a rollout of it, until the end of the transaction.
select pg_advisory_xact_lock(hashtext('dure.release'), hashtext(%(tenant_id)s || ' ' || %(class)s))
