-- Takes a chunk of outside changes in hand, for this job alone. Index: chunk's primary key.
update dure.chunk set state = 'applying', job_id = %(job_id)s::text::uuid, started_at = coalesce(started_at, dure.now())
where run_id = %(id)s::text::uuid and no = %(no)s and state <> 'done' returning no
