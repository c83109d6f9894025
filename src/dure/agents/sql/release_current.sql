-- Makes a release the current one; the one before it was superseded just now. Locks its row. Index: release_id_key.
update dure.release set state = 'current', reason = null, current_at = dure.now(), ended_at = null
where id = %(id)s::text::uuid and state <> 'withdrawn'
