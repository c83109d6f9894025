-- A fire that waited has made its job. Locks its row.
update dure.fire set outcome = 'made', reason = null, job_id = %(job_id)s::text::uuid
where schedule_id = %(id)s::text::uuid and fire_at = %(fire_at)s and outcome = 'waiting'
returning fire_at
