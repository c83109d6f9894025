-- Pauses, snoozes or resumes a schedule in the row that the caller holds, and says when it fires next. Locks nothing more.
update dure.schedule set
    paused_at = case when %(paused)s then coalesce(paused_at, dure.now()) end,
    paused_by = case when %(paused)s then coalesce(paused_by, %(actor)s) end,
    snoozed_until = %(snoozed_until)s, next_fire_at = %(next_fire_at)s,
    disabled_at = null, disabled_reason = null, revision = revision + 1, updated_at = dure.now()
where id = %(id)s::text::uuid
