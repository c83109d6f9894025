-- What became of fires, many at once. A fire that is there already is another worker's, and then nothing of this may stand:
-- the key refuses it. Locks the new rows.
insert into dure.fire (schedule_id, fire_at, tenant_id, cause, outcome, reason, job_id, until_at, count, actor)
select i.schedule_id::uuid, i.fire_at, i.tenant_id, %(cause)s, i.outcome, i.reason::jsonb, i.job_id::uuid, i.until_at, i.count, %(actor)s
from unnest(%(schedules)s::text[], %(fires)s::timestamptz[], %(tenants)s::text[], %(outcomes)s::text[], %(reasons)s::text[], %(jobs)s::text[],
            %(until)s::timestamptz[], %(counts)s::bigint[])
     as i(schedule_id, fire_at, tenant_id, outcome, reason, job_id, until_at, count)
