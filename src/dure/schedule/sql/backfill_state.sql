-- Takes a backfill from one of the expected states to another: no row, and it was in none of them. Locks its row.
update dure.backfill set state = %(to)s, reason = %(reason)s::text::jsonb, finished_at = case when %(to)s in ('done', 'cancelled') then dure.now() end
where id = %(id)s::text::uuid and state = any (%(from)s::text[])
returning id::text
