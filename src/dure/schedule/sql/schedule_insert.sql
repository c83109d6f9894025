-- A new schedule; no row when the name is taken. Locks its row.
insert into dure.schedule (id, tenant_id, name, rule, zone, handler, operation, params, mode, catch_up, catch_up_max, overlap, jitter_s, calendar,
    starts_at, ends_at, options, next_fire_at, paused_at, paused_by, window_id, author)
values (%(id)s::text::uuid, %(tenant_id)s, %(name)s, %(rule)s::text::jsonb, %(zone)s, %(handler)s, %(operation)s, %(params)s::text::jsonb,
    %(mode)s, %(catch_up)s, %(catch_up_max)s, %(overlap)s, %(jitter_s)s, %(calendar)s, %(starts_at)s, %(ends_at)s, %(options)s::text::jsonb,
    %(next_fire_at)s, case when %(paused)s then dure.now() end, case when %(paused)s then %(author)s end, %(window_id)s::text::uuid, %(author)s)
on conflict (tenant_id, name) where deleted_at is null do nothing
returning id::text
