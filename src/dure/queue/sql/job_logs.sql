-- Lines of a job's log after a given one, in the order of their writing. Locks nothing. Index: job_log_job.
select log_id, attempt, at, level, message from dure.job_log
where job_id = %(id)s::text::uuid and log_id > %(after)s order by log_id limit %(limit)s
