-- Writes how a rollout stands, if nobody has since it was read. Locks its row. Index: the primary key.
update dure.rollout set
    state = %(state)s, reason = %(reason)s::text::jsonb, step = %(step)s, step_began_at = %(step_began_at)s, switched_at = %(switched_at)s,
    settled_at = %(settled_at)s, progress_at = %(progress_at)s, progress = %(progress)s::text::jsonb, judged_at = %(judged_at)s, paused_at = %(paused_at)s,
    finished_at = %(finished_at)s, looks = %(looks)s::text::jsonb, verdicts = %(verdicts)s::text::jsonb,
    unlearn_job_id = %(unlearn_job_id)s::text::uuid, revision = revision + 1
where id = %(id)s::text::uuid and revision = %(revision)s
returning revision
