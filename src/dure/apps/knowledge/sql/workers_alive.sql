-- Whether anybody is there to work on runs. Locks nothing.
select exists (select from dure.worker where agent_id is null and ended_at is null and lease_until > dure.now()
               and (queues = '{}' or %(queue)s = any (queues)))
