-- Which job works on a run now. Locks the run's row.
update dure.run set job_id = %(job_id)s::text::uuid where id = %(id)s::text::uuid
