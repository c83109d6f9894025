-- Ids of the children of a job below a cursor, newest first. Locks nothing. Index: job_parent, read in order.
select j.id::text from dure.job j
where j.parent_id = %(parent_id)s::text::uuid and j.id < %(before)s::text::uuid
order by j.parent_id desc, j.id desc limit %(most)s
