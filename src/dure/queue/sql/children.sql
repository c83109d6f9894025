-- How many children of a job stand in which state. Index: job_parent.
select state, count(*) from dure.job where parent_id = %(id)s group by state
