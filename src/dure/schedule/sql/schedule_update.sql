-- Writes what an edit left, in the row that the caller holds. Locks nothing more.
update dure.schedule set
    name = %(name)s, rule = %(rule)s::text::jsonb, zone = %(zone)s, handler = %(handler)s, operation = %(operation)s,
    params = %(params)s::text::jsonb, mode = %(mode)s, catch_up = %(catch_up)s, catch_up_max = %(catch_up_max)s, overlap = %(overlap)s,
    jitter_s = %(jitter_s)s, calendar = %(calendar)s, starts_at = %(starts_at)s, ends_at = %(ends_at)s, options = %(options)s::text::jsonb,
    next_fire_at = %(next_fire_at)s, disabled_at = null, disabled_reason = null, revision = revision + 1, updated_at = dure.now()
where id = %(id)s::text::uuid
