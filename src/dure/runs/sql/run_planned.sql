-- Ends the planning of a run with what came of it; one that was asked to stop meanwhile is cancelled. Locks the run's row; only from planning.
update dure.run set state = case when stop_asked_at is null then %(state)s else 'cancelled' end,
    reason = case when stop_asked_at is null then %(reason)s::text::jsonb else reason end, counts = %(counts)s::text::jsonb, guards = %(guards)s::text::jsonb,
    population = %(population)s, plan_hash = %(plan_hash)s, planned_at = dure.now(),
    expires_at = dure.now() + make_interval(secs => %(expires_s)s),
    finished_at = case when stop_asked_at is not null or %(state)s in ('empty', 'refused') then dure.now() end
where id = %(id)s::text::uuid and state = 'planning'
returning then_do, state
