-- Rollouts, newest first, or one by its id. Locks nothing. Index: rollout_tenant, rollout_class, or the primary key.
select r.id::text, r.tenant_id, r.class, r.from_version, r.to_version, r.strategy, r.steps, r.max_parallel, r.min_healthy_s, r.progress_deadline_s,
       r.auto_promote, r.auto_revert, r.in_flight, r.gates, r.state, r.reason, r.step, r.began_at, r.step_began_at, r.switched_at, r.settled_at,
       r.progress_at, r.progress, r.judged_at, r.paused_at, r.finished_at, r.looks, r.verdicts, r.unlearn_job_id::text, r.author, r.revision
from dure.rollout r
where (%(id)s::text is null or r.id = %(id)s::text::uuid)
  and (%(tenant_id)s::text is null or r.tenant_id = %(tenant_id)s)
  and (%(class)s::text is null or r.class = %(class)s)
  and (%(state)s::text is null or r.state = %(state)s)
  and (%(before)s::text is null or r.id < %(before)s::text::uuid)
order by r.id desc
limit %(limit)s
