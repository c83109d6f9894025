-- One tender at a time in the whole database, for the length of a transaction. Locks: an advisory lock, tried.
select pg_try_advisory_xact_lock(hashtext('dure.tend_agents'), 0)
