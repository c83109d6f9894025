-- Decides a request that waits: one row, or it was decided before. Locks: its row.
update dure.intent_request set decision = %(decision)s, decided_by = %(actor)s, decided_at = dure.now(), note = %(note)s, job_id = coalesce(job_id, %(job_id)s::uuid)
where id = %(id)s::uuid and decision = 'waiting' returning id
