-- Jobs as people see them, newest first: of the given ids, those that fit the filter; at most %(limit)s.
-- Locks nothing. Index: job's primary key, then lane's. A null in the filter means that it does not matter.
select j.id::text, j.tenant_id, j.handler, l.queue, j.state, j.priority, j.error_class, j.error,
       j.attempt, j.retry_count, j.max_retries, j.crash_count, j.blocked_by, j.timeout_s, j.created_at, j.run_at,
       j.started_at, j.finished_at, j.deadline_at, j.cancel_requested_at, j.worker_id, j.parent_id::text, j.unique_key,
       j.limit_key, j.tags, j.params::text, j.result::text
from dure.job j join dure.lane l on l.lane_id = j.lane_id
where j.id = any (%(ids)s::text[]::uuid[])
  and (%(state)s::text is null or j.state = %(state)s)
  and (%(handler)s::text is null or j.handler = %(handler)s)
  and (%(queue)s::text is null or l.queue = %(queue)s)
  and (%(tag)s::text is null or j.tags @> array[%(tag)s::text])
  and (%(parent_id)s::text is null or j.parent_id = %(parent_id)s::text::uuid)
  and (%(created_after)s::timestamptz is null or j.created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or j.created_at < %(created_before)s)
order by j.id desc
limit %(limit)s
