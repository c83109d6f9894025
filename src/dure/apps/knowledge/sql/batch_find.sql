-- The run of an older program's id. Locks nothing. Index: run's primary key.
select dure.run_of_batch(%(job_id)s)::text
