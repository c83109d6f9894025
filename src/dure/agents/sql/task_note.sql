-- How far a task is, and what its agent has to say, while it has it. Locks: the row of its progress. Index: job's primary key.
with held as (
    select j.id, j.tenant_id, j.attempt from dure.job j
    where j.id = %(task)s::uuid and j.tenant_id = %(tenant)s and j.worker_id = %(epoch)s and j.claim_id = %(claim)s and j.state = 'processing'
), far as (
    insert into dure.progress (job_id, tenant_id, done, total, note)
    select h.id, h.tenant_id, %(done)s, %(total)s, %(note)s from held h where %(done)s::bigint is not null
    on conflict (job_id) do update set done = excluded.done, total = excluded.total, note = excluded.note, updated_at = dure.now()
), said as (
    insert into dure.job_log (job_id, tenant_id, attempt, level, message)
    select h.id, h.tenant_id, h.attempt, l.level, l.message from held h cross join jsonb_to_recordset(%(lines)s::text::jsonb) as l(level text, message text)
)
select count(*) from held
