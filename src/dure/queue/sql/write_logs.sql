-- Lines that handlers wrote, in one statement. Times are the database's.
insert into dure.job_log (job_id, tenant_id, attempt, level, message)
select l.job_id, l.tenant_id, l.attempt, l.level, l.message
from jsonb_to_recordset(%(lines)s::text::jsonb) as l(job_id uuid, tenant_id text, attempt integer, level text, message text)
