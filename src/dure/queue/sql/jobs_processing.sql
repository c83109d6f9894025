-- Ids of jobs that a worker holds, newest first, from the claims. Locks nothing. Indexes: see dure.processing_jobs.
select id::text from dure.processing_jobs(%(handler)s, %(queue)s, %(before)s::text::uuid, %(most)s) as id
