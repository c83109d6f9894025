-- A release whose rollout is taken back. Locks its row. Index: release_id_key.
update dure.release set state = 'reverted', reason = %(reason)s::text::jsonb, ended_at = dure.now()
where id = %(release_id)s::text::uuid and state not in ('current', 'withdrawn')
