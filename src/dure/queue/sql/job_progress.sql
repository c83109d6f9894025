-- How far a job says it is. Locks nothing. Index: progress's primary key.
select done, total, note, updated_at from dure.progress where job_id = %(id)s::text::uuid
