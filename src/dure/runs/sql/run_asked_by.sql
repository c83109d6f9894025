-- The run that a job asked for. Locks nothing. Index: run_asked_by_job.
select r.id::text from dure.run r where r.asked_by_job = %(job_id)s::text::uuid
order by r.id desc
limit 1
