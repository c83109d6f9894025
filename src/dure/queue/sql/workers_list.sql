-- Workers below a cursor, newest first, with their leases; agents' sessions are not among them. Locks nothing.
-- Index: worker's primary key.
select worker_id, name, host, pid, queues, version, lease_s, lease_until, running, started_at, ended_at, end_reason,
       ended_at is null and lease_until > (select dure.now()) as alive
from dure.worker
where worker_id < %(before)s and agent_id is null and (not %(alive)s or (ended_at is null and lease_until > (select dure.now())))
order by worker_id desc limit %(limit)s
