-- Ids of jobs that wait, newest first, from the lines. Locks nothing. Indexes: see dure.pending_jobs.
select id::text from dure.pending_jobs(%(handler)s, %(queue)s, %(before)s::text::uuid, %(most)s) as id
