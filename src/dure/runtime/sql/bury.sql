-- Declares workers dead at once, so that what they held need not wait for the lease. Locks: see dure.bury.
select dure.bury(%(workers)s::bigint[], 'lease_lost')
