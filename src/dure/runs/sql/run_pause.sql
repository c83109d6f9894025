-- Asks an application to rest after the chunk in hand. Locks the run's row; no row when nothing is being applied.
update dure.run set paused_at = dure.now(), paused_by = %(actor)s
where id = %(id)s::text::uuid and state = 'applying' and paused_at is null returning id::text
