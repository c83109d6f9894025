-- Takes a run from one of the expected states to another: no row, and it was not in any of them. Locks the run's row.
update dure.run set
    state = %(to)s,
    reason = coalesce(%(reason)s::text::jsonb, case when %(keep_reason)s then reason end),
    job_id = coalesce(%(job_id)s::text::uuid, job_id),
    started_at = case when %(to)s = 'applying' then coalesce(started_at, dure.now()) else started_at end,
    finished_at = case when %(to)s in ('applied', 'partial', 'failed', 'cancelled', 'rejected', 'expired', 'refused', 'empty')
                       then dure.now() end,
    paused_at = null, paused_by = null, stop_asked_at = null, stop_asked_by = null
where id = %(id)s::text::uuid and state = any (%(from)s::text[])
returning id::text
