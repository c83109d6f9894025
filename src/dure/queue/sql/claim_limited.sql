-- Claims jobs under limits; see the function. Locks: an advisory lock (tried), dure.held, the jobs.
select dure.claim_limited(%(worker)s, %(queues)s::text[], %(shunned)s::integer[], %(most)s)
