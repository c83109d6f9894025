-- The rollout of a class that is not over. Locks nothing. Index: rollout_open.
select id::text from dure.rollout
where tenant_id = %(tenant_id)s and class = %(class)s and state in ('running', 'paused', 'ready', 'reverting')
