-- No migration while the backup is made: it shares the migrations' lock. False while one is at work.
select pg_try_advisory_xact_lock_shared(%s)
