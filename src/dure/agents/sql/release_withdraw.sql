-- Withdraws a release. Locks its row. Index: release_id_key.
update dure.release set state = 'withdrawn', reason = %(reason)s::text::jsonb, ended_at = dure.now()
where id = %(id)s::text::uuid and state not in ('current', 'withdrawn')
