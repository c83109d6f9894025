-- A run's state, held still until the end of the transaction. Locks the run's row. Index: run's primary key.
select r.state, r.plan_hash, r.author, r.operation, r.paused_at, r.expires_at <= dure.now() as is_expired, r.rollback_of::text, r.mode,
       r.guards, r.counts, r.params, r.stores, r.job_id::text,
       not exists (select from dure.job j where j.id = r.job_id and j.state in ('pending', 'processing')) as is_job_over,
       r.started_at is not null as is_started, r.then_do, r.tenant_id
from dure.run r where r.id = %(id)s::text::uuid
for update
