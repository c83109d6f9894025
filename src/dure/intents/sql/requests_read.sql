-- Requests, newest first, with their jobs. Locks nothing. Index: primary key, intent_request_tenant, _key, _once, _job.
select r.id::text, r.tenant_id, r.key, r.params, r.scope, r.actor, r.source, r.decision, r.job_id::text, r.retry_of::text, r.decided_by, r.decided_at, r.note,
       r.created_at, j.state, j.result, j.error_class, j.error, j.started_at, j.finished_at, 
       (select u.id::text from dure.job b join dure.run u on u.asked_by_job = b.id where b.parent_id = r.job_id and b.handler = 'dure.run.begin' order by b.id desc limit 1)
from dure.intent_request r left join dure.job j on j.id = r.job_id
where (%(tenant)s::text is null or r.tenant_id = %(tenant)s)
  and r.id < %(before)s::uuid
  and (%(id)s::uuid is null or r.id = %(id)s::uuid or r.job_id = %(id)s::uuid)
  and (%(key)s::text is null or r.key = %(key)s)
  and (%(unique_key)s::text is null or r.unique_key = %(unique_key)s)
  and (%(state)s::text is null or %(state)s = case when r.decision in ('waiting', 'rejected') then r.decision
       when j.state = 'completed' and jsonb_typeof(j.result -> 'items') = 'object' and jsonb_typeof(j.result -> 'failed') = 'number' and j.result ->> 'failed' <> '0' then 'partial'
       else j.state end)
order by r.id desc limit %(limit)s
