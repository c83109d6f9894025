-- Tasks, newest first. Locks nothing. Index: task's primary key, or task_tenant, task_agent, task_root, job_parent by what is asked.
select t.job_id::text, t.tenant_id, j.handler, t.title, j.state, t.strategy, n.class, n.capabilities,
       case when t.strategy = 'direct' then t.agent_id end, n.tree, t.sticky_key, t.agent_id, t.from_agent, j.parent_id::text, t.root_id::text, t.trace_id, t.depth,
       j.params, j.result, j.error_class, j.error, j.priority, j.attempt, j.retry_count, j.max_retries, j.crash_count, j.blocked_by, j.timeout_s,
       j.created_at, j.run_at, j.started_at, j.finished_at, j.deadline_at, j.cancel_requested_at, j.tags, t.created_by
from dure.task t join dure.job j on j.id = t.job_id join dure.need n on n.need_id = t.need_id
where (%(tenant)s::text is null or t.tenant_id = %(tenant)s)
  and (%(ids)s::uuid[] is null or t.job_id = any (%(ids)s::uuid[]))
  and t.job_id < %(before)s::uuid
  and (%(state)s::text is null or j.state = %(state)s)
  and (%(agent)s::text is null or t.agent_id = %(agent)s)
  and (%(class)s::text is null or n.class = %(class)s)
  and (%(strategy)s::text is null or t.strategy = %(strategy)s)
  and (%(root)s::uuid is null or t.root_id = %(root)s::uuid)
  and (%(parent)s::uuid is null or j.parent_id = %(parent)s::uuid)
order by t.job_id desc limit %(limit)s
