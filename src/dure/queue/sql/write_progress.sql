-- The latest progress of each job that reported any; HOT, and never a write to the job itself.
insert into dure.progress as p (job_id, tenant_id, done, total, note)
select r.job_id, r.tenant_id, r.done, r.total, r.note
from jsonb_to_recordset(%(reports)s::text::jsonb) as r(job_id uuid, tenant_id text, done bigint, total bigint, note text)
order by r.job_id
on conflict (job_id) do update set done = excluded.done, total = excluded.total, note = excluded.note, updated_at = dure.now()
