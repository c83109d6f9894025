-- Asks an application, or a planning, to end after what is in hand. Locks the run's row.
update dure.run set stop_asked_at = dure.now(), stop_asked_by = %(actor)s, reason = %(reason)s::text::jsonb
where id = %(id)s::text::uuid and state in ('planning', 'applying') and stop_asked_at is null returning id::text
