-- Runs as people see them, newest first, at most %(limit)s. A plan that is past its time reads as expired, and a run whose
-- job is lost for good (quarantined, cancelled) as what it came to, whoever looks.
-- Locks nothing. Index: run_tenant, or the primary key for one id; a null in the filter means that it does not matter.
-- By state only what is open is looked at more closely: nothing else reads as another state.
select r.id::text, r.tenant_id, r.operation, r.rollback_of::text, r.mode, r.params, r.author, r.note, shown.state,
       r.reason, r.stores, r.counts, r.guards, r.notes, r.population, r.plan_hash, r.job_id::text, r.paused_at, r.created_at, r.planned_at,
       r.expires_at, r.started_at, r.finished_at, done.applied, done.conflicts, done.failed, done.skipped, done.to_do,
       case when undone.n = 0 then 'no' when undone.n >= done.applied then 'wholly' else 'partly' end, r.then_do, r.asked_by_job::text
from dure.run r
cross join lateral (
    select coalesce(sum(k.applied), 0)::bigint as applied, coalesce(sum(k.conflicts), 0)::bigint as conflicts,
           coalesce(sum(k.failed), 0)::bigint as failed, coalesce(sum(k.skipped), 0)::bigint as skipped,
           coalesce(sum(k.changes - k.applied - k.conflicts - k.failed - k.skipped) filter (where k.state <> 'done'), 0)::bigint as to_do
    from dure.chunk k where k.run_id = r.id) done
cross join lateral (
    select not exists (select from dure.job j where j.id = r.job_id and j.state in ('pending', 'processing')) as is_over) job
cross join lateral (
    select case when r.state in ('planned', 'approved') and r.expires_at <= (select dure.now()) then 'expired'
                when r.state = 'planning' and job.is_over then 'failed'
                when r.state = 'applying' and r.paused_at is null and job.is_over then case when done.applied > 0 then 'partial' else 'failed' end
                else r.state end as state) shown
cross join lateral (select dure.undone_count(r.id) as n) undone
where (%(id)s::text is null or r.id = %(id)s::text::uuid)
  and (%(before)s::text is null or r.id < %(before)s::text::uuid)
  and (%(operation)s::text is null or r.operation = %(operation)s)
  and (%(state)s::text is null or shown.state = %(state)s)
  and (%(state)s::text is null or r.state = %(state)s or r.state in ('planning', 'planned', 'approved', 'applying'))
  and (%(author)s::text is null or r.author = %(author)s)
  and (%(rollback_of)s::text is null or r.rollback_of = %(rollback_of)s::text::uuid)
order by r.id desc
limit %(limit)s
