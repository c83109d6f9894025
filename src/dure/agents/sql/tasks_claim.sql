-- Takes tasks for an agent, each under a claim of its own; see dure.claim_tasks. Locks: places in line (SKIP LOCKED), then the jobs.
select given.* from (select array_agg(id) as ids from dure.claim_tasks(%(tenant)s, %(agent)s, %(epoch)s, %(most)s)) taken
cross join lateral dure.assignments(taken.ids) given where taken.ids is not null
