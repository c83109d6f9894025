-- Ids of jobs below a cursor, newest first. Locks nothing.
-- Index: job_tenant for a tenant (row-level security names it), job's primary key for the system; both are read in order.
select j.id::text from dure.job j where j.id < %(before)s::text::uuid order by j.id desc limit %(most)s
