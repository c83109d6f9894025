-- Lets a resting application go on. Locks the run's row.
update dure.run set paused_at = null, paused_by = null
where id = %(id)s::text::uuid and state = 'applying' and paused_at is not null returning id::text
