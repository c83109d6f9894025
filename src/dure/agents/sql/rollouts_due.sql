-- Rollouts that are on their way. Locks nothing. Index: rollout_due.
select id::text from dure.rollout where state in ('running', 'reverting') order by id limit %(limit)s
