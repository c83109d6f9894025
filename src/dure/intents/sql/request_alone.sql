-- Two requests that are the same wait for each other; the second finds the first. Locks: an advisory lock, to the end.
select pg_advisory_xact_lock(hashtext('dure.intent'), hashtext(%(once)s))
