-- Closes an open window, once: no row, and it was closed already. One that elapsed closed when its time came, whoever saw it.
-- Locks its row.
update dure.window set state = %(state)s, closed_by = %(actor)s, reason = %(reason)s::text::jsonb,
    closed_at = case when %(state)s = 'elapsed' then ends_at else dure.now() end
where id = %(id)s::text::uuid and state = 'open'
returning id::text
